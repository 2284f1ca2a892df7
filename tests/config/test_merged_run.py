"""Several files and `--config`: each value keeps the place where it is written, and `max_images` limits what depends on it."""

import logging

import pytest
import yaml

from diffzero.config import ConfigError, load_merged_run, load_run
from workspace import ROOT, demo

DEMO = "config/demo.yaml"


def error_message(tmp_path, text: str, *overrides: str) -> str:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        load_merged_run([DEMO, tmp_path / "mine.yaml"], overrides, ROOT)
    return str(error.value).replace(str(tmp_path), "TMP")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("max_images=0", "--config max_images=0: 'max_images': found 0, expected"),
        ("max_images=1e3", "--config max_images=1e3: 'max_images': found '1e3', expected integer"),
        ("max_imges=3", "--config max_imges=3: unknown key 'max_imges'. Did you mean 'max_images'?"),
        ("images=64", "--config images=64: key 'images' is now called 'max_images'. Rename it."),
        ("run=trial", "--config run=trial: key 'run' is now called 'name'. Rename it."),
        ("policy={max_scores: 3}", "--config policy={max_scores: 3}: 'policy': max_scores is 3, expected at least"),
        ("models=[mini-ds]", "--config models=[mini-ds]: unknown model 'mini-ds'. Did you mean 'mini-sd'?"),
        ("policy={a: 1, a: 2}", "--config policy={a: 1, a: 2}: 'policy.a' is also on line 1"),
        ("policy={", "--config policy={: is not YAML"),
        ("tables", "--config: found 'tables', expected KEY=VALUE"),
        ("batch_size=", "--config batch_size=: 'batch_size': found nothing, expected integer or auto"),
    ],
)
def test_a_value_of_the_command_line_is_blamed_on_the_command_line(tmp_path, entry, expected):
    assert error_message(tmp_path, "name: mine\n", entry).startswith(expected)


def test_a_value_of_the_second_file_is_blamed_on_it_and_the_others_on_the_first(tmp_path):
    assert error_message(tmp_path, "name: mine\nmax_images: 0\n").startswith("TMP/mine.yaml, line 2: 'max_images'")
    kinds = error_message(tmp_path, "policy:\n  kind: full\n  min_scores: 3\n")
    assert kinds.startswith("TMP/mine.yaml, line 3: key 'min_scores' in 'policy' belongs to kind 'ttest'")
    assert error_message(tmp_path, "models: [mini-sd]\n").startswith("config/demo.yaml, line ")
    assert "'max_images' is also on line 1" in error_message(tmp_path, "max_images: 3\nmax_images: 4\n")


def test_files_and_overrides_are_merged_as_snakemake_merges_them(tmp_path):
    (tmp_path / "mine.yaml").write_text("policy: {min_scores: 5}\nname: mine\n")
    run = load_merged_run([DEMO, tmp_path / "mine.yaml"], ["policy={cutoff_pval: 0.1}", "max_images=20"], ROOT)
    policy = {"min_scores": 5, "max_scores": 100, "cutoff_pval": 0.1}
    assert run == load_run(demo(name="mine", policy=policy, max_images=20), ROOT)


@pytest.mark.parametrize("where", ["file", "command line"])
def test_a_smaller_max_images_limits_what_depends_on_it_and_says_so(tmp_path, caplog, where):
    (tmp_path / "mine.yaml").write_text("max_images: 2\n" if where == "file" else "name: mine\n")
    with caplog.at_level(logging.WARNING):
        run = load_merged_run([DEMO, tmp_path / "mine.yaml"], [] if where == "file" else ["max_images=2"], ROOT)
    assert [entry.n_images for entry in (*run.figure2_efficiency, *run.figure3_denoised)] == [2, 2, 2]
    place = f"{tmp_path}/mine.yaml, line 1" if where == "file" else "--config max_images=2"
    assert caplog.messages == [
        f"diffzero: {place}: 'max_images' is 2, so 2 images are used for 'figure2_efficiency[0].n_images' (16), "
        "'figure3_denoised[0].n_images' (3), 'figure3_denoised[1].n_images' (3)."
    ]


def test_a_single_image_is_refused_where_scores_are_split_into_halves(tmp_path):
    assert error_message(tmp_path, "max_images: 1\n").startswith(
        "TMP/mine.yaml, line 1: 'max_images' is 1, but 'figure2_efficiency[0].n_images' needs at least 2 images."
    )


def test_the_paper_s_run_may_be_tried_with_few_images(caplog):
    run = load_merged_run(["config/config.yaml"], ["name=trial", "max_images=64"], ROOT)
    assert (run.name, run.full_scoring[0].n_images, len(caplog.messages)) == ("trial", 64, 1)
    whole = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    assert load_run(whole, ROOT).full_scoring[0].n_images == 128

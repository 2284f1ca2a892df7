"""Tables, figures and the report of a finished and of an unfinished run."""

import re
import shlex
from pathlib import Path

import pytest
from snakemake.cli import parse_args

from diffzero.config import load_run
from diffzero.reporting import html, table_format
from diffzero.reporting.digests import write_digests
from diffzero.reporting.figures import FIGURES, FigureKind
from diffzero.reporting.figures.style import save_figure
from diffzero.reporting.html.page import to_markup
from diffzero.reporting.table_format import Layout
from diffzero.reporting.tables import TABLES, Table
from diffzero.utils.provenance import DamagedFileError
from diffzero.utils.result_files import digest_of, read_provenance, write_parquet, write_record
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.targets import TargetSet, command_line
from small_figures import confusion, paired_comparison

ROOT = Path(__file__).parents[2]
CONFIG = {
    "name": "tiny",
    "models": ["mini-sd", "mini-if"],
    "baselines": ["mini-clip"],
    "datasets": ["digits", "fashion"],
    "max_images": 20,
    "max_images_per_job": 10,
    "attribute_binding": {"examples_per_task": 2},
    "figure2_efficiency": [{"model": "mini-sd", "dataset": "digits", "n_images": 4, "draws": 8}],
    "full_scoring": [
        {"model": "mini-sd", "dataset": "digits", "n_images": 20, "draws": 40},
        {"model": "mini-if", "dataset": "fashion", "n_images": 5, "draws": 8},
    ],
    "ablations": [
        {"model": "mini-sd", "dataset": "digits", "downsample_to": 4},
        {"model": "mini-if", "dataset": "digits", "prompt_template": 0},
    ],
    "figure6_samples": [{"model": "mini-sd", "dataset": "digits"}],
}


def target_set(results_dir: Path, existing_only: bool, **changes: object) -> TargetSet:
    config = {**CONFIG, "results": str(results_dir), "store": str(results_dir / "store"), **changes}
    experiment = Experiment(load_run(config, ROOT), ROOT)
    return TargetSet(experiment, lambda: existing_only, "snakemake --cores all")


def touch(*paths: str) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()


def test_a_run_has_all_results_and_with_existing_only_those_that_exist(tmp_path: Path) -> None:
    whole, part = target_set(tmp_path, False), target_set(tmp_path, True)
    assert (
        part.is_empty() and not part.sources("classification") and not part.figure_stems() and not part.full_scorings()
    )
    assert len(whole.sources("classification")) == 8 and not whole.missing_results("classification", full_scoring=True)
    expected = {
        "confusion-mini-sd-digits",
        "frontier-mini-if-fashion",
        "samples-mini-sd-digits",
        "controlled",
        "paired_comparison",
    }
    assert expected <= set(whole.figure_stems())
    assert part.table_files() == whole.table_files() and f"{tmp_path}/tiny/tables/table4.tex" in whole.table_files()


@pytest.mark.parametrize("kind", ["full scores", "samples", "scores of Figure 2"])
def test_a_run_with_only_full_scores_or_images_is_not_empty(tmp_path: Path, kind: str) -> None:
    whole, part = target_set(tmp_path, False), target_set(tmp_path, True)
    figure2 = whole.experiment.figure2_scorings("mini-sd", "digits")
    files = {
        "full scores": whole.experiment.score_files(whole.full_scorings()[1]),
        "samples": [f"{tmp_path}/tiny/samples/mini-sd/digits.safetensors"],
        "scores of Figure 2": [shard for scoring in figure2 for shard in whole.experiment.score_files(scoring)],
    }
    touch(*files[kind])
    assert not part.is_empty() and part.figure_stems()


def test_a_result_exists_with_its_predictions_or_with_all_score_shards(tmp_path: Path) -> None:
    whole, part = target_set(tmp_path, False), target_set(tmp_path, True)
    sources = {(s["model"], s["dataset"]): s["file"] for s in whole.sources("classification")}
    shards = {(s.model, s.dataset): whole.experiment.score_files(s) for s in whole.experiment.main_scorings}
    touch(
        sources["mini-sd", "digits"],
        *shards["mini-if", "digits"],
        shards["mini-if", "fashion"][0],
        sources["mini-clip", "digits"],
    )
    assert {(s["model"], s["dataset"]) for s in part.sources("classification")} == {
        ("mini-sd", "digits"), ("mini-if", "digits"), ("mini-clip", "digits"),
    }  # fmt: skip
    assert {"confusion-mini-sd-digits", "confusion-mini-if-digits", "calls", "paired_comparison"} == set(
        part.figure_stems()
    )
    notes = part.missing_notes("classification")
    assert (
        f"Not available yet: mini-if on fashion (1 of 2 score shards). `snakemake --cores all {sources['mini-if', 'fashion']}`"
        in notes
    )
    assert len(notes) == 5 and len(part.requested("classification")) == 8


def test_tables_and_figures_follow_the_registries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLES, "added", Table("added", "added"))
    monkeypatch.setitem(TABLES, "of-lewis", Table("of-lewis", "of_lewis", requires="lewis"))
    monkeypatch.setitem(FIGURES, "added", FigureKind("added", "Added", "Added", ("ablations",), "dataset"))
    monkeypatch.setitem(FIGURES, "many", FigureKind("many", "Many", "Many", ("classification",), min_results=9))
    targets = target_set(tmp_path, False)
    names, stems = {table.name for table in targets.tables()}, set(targets.figure_stems())
    assert "added" in names and "of-lewis" not in names
    assert {"added-digits-downsampled-4", "added-digits-template-0"} <= stems and "many" not in stems


def test_another_weighting_needs_new_pruned_scores_but_reuses_full_scores(tmp_path: Path) -> None:
    stages = {"kind": "stages", "stages": [{"draws": 5, "keep": 2}, {"draws": 20, "keep": 1}]}
    for policy in ({"kind": "ttest"}, stages):
        before = target_set(tmp_path, True, policy=policy).experiment
        after = target_set(tmp_path, True, policy=policy, weighting={"kind": "heuristic", "decay": 5.0})
        touch(*(shard for scoring in before.scorings.values() for shard in before.score_files(scoring)))
        assert not after.sources("classification", "binding", "ablations"), (
            "scores pruned under another weighting are in other files"
        )
        assert len(after.full_scorings()) == 2 and "efficiency-mini-sd-digits" in after.figure_stems()
        race = after.experiment.main_scorings[0].slug
        assert (
            race.endswith("-heuristic-5") and after.experiment.main_scorings[0].to_params()["weighting"]["decay"] == 5
        )
    full = target_set(tmp_path, True, policy={"kind": "full", "max_scores": 30}).experiment.main_scorings[0]
    assert full.slug == "shared-full-30" and full.to_params()["weighting"] is None


def test_the_summary_lists_every_missing_result_with_its_command(tmp_path: Path) -> None:
    whole, part = target_set(tmp_path, False), target_set(tmp_path, True)
    assert whole.missing_summary() == ""
    lines = part.missing_summary().splitlines()
    assert f"{len(part.all_missing_results())} results do not exist yet" in lines[1]
    assert any(
        "Figure 6 of mini-sd on digits" in line and "samples/mini-sd/digits.safetensors" in line for line in lines
    )
    assert any("full scores of mini-if on fashion (0 of 1 score shards)" in line for line in lines)


def test_full_scores_are_those_of_the_largest_scoring_per_model_and_data_set(tmp_path: Path) -> None:
    found = {
        (s.model, s.dataset): (s.n_images, s.policy.max_scores) for s in target_set(tmp_path, False).full_scorings()
    }
    assert found == {("mini-sd", "digits"): (20, 40), ("mini-if", "fashion"): (5, 8)}


def test_an_ablation_has_its_own_name_and_the_noise_of_the_plain_data_set(tmp_path: Path) -> None:
    targets = target_set(tmp_path, False)
    experiment = targets.experiment
    downsampled, template = experiment.ablation_scorings
    assert (downsampled.dataset, template.dataset) == ("digits-downsampled-4", "digits-template-0")
    assert downsampled.to_params()["noise_dataset"] == template.to_params()["noise_dataset"] == "digits"
    assert experiment.downsample_to("digits-downsampled-4") == 4 and experiment.downsample_to("digits") is None
    assert experiment.dataset("digits-downsampled-4").classnames == experiment.dataset("digits").classnames
    assert experiment.scorings["mini-sd", "digits-downsampled-4", downsampled.seed, downsampled.slug] == downsampled
    settings = [(row["model"], row["setting"]) for row in targets.ablation_rows()]
    assert settings == [
        ("mini-sd", "full resolution"), ("mini-sd", "downsampled to 4x4"), ("mini-if", "plain template"), ("mini-if", "template 0"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "overrides"),
    [
        ([], []),
        (["config/config.yaml"], []),
        (["config/config.yaml"], ["name=trial", "max_images=64"]),
        (["config/demo.yaml"], []),
        (["config/demo.yaml"], ["models=[mini-sd, mini-if]"]),
        (["config/demo.yaml", "my run.yaml"], ["name=it's"]),
    ],
)  # fmt: skip
def test_snakemake_parses_the_printed_command_as_the_same_run_with_any_target(files, overrides) -> None:
    arguments = shlex.split(f"{command_line(files, overrides)} results/a.parquet")
    _, parsed = parse_args(arguments[1:])
    assert arguments[0] == ".venv/bin/snakemake" and parsed.targets == ["results/a.parquet"]
    # The Snakefile loads the default file itself.
    assert list(map(str, parsed.configfile or [])) == ([] if files == ["config/config.yaml"] else files)
    assert (parsed.config or []) == overrides and ("slurm" in arguments) == ("config/demo.yaml" not in files)


@pytest.fixture
def page(tmp_path: Path) -> str:
    """Return the report page of a run with one table and two figures."""
    import pandas as pd

    rows = [["digits", "mini-sd", "**97.5**"], ["fashion", "<b>mini-if</b>", "–"]]
    table = Layout("Table 1: <accuracy>", ["Data set", "Model", "Accuracy (%)"], rows, ["Read `this` & that."])
    files = [tmp_path / f"table1.{kind}" for kind in table_format.TABLE_FORMATS]
    table_format.write_table(pd.DataFrame({"a": [1]}), [table], map(str, files))
    for draw, stem in ((confusion, "confusion-mini-sd-fashion"), (paired_comparison, "paired_comparison")):
        write_digests(tmp_path / f"{stem}.json", save_figure(draw(), tmp_path / stem), {})
    weights = tmp_path / "mini-sd.json"
    record = {"family": "stable_diffusion", "digest": "abc123", "folder": "resources/models/mini-sd"}
    write_record(record, weights, digest="abc123")
    images = tmp_path / "digits" / "images.parquet"
    images.parent.mkdir()
    write_parquet(pd.DataFrame({"digest": ["d1", "d2"]}), images)
    facts = target_set(tmp_path, True).report_facts() | {"models": ["mini-sd"], "datasets": ["digits", "fashion"]}
    contents = html.ReportContents(
        facts=facts,
        missing=["mini-if on fashion (0 of 1 score shards): `snakemake x`"],
        tables=files,
        figures=sorted(tmp_path.glob("*.svg")),
        captions=sorted((ROOT / "workflow" / "report").glob("*.rst")),
        provenance=html.list_provenance(facts, [weights], [images]),
    )
    return html.render_page(contents, tmp_path / "report.html").decode()


def test_the_page_loads_no_other_file(page: str) -> None:
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert links and all(link.startswith(("data:", "#")) for link in links)
    assert "http://" not in re.sub(r"data:[^\"]+", "", page) and "@import" not in page and "url(" not in page


def test_the_page_contains_tables_figures_captions_and_provenance(page: str) -> None:
    assert (
        "<strong>97.5</strong>" in page
        and "&lt;b&gt;mini-if&lt;/b&gt;" in page
        and "<code>this</code> &amp; that" in page
    )
    assert "Confusion matrix: mini-sd-fashion" in page and "filled marks" in page.lower() and "best permutation" in page
    assert "abc123" in page and "snakemake x" in page and "statsmodels" in page
    assert page.count('download="table1.') == 3


def test_every_internal_link_has_exactly_one_target(page: str) -> None:
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    targets = set(re.findall(r'href="#([^"]+)"', page)) | set(re.findall(r'aria-labelledby="([^"]+)"', page))
    assert targets <= set(ids)


def test_every_table_and_figure_has_a_caption(tmp_path: Path) -> None:
    targets, captions = (
        target_set(tmp_path, False),
        {path.stem for path in (ROOT / "workflow" / "report").glob("*.rst")},
    )
    tables = {Path(path).stem for path in targets.table_files()}
    kinds = {stem.split("-mini-")[0] for stem in targets.figure_stems()}
    assert tables <= captions and kinds <= captions


def test_only_code_and_bold_are_converted_to_markup() -> None:
    assert to_markup("a `b` **c** <i>") == "a <code>b</code> <strong>c</strong> &lt;i&gt;"


def test_the_page_names_the_digests_of_tables_and_figures(page: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    names = ("confusion-mini-sd-fashion.json", "paired_comparison.json", "table1.json")
    assert read_provenance(path).made_from == {name: digest_of(tmp_path / name) for name in names}
    path.write_text(page.replace("97.5", "98.5"), encoding="utf-8")
    with pytest.raises(DamagedFileError):
        read_provenance(path)

"""Mistakes on the command line of Snakemake are answered with the command or the name that works."""

import subprocess
from pathlib import Path

import pytest

from diffzero.cluster.gpu_lock import describe_missing_gpu
from workflow_copy import CONFIG, error_message, snakemake

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """Return a folder with damaged configuration files."""
    folder = tmp_path_factory.mktemp("files")
    demo = (ROOT / "config/demo.yaml").read_text()
    (folder / "twice.yaml").write_text(demo + "max_images: 3\n")
    (folder / "open.yaml").write_text("name: [\n")
    (folder / "list.yaml").write_text("- a\n")
    (folder / "empty.yaml").write_text("")
    (folder / "tab.yaml").write_text(demo + "cost_estimate:\n\tgpus: 1\n")
    (folder / "latin.yaml").write_bytes(demo.encode() + b"# M\xfcnze\n")
    (folder / "deep.yaml").write_text("policy: {max_scores: 50, max_scores: 60}\n" + demo.replace("policy", "#p", 1))
    return folder


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--configfile", "FILES/twice.yaml"], "FILES/twice.yaml, line 43: 'max_images' is also on line 11. Remove one."),
        (["--configfile", "FILES/open.yaml"], "FILES/open.yaml, line 1: is not YAML: "),
        (["--configfile", "FILES/list.yaml"], "FILES/list.yaml, line 1: found a list, expected lines of the form"),
        (["--configfile", "FILES/empty.yaml"], "FILES/empty.yaml: found nothing, expected lines of the form"),
        (["--configfile", "FILES/tab.yaml"], "Indent with spaces: YAML refuses tabs."),
        (["--configfile", "FILES/latin.yaml"], "found the byte 0xfc, which is not UTF-8."),
        (["--configfile", "config/demmo.yaml"], "no such file. Did you mean 'config/demo.yaml'?"),
        (
            ["--cores", "1", "--configfile", "config/demo.yaml", "tables", "figures"],
            "snakemake -n --cores 1 --configfile config/demo.yaml -- tables figures",
        ),
        (
            ["--configfile", "config/demo.yaml", "--config", "max_images=3", "tables"],
            "snakemake -n --configfile config/demo.yaml --config max_images=3 -- tables",
        ),
        (["--configfile=config/demo.yaml", "--config", "max_images=0"], "--config max_images=0: 'max_images': found 0"),
        (["--configfile=config/demo.yaml", "tabels"], "target 'tabels': no rule has this name. Did you mean 'tables'?"),
        (["--configfile=config/demo.yaml", "score"], "target 'score': this rule makes many files"),
        (
            ["--configfile=config/demo.yaml", "results/demo/tables/tabel1.md"],
            "no rule makes this file. Did you mean 'results/demo/tables/table1.md'?",
        ),
        (["--configfile=config/demo.yaml", "--until", "replay_score"], "Did you mean 'replay_scores'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_with_one_line(files, arguments, expected):
    command = [ROOT / ".venv/bin/snakemake", "-n", *(argument.replace("FILES", str(files)) for argument in arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    message = error_message(done).replace(str(files), "FILES")
    assert expected in message


def test_a_damaged_default_configuration_is_refused_with_its_line(copy):
    path = copy / "config/config.yaml"
    text = path.read_text()
    path.write_text(text + "store: results/other\n")
    done = subprocess.run([ROOT / ".venv/bin/snakemake", "-n"], cwd=copy, capture_output=True, text=True, timeout=120)
    path.write_text(text)
    assert "config/config.yaml, line " in error_message(done) and "'store' is also on line" in done.stderr


def test_a_gpu_that_this_machine_lacks_is_refused_before_the_first_job(copy):
    done = snakemake(copy, "--", "results/tiny/scores", config=CONFIG | {"device": "cuda:7"})
    assert "no rule makes this file" in error_message(done)
    done = snakemake(copy, "scores", config=CONFIG | {"device": "cuda:7"})
    assert "tiny.yaml: 'device' is 'cuda:7', but PyTorch finds" in error_message(done)
    assert not list((copy / "results").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("device", "gpus", "expected"),
    [
        ("cuda", 0, "finds no GPU"), ("cuda:1", 1, "finds one GPU, cuda:0 on"), ("cuda:4", 2, "finds 2 GPUs, cuda:0 to cuda:1"),
        ("cuda", 1, None), ("cuda:1", 2, None), ("cpu", 0, None), ("auto", 0, None),
    ],
)  # fmt: skip
def test_a_device_is_missing_if_its_number_is_not_below_the_number_of_gpus(device, gpus, expected):
    found = describe_missing_gpu(device, lambda: gpus)
    assert (found is None) if expected is None else expected in found

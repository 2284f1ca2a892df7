"""The whole workflow in a copy of the working tree: tables agree with the scores, nothing is scored twice, failures are clear."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import load_file, save_file

from diffzero.config import load_run
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.plan import make_plan
from workflow_copy import CONFIG, error_message, literal_accuracy_and_calls, snakemake

COLUMNS = ["model", "dataset", "accuracy", "low", "high", "n", "calls_per_image"]


def costs(root: Path) -> pd.DataFrame:
    paths = sorted((root / "results" / "tiny" / "scores").rglob("*.json"))
    return pd.DataFrame([{"path": str(path), **json.loads(path.read_text())} for path in paths])


def tables(root: Path) -> dict[str, bytes]:
    """Return every table, without the columns on batches and memory, and without the shards it was made from: they depend on the jobs."""
    tables_dir = root / "results" / "tiny" / "tables"
    found = {path.name: path.read_bytes() for path in sorted(tables_dir.iterdir()) if path.stem != "cost"}
    for name in [name for name in found if name.endswith(".json")]:
        content = json.loads(found[name])
        del content["diffzero"]
        found[name] = json.dumps(content).encode()
    cost = pd.read_csv(tables_dir / "cost.csv").drop(columns=["batch_sizes", "calls_at_once", "peak_memory_mb"])
    return found | {"cost.csv": cost.to_csv().encode()}


@pytest.fixture(scope="module")
def finished(copy) -> Path:
    done = snakemake(copy)
    assert done.returncode == 0, done.stderr[-4000:]
    return copy


def test_table_1_equals_a_literal_evaluation_of_the_score_shards(finished):
    table = pd.read_csv(finished / "results" / "tiny" / "tables" / "table1.csv")
    assert list(table.columns[:7]) == COLUMNS
    row = table[(table["model"] == "mini-sd") & (table["dataset"] == "digits")].iloc[0]
    accuracy, calls = literal_accuracy_and_calls(finished, "digits", 24)
    assert row["n"] == 3 and row["low"] <= row["accuracy"] <= row["high"]
    assert (row["accuracy"], row["calls_per_image"]) == pytest.approx((accuracy, calls), rel=1e-5)
    assert set(table["model"]) == {"mini-sd", "mini-clip", "mini-clip@24"}
    made = costs(finished)
    assert made[made["path"].str.contains("/digits/")]["calls"].sum() == round(3 * calls)


def test_table_3_equals_a_literal_evaluation_of_the_score_shards(finished):
    table = pd.read_csv(finished / "results" / "tiny" / "tables" / "table3.csv")
    every = table[table["split"] == "all"]
    accuracy, calls = literal_accuracy_and_calls(finished, "scenes", 20)
    assert len(every) == 20 and (every["n"] == 2).all()
    assert (every["accuracy"].mean(), every["calls_per_item"].mean()) == pytest.approx((accuracy, calls), rel=1e-5)


def test_the_bounds_of_the_plan_contain_the_calls_of_the_run_before_and_after_the_data_are_prepared(finished):
    made = costs(finished)
    shutil.copytree(finished / "results" / "tiny" / "data", finished / "prepared" / "tiny" / "data")
    for results in ("nothing", "prepared"):
        run = load_run({**CONFIG, "results": str(finished / results)}, finished, where="test")
        for e in make_plan(Experiment(run, finished)).estimates:
            rows = made[made["path"].str.contains(f"/{e.scoring.dataset}/seed{e.scoring.seed}/{e.scoring.slug}/")]
            calls = rows[["calls", "reused"]].to_numpy().sum()
            assert 0 < e.work.floor <= calls <= e.work.most and e.work.floor <= e.calls <= e.work.most
            assert len(rows) == e.shards
            if results == "prepared" and e.scoring.dataset == "scenes":
                assert e.work.sharing < 1


def test_figures_and_logs_exist(finished):
    run_dir = finished / "results" / "tiny"
    assert {path.suffix for path in (run_dir / "figures").iterdir()} >= {".svg", ".png"}
    assert list((run_dir / "logs").rglob("*.log"))


def test_a_finished_run_has_nothing_to_be_done(finished):
    again = snakemake(finished, "-n")
    assert again.returncode == 0 and "Nothing to be done" in again.stdout + again.stderr


# Rules that score, or make the inputs of scoring.
SCORING = {
    "prepare_dataset",
    "render_scenes",
    "prepare_scenes",
    "crop_images",
    "crop_small_dataset",
    "retrieve_weights",
    "encode_prompts",
    "encode_images",
    "encode_small_datasets",
    "score",
    "run_baseline_mini-clip",
}


def planned(root: Path, *arguments: str) -> set[str]:
    """Return the rules that a dry run lists."""
    done = snakemake(root, "-n", *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    # The table of job counts: a rule with a message is not named elsewhere.
    return set(re.findall(r"^([\w-]+) +\d+$", done.stdout + done.stderr, flags=re.MULTILINE)) - {"total"}


@pytest.mark.parametrize(
    ("files", "touched"),
    [
        ("workflow/scripts/{make_tables_and_figures,write_report}.py", {"make_tables", "plot_figures", "write_report"}),
        ("config/paper/table1.csv workflow/report/{table1,calls}.rst", {"make_tables", "write_report"}),
    ],
    ids=["plot code", "reported numbers and captions"],
)
def test_changed_plots_tables_and_captions_rerun_no_scoring_rule(finished, files, touched):
    """The changes: scripts of tables, figures and the page; reported numbers and captions."""
    names = subprocess.run(["bash", "-c", f"echo {files}"], capture_output=True, text=True, check=True).stdout.split()
    before = {name: (finished / name).read_bytes() for name in names}
    try:
        for name, content in before.items():
            (finished / name).write_bytes(
                content + (b"\n" if name.endswith(".rst") else b"\n# changed\n" if name.endswith(".py") else b"")
            )
        rules = planned(finished)
        assert touched <= rules and not rules & {*SCORING, "replay_scores"}, rules
    finally:
        for name, content in before.items():
            (finished / name).write_bytes(content)


def test_tables_and_report_of_a_partial_run_list_missing_results_with_their_commands(finished):
    run_dir = finished / "results" / "tiny"
    kept = {
        path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file() and "/mini-sd/digits/" in str(path)
    }
    assert any("/scores/" in str(path) for path in kept) and any("/predictions/" in str(path) for path in kept)
    for name in ("digits", "scenes"):  # without the scenes there is no binding result
        shutil.rmtree(run_dir / "scores" / "mini-sd" / name)
        shutil.rmtree(run_dir / "predictions" / "mini-sd" / name)
    assert not planned(finished, "tables", "figures", "report") & SCORING
    done = snakemake(finished, "tables", "report")
    assert done.returncode == 0, done.stderr[-4000:]
    file = next(path for path in kept if "/predictions/" in str(path) and path.suffix == ".parquet").relative_to(
        finished
    )
    command = f"snakemake --cores all --configfile=tiny.yaml {file}"
    assert "mini-sd on digits (0 of 1 score shards)" in done.stderr and command in done.stderr
    table = pd.read_csv(run_dir / "tables" / "table1.csv").set_index("model")
    assert table.loc["mini-sd", "n"] == 0 and np.isnan(table.loc["mini-sd", "accuracy"])
    assert (
        command in (run_dir / "tables" / "table1.md").read_text() and command in (run_dir / "report.html").read_text()
    )
    assert (pd.read_csv(run_dir / "tables" / "table3.csv")["n"] == 0).all()
    assert (pd.read_csv(run_dir / "tables" / "controlled.csv")["n"] == 0).all()
    # The printed command, then the whole run: the table is complete again without a call.
    made = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=finished, capture_output=True, text=True, timeout=600
    )
    assert made.returncode == 0 and file.name in made.stdout + made.stderr, made.stderr[-3000:]
    assert snakemake(finished).returncode == 0
    assert pd.read_csv(run_dir / "tables" / "table1.csv").set_index("model").loc["mini-sd", "n"] == 3
    new = [json.loads(path.read_text()) for path in run_dir.rglob("scores/mini-sd/**/*.json")]
    assert new and all(cost["calls"] == 0 for cost in new)


def test_a_deleted_run_is_rebuilt_byte_for_byte_without_a_call(finished):
    before, scored = tables(finished), costs(finished)
    shutil.rmtree(finished / "results" / "tiny")
    shutil.rmtree(finished / ".snakemake")
    other_shards = {**CONFIG, "max_images_per_job": 6, "batch_size": 17}
    done = snakemake(finished, "tables", config=other_shards)
    assert done.returncode == 0, done.stderr[-4000:]
    assert costs(finished)["calls"].sum() == 0
    assert costs(finished)["reused"].sum() == scored[["calls", "reused"]].to_numpy().sum() > 0
    assert tables(finished) == before


def test_the_papers_run_can_be_planned(copy):
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "stable-diffusion-v1-4" in done.stdout + done.stderr or "score" in done.stdout + done.stderr


@pytest.mark.parametrize(("file", "run"), [("config/demo.yaml", "demo"), ("config/config.yaml", "paper")])
def test_shipped_configurations_can_be_planned_before_anything_is_scored(copy, file, run):
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "plan", f"--configfile={file}"]
    # Without a controller: the partition of a cluster on this machine may have a shorter limit than the profile.
    environment = os.environ | {"SLURM_CONF": "/nonexistent"}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    text = (copy / "results" / run / "plan.md").read_text()
    assert text in done.stdout and "| scenes " in text and "every race reaches max_scores" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"max_imagse": 3}, ("tiny.yaml", "unknown key 'max_imagse'", "Did you mean 'max_images'?")),
        ({"models": ["mini-ds"]}, ("unknown model 'mini-ds'", "Did you mean 'mini-sd'?", "mini-if")),
        ({"datasets": ["digit"]}, ("unknown dataset 'digit'", "Did you mean 'digits'?")),
    ],
    ids=["misspelt key", "unknown model", "unknown data set"],
)
def test_a_wrong_configuration_is_refused_before_anything_runs(copy, change, words):
    message = error_message(snakemake(copy, "-n", config={**CONFIG, "name": "wrong", **change}))
    assert all(word in message for word in words), message
    assert not (copy / "results" / "wrong").exists()


def test_weights_changed_in_place_are_scored_again_and_the_old_scores_are_kept(copy):
    models, unet = copy / "config" / "models", copy / "weights" / "unet" / "diffusion_pytorch_model.safetensors"
    shutil.copytree(copy / "resources" / "models" / "mini-sd", copy / "weights")
    (models / "changing.yaml").write_text(
        (models / "mini-sd.yaml").read_text().replace("resources/models/mini-sd", "weights")
    )
    config = {"name": "changing", "models": ["changing"], "datasets": ["digits"], "max_images": 2, "device": "cpu"}
    config |= {"policy": {"kind": "full", "max_scores": 2}, "store": "results/changing-store"}
    store, scores = copy / "results" / "changing-store", []
    for _ in range(2):
        done = snakemake(copy, "scores", config=config)
        assert done.returncode == 0, done.stderr[-4000:]
        shard = next((copy / "results" / "changing" / "scores").rglob("*.parquet"))
        cost = json.loads(shard.with_suffix(".json").read_text())
        assert (cost["calls"], cost["reused"]) == (2 * 10 * 2, 0)
        scores.append((pd.read_parquet(shard)["score"], {path: path.read_bytes() for path in store.rglob("*.parquet")}))
        weights = load_file(unet)
        weights["conv_out.weight"] *= 1.5
        save_file(weights, unet)
    (first, before), (second, after) = scores
    assert (first != second).mean() > 0.9
    assert before.items() < after.items() and len({path.parent for path in after}) == 2


def test_after_a_kill_make_demo_prints_the_command_that_unlocks(copy):
    (copy / "stamp").touch()  # newer than the lock file: nothing is installed
    binaries, locks = Path(sys.executable).parent, copy / ".snakemake" / "locks"
    command = ["make", "demo", f"BIN={binaries}", "STAMP=stamp", "CORES=1", "PYTHON=false"]
    killed = subprocess.Popen(
        command, cwd=copy, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while not list(locks.glob("*")):
        assert killed.poll() is None
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    again = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=300)
    unlock = f"{binaries}/snakemake --unlock --configfile config/demo.yaml"
    assert again.returncode and "cannot be locked" in again.stderr and again.stderr.count(unlock) == 1, again.stderr[
        -3000:
    ]
    subprocess.run(unlock.split(), cwd=copy, check=True, capture_output=True, timeout=300)
    assert not list(locks.glob("*"))


def test_missing_weights_and_undecodable_images_are_named_and_other_results_are_kept(copy):
    small = {"name": "broken", "max_images": 2, "device": "cpu", "policy": {"min_scores": 2, "max_scores": 2}}
    models, datasets = copy / "config" / "models", copy / "config" / "datasets"
    (models / "gone.yaml").write_text((models / "mini-sd.yaml").read_text().replace("models/mini-sd", "models/gone"))
    for name, data in (("cat", b"no picture"), ("dog", b"nor this")):
        (copy / "pictures" / name).mkdir(parents=True)
        (copy / "pictures" / name / "1.png").write_bytes(data)
    pictures = {"kind": "folder", "path": "pictures"}
    settings = {
        "title": "p",
        "source": pictures,
        "classnames": ["cat", "dog"],
        "prompt_templates": ["{}"],
        "licence": "MIT",
    }
    (datasets / "pictures.yaml").write_text(yaml.safe_dump(settings))
    config = {**small, "models": ["gone"], "datasets": ["digits"]}
    message = error_message(snakemake(copy, "--keep-going", "tables", config=config))
    assert "CheckpointError" in message and "resources/models/gone" in message and "path" in message
    assert (copy / "results" / "broken" / "data" / "digits" / "images.parquet").is_file()
    done = snakemake(copy, "results/broken/data/pictures/images.parquet", config={**config, "datasets": ["pictures"]})
    message = error_message(done)
    assert "ImageError" in message and "cannot be decoded" in message and "/1.png" in done.stderr
    assert (copy / "results" / "broken" / "data" / "digits" / "images.parquet").is_file()

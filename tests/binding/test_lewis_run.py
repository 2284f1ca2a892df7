"""The images of Lewis et al. in a run: configuration, targets, requirements, table and workflow."""

import re
from pathlib import Path

import pandas as pd
import pytest

from diffzero.binding.tasks import TASKS
from diffzero.config import ConfigError, load_run
from diffzero.reporting.table_format import to_markdown
from diffzero.reporting.tables.table3_lewis import build_table3_lewis, format_table3_lewis
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.preflight import AVAILABLE, MISSING, check_requirements
from diffzero.workflow.targets import TargetSet
from lewis_folder import APPLICABLE_TASKS, OBJECTS, label_rows, write_lewis_folder
from workflow_copy import literal_accuracy_and_calls, snakemake

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def lewis_dir(tmp_path: Path) -> Path:
    return write_lewis_folder(tmp_path, label_rows(OBJECTS))


def experiment(lewis_dir: Path | str, root: Path = ROOT, **changes) -> Experiment:
    lewis = {"path": str(lewis_dir), "max_images": 4}
    binding = {"lewis": lewis, "baselines": [], "policy": {"max_scores": 20}, **changes.pop("attribute_binding", {})}
    run = {
        "name": "tiny",
        "models": ["mini-sd"],
        "baselines": ["mini-clip"],
        "datasets": ["digits"],
        "attribute_binding": binding,
    }
    return Experiment(load_run(run | changes, root), root)


def test_both_sets_of_scenes_are_scored_and_reported_separately(tmp_path):
    both = experiment(
        "lewis", attribute_binding={"examples_per_task": 2, "baselines": ["mini-clip"]}, results=str(tmp_path)
    )
    assert both.scene_datasets == ["scenes", "lewis"]
    assert (both.task_count("scenes"), both.task_count("lewis")) == (20, 5)
    lewis = next(s for s in both.main_scorings if s.dataset == "lewis")
    assert both.max_image_count(lewis) == 4 and lewis.policy.max_scores == 20
    targets = TargetSet(both, lambda: False, "snakemake")
    for group, name in (("binding", "scenes"), ("lewis", "lewis")):
        assert {(s["model"], s["dataset"]) for s in targets.sources(group)} == {
            (model, name) for model in ("mini-sd", "mini-clip", "mini-clip@24")
        }
    assert {s["dataset"] for s in targets.sources("classification")} == {"digits"}
    alone = TargetSet(experiment("lewis", results=str(tmp_path)), lambda: False, "snakemake")
    tables = {table.name for table in alone.tables()}
    assert all((ROOT / "workflow" / "report" / f"{name}.rst").is_file() for name in tables)
    assert "table3-lewis" in tables and not {"table3", "controlled"} & tables
    assert not {"scenes", "binding", "controlled", "binding_errors"} & set(alone.figure_stems())


def test_a_data_set_with_the_name_of_the_scenes_is_refused(tmp_path):
    (tmp_path / "config" / "datasets").mkdir(parents=True)
    for name, source in (("lewis", "digits"), ("digits", "digits")):
        text = (ROOT / "config" / "datasets" / f"{source}.yaml").read_text()
        (tmp_path / "config" / "datasets" / f"{name}.yaml").write_text(text)
    (tmp_path / "config" / "models").symlink_to(ROOT / "config" / "models")
    with pytest.raises(ConfigError, match=r"'datasets' holds 'lewis'.*Rename config/datasets/lewis\.yaml"):
        experiment("x", tmp_path, datasets=["digits", "lewis"])


def test_check_reports_whether_the_images_are_available_and_their_source(lewis_dir, tmp_path):
    requirement = {each.name: each for each in check_requirements(experiment(lewis_dir))}["lewis"]
    files = [lewis_dir / "two_object" / "gen.csv", *(lewis_dir / "two_object" / "images" / "gen").iterdir()]
    assert (requirement.state, requirement.size) == (AVAILABLE, sum(file.stat().st_size for file in files))
    requirement = {each.name: each for each in check_requirements(experiment(lewis_dir / "gone"))}["lewis"]
    assert requirement.state == MISSING and requirement.source.startswith("https://")
    assert "not stated" in requirement.licence
    assert "gone/two_object: does not exist" in requirement.reasons[0]


def test_the_table_of_these_images_has_the_applicable_tasks_and_no_splits():
    rows = {
        "model": "mini-sd",
        "dataset": "lewis",
        "seed": 0,
        "kind": "diffusion",
        "calls": 40.0,
        "reached_max_scores": False,
    }
    frames = [
        pd.DataFrame(
            {"task": task, "item": [f"{task}/{k}" for k in range(8)], "correct": [True] * right + [False] * (8 - right)}
        ).assign(held_out=[True] * 4 + [False] * 4, **rows)
        for task, right in (("Shape", 6), ("Color|Shape", 4))
    ]
    paper = pd.read_csv(ROOT / "config" / "paper" / "table3.csv")
    table = build_table3_lewis(pd.concat(frames), paper, pd.DataFrame({"model": ["mini-sd"]}))
    assert list(table["task"]) == [task.name for task in TASKS if task.name in APPLICABLE_TASKS] and set(
        table["split"]
    ) == {"all"}
    assert table.set_index("task")["n"].to_dict() == {
        **dict.fromkeys(APPLICABLE_TASKS, 0),
        "Shape": 8,
        "Color|Shape": 8,
    }
    assert table.set_index("task").loc["Shape", "accuracy"] == 0.75
    text = to_markdown(format_table3_lewis(table, ["Not available yet: x."]))
    assert "| Shape | 75.0 [" in text and "15 tasks with size or position are left out" in text
    assert text.endswith("Not available yet: x.\n")


def test_the_workflow_scores_the_images_and_renders_nothing(copy, tmp_path):
    binding = {
        "lewis": {"path": str(write_lewis_folder(tmp_path, label_rows(OBJECTS))), "max_images": 4},
        "policy": {"max_scores": 20},
    }
    config = {
        "name": "tiny",
        "models": ["mini-sd"],
        "baselines": ["mini-clip"],
        "datasets": ["digits"],
        "max_images": 2,
    }
    config |= {"device": "cpu", "max_images_per_job": 3, "attribute_binding": binding}
    dry_run = snakemake(copy, "-n", config=config)
    rules = set(re.findall(r"^(\w+) +\d+$", dry_run.stdout + dry_run.stderr, flags=re.MULTILINE))
    assert dry_run.returncode == 0, dry_run.stderr[-3000:]
    assert {"read_lewis_scenes", "prepare_scenes", "make_tables"} <= rules
    assert "render_scenes" not in rules
    done = snakemake(copy, "results/tiny/tables/table3-lewis.csv", config=config)
    assert done.returncode == 0, done.stderr[-4000:]
    table = pd.read_csv(copy / "results" / "tiny" / "tables" / "table3-lewis.csv")
    assert set(table["model"]) == {"mini-sd", "mini-clip", "mini-clip@24"} and set(table["n"]) == {4}
    accuracy, calls = literal_accuracy_and_calls(copy, "lewis", 20)
    diffusion = table[table["model"] == "mini-sd"]
    assert (diffusion["accuracy"].mean(), diffusion["calls_per_item"].mean()) == pytest.approx(
        (accuracy, calls), rel=1e-5
    )
    assert len(list((copy / "results" / "tiny" / "scores" / "mini-sd" / "lewis").rglob("*-of-2.parquet"))) == 2


def test_the_workflow_reports_errors_of_the_folder(copy, tmp_path):
    config = {
        "name": "gone",
        "models": ["mini-sd"],
        "datasets": ["digits"],
        "attribute_binding": {"lewis": {"path": "nowhere"}},
    }
    done = snakemake(copy, "results/gone/data/lewis/images.parquet", config=config)
    assert done.returncode != 0 and "diffzero: LewisError: nowhere/two_object: does not exist" in done.stderr
    assert "Traceback (most recent call last)" not in done.stderr

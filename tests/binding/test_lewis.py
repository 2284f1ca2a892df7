"""Images of Lewis et al.: a folder in their format becomes scenes, and tasks use only attributes that it contains."""

import csv
import hashlib
import io
import logging
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from diffzero.binding.dataset import build_binding_items, build_scene_images
from diffzero.binding.lewis import UNKNOWN_ATTRIBUTES, LewisError, load
from diffzero.binding.scene_table import SceneTableError, scenes_from_frame
from diffzero.binding.scenes import COLOUR_RGB
from diffzero.binding.tasks import TASKS, is_usable
from diffzero.config import ConfigError, load_run
from diffzero.data.decode import ImageError
from diffzero.reporting.table_format import to_markdown
from diffzero.reporting.tables.table3_lewis import build_table3_lewis, format_table3_lewis
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.preflight import AVAILABLE, MISSING, check_requirements
from diffzero.workflow.targets import TargetSet
from sentences import is_true
from workflow_copy import literal_accuracy_and_calls, snakemake

ROOT = Path(__file__).resolve().parents[2]
FIVE = {"Shape", "Color", "Shape,Color", "Shape|Color", "Color|Shape"}
OBJECTS = [
    ("red cube", "blue sphere"),  # held out, twice
    ("gray cube", "green sphere"),
    ("brown cylinder", "yellow cube"),
    ("purple sphere", "cyan cylinder"),
    ("green cube", "red cylinder"),
    ("yellow sphere", "purple cylinder"),  # held out, twice
]


def picture(objects: tuple[str, str], seed: int) -> bytes:
    """Return a PNG of 48 x 36 pixels with two coloured patches and noise, different for every call."""
    image = Image.fromarray(np.random.default_rng(seed).integers(90, 110, (36, 48, 3), dtype=np.uint8))
    for text, left in zip(objects, (6, 28), strict=True):
        box = (left, 10, left + 14, 24)
        draw = ImageDraw.Draw(image)
        (draw.rectangle if "cube" in text else draw.ellipse)(box, fill=COLOUR_RGB[text.split()[0]])
    data = io.BytesIO()
    image.save(data, format="PNG")
    return data.getvalue()


def negatives(one: str, other: str) -> list[str]:
    """Return four false labels: both swaps, and two that share no attribute with the object."""
    (colour, shape), (other_colour, other_shape) = one.split(), other.split()
    third = next(name for name in ("cube", "sphere", "cylinder") if name not in (shape, other_shape))
    free = [name for name in COLOUR_RGB if name not in (colour, other_colour)]
    return [f"{other_colour} {shape}", f"{colour} {other_shape}", f"{free[0]} {third}", f"{free[1]} {third}"]


def labelled(objects: list[tuple[str, str]]) -> list[list[str]]:
    """Return the rows of a CSV that label both objects of every image."""
    rows = []
    for k, (one, other) in enumerate(objects):
        name = f"CLEVR_new_{k:06d}.png"
        rows += [[name, one, *negatives(one, other)], [name, other, *negatives(other, one)]]
    return rows


def publish(folder: Path, rows: list[list[str]], objects: list[tuple[str, str]] = OBJECTS, split: str = "gen") -> Path:
    """Write a folder in the format of Lewis et al. with one image per pair of objects."""
    pictures = folder / "two_object" / "images" / split
    pictures.mkdir(parents=True, exist_ok=True)
    for k, couple in enumerate(objects):
        (pictures / f"CLEVR_new_{k:06d}.png").write_bytes(picture(couple, k))
    with (folder / "two_object" / f"{split}.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file_name", "pos", *(f"neg_{k}" for k in range(4))], *rows])
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return publish(tmp_path, labelled(OBJECTS))


def said(table: pd.DataFrame) -> dict[str, set[str]]:
    """Return the two objects of each image in the words of the table."""
    return {
        row["file"].split("/")[1]: {f"{row[f'{side}_colour']} {row[f'{side}_shape']}" for side in ("left", "right")}
        for row in table.to_dict("records")
    }


def test_two_labels_of_an_image_give_its_two_objects_and_the_image_is_unchanged(folder):
    table = load(folder, "gen", 100, 0)
    assert said(table) == {f"CLEVR_new_{k:06d}.png": set(couple) for k, couple in enumerate(OBJECTS)}
    for row in table.itertuples():
        assert row.image == (folder / "two_object" / "images" / row.file).read_bytes()
    assert set(table[table["held_out"]]["file"]) == {"gen/CLEVR_new_000000.png", "gen/CLEVR_new_000005.png"}


def test_the_table_reads_like_one_of_rendered_scenes_with_missing_attributes(folder, tmp_path):
    load(folder, "gen", 100, 7).to_parquet(tmp_path / "scenes.parquet")
    table = build_scene_images({"scenes.parquet": pd.read_parquet(tmp_path / "scenes.parquet")}, UNKNOWN_ATTRIBUTES)
    assert table["image"].is_unique and list(table["digest"]) == [hashlib.sha256(b).hexdigest() for b in table["bytes"]]
    for scene, row in zip(scenes_from_frame(table, UNKNOWN_ATTRIBUTES), table.itertuples(), strict=True):
        assert (scene.index, scene.seed, scene.held_out) == (row.scene, 7, row.held_out)
        assert {(item.size, item.material, item.position) for item in scene.objects} == {(None, None, None)}
    with pytest.raises(SceneTableError, match=r"row 0, column 'left_size': found (None|nan), expected one of"):
        scenes_from_frame(table)


def test_the_order_depends_on_seed_and_names_not_on_the_csv(folder):
    whole = load(folder, "gen", 100, 0)
    for seed in range(3):
        rows = labelled(OBJECTS)
        np.random.default_rng(seed).shuffle(rows)
        pd.testing.assert_frame_equal(load(publish(folder, rows), "gen", 100, 0), whole)
    pd.testing.assert_frame_equal(load(folder, "gen", 4, 0), whole.iloc[:4])
    orders = {tuple(load(folder, "gen", 100, seed)["file"]) for seed in range(5)}
    assert len(orders) > 1
    # The number belongs to the image and does not depend on order or split.
    publish(folder, labelled(OBJECTS), split="val")
    numbers = load(folder, "val", 3, 4)
    known = dict(zip(whole["file"].str.removeprefix("gen/"), whole["scene"], strict=True))
    assert [known[name] for name in numbers["file"].str.removeprefix("val/")] == list(numbers["scene"])


def test_only_five_tasks_have_items_and_their_sentences_are_correct(folder):
    table = build_scene_images({"gen.csv": load(folder, "gen", 100, 0)}, UNKNOWN_ATTRIBUTES)
    prompts, items = build_binding_items(table, None, 0, UNKNOWN_ATTRIBUTES)
    scenes = dict(zip(table["image"], scenes_from_frame(table, UNKNOWN_ATTRIBUTES), strict=True))
    assert items.groupby("task").size().to_dict() == dict.fromkeys(FIVE, len(OBJECTS))
    for row in items.itertuples():
        texts = [prompts["prompts"][k] for k in row.candidates]
        assert is_true(texts[row.label], scenes[row.image]) and not is_true(texts[1 - row.label], scenes[row.image])
        assert not re.search("small|large|left|right", " ".join(texts))
    assert 0 < items["label"].mean() < 1


def test_an_image_of_two_cubes_is_used_by_the_applicable_tasks(folder):
    objects = [*OBJECTS, ("green cube", "red cube"), ("gray sphere", "gray cube")]
    table = build_scene_images(
        {"gen.csv": load(publish(folder, labelled(objects), objects), "gen", 100, 0)}, UNKNOWN_ATTRIBUTES
    )
    of_picture = dict(zip(table["file"], scenes_from_frame(table, UNKNOWN_ATTRIBUTES), strict=True))
    for name in ("gen/CLEVR_new_000006.png", "gen/CLEVR_new_000007.png"):  # one shape, one colour
        assert {task.name for task in TASKS if is_usable(task, of_picture[name])} == {"Shape", "Color"}
    _, items = build_binding_items(table, None, 0, UNKNOWN_ATTRIBUTES)
    counts = items.groupby("task").size()
    assert counts["Shape"] == counts["Color"] == 8 and counts["Shape|Color"] == counts["Shape,Color"] == 6


def lone(rows: list[list[str]], *pictures: int) -> list[list[str]]:
    """Return the rows without the second label of these images."""
    return [row for k, row in enumerate(rows) if not (k % 2 and k // 2 in pictures)]


def test_the_other_object_of_a_single_label_is_inferred_from_the_false_labels(folder, caplog):
    caplog.set_level(logging.INFO)
    table = load(publish(folder, lone(labelled(OBJECTS), 1, 3)), "gen", 100, 0)
    assert said(table) == {f"CLEVR_new_{k:06d}.png": set(couple) for k, couple in enumerate(OBJECTS)}
    assert (
        "6 images of Lewis et al.: both objects labelled in 4, one inferred from the false labels in 2" in caplog.text
    )


def test_an_image_whose_single_label_fits_several_objects_is_left_out_and_counted(folder, caplog):
    rows = lone(labelled(OBJECTS), 1, 3)
    rows[2][4] = "purple cube"  # of CLEVR_new_000001: another colour that fits the gray cube
    table = load(publish(folder, rows), "gen", 100, 0)
    assert "CLEVR_new_000001.png" not in said(table) and len(table) == 5
    assert "left out (one unknown): 1" in caplog.text


@pytest.mark.parametrize("known", ["contradict", "none"])
def test_nothing_is_inferred_unless_images_with_both_labels_confirm_the_rule(folder, known):
    rows = lone(labelled(OBJECTS), 1)
    if known == "contradict":
        # The false labels of image 0 now contradict its other label.
        rows[0][2:4] = ["green cube", "red cylinder"]
        assert "CLEVR_new_000001.png" not in said(load(publish(folder, rows), "gen", 100, 0))
    else:
        with pytest.raises(LewisError, match="gen.csv: found no picture with two known objects"):
            load(publish(folder, lone(labelled(OBJECTS), *range(6))), "gen", 100, 0)


@pytest.mark.parametrize("missing", ["two_object", "two_object/gen.csv", "two_object/images/gen"])
def test_the_error_names_a_missing_folder_or_file_and_its_source(folder, missing):
    (folder / missing).rename(folder / "away")
    with pytest.raises(LewisError, match=rf"{missing}: does not exist; expected.*binding\.lewis\.path") as error:
        load(folder, "gen", 100, 0)
    assert "https://" in str(error.value)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("pos", "crimson cube", r"gen\.csv:4, column 'pos': found 'crimson cube', expected a colour and a shape"),
        ("pos", "cube red", "found 'cube red'"),
        ("pos", "a red cube", "found 'a red cube'"),
        ("pos", "Red cube", "found 'Red cube'"),
        ("pos", "", "found ''"),
        ("neg_2", "red pyramid", r"gen\.csv:4, column 'neg_2': found 'red pyramid'"),
        ("file_name", "gone.png", r"gen\.csv:4: .*images/gen/gone\.png does not exist"),
        ("file_name", "CLEVR_new_000000.png", r"gen\.csv:4: found a third object in CLEVR_new_000000\.png, .* line 2"),
    ],
)
def test_the_error_names_file_line_and_value_of_a_wrong_row(folder, column, value, words):
    rows = labelled(OBJECTS)
    rows[2][["file_name", "pos", "neg_0", "neg_1", "neg_2", "neg_3"].index(column)] = value
    with pytest.raises(LewisError, match=words):
        load(publish(folder, rows), "gen", 100, 0)


def test_the_error_names_a_missing_column_a_short_row_or_a_broken_image(folder):
    labels = folder / "two_object" / "gen.csv"
    whole = labels.read_text()
    labels.write_text(whole.replace("neg_3", "negative_3"))
    with pytest.raises(LewisError, match=r"gen\.csv, line 1: column 'neg_3' is missing; found \['file_name'"):
        load(folder, "gen", 100, 0)
    labels.write_text(whole + "CLEVR_new_000000.png,red cube\n")
    with pytest.raises(LewisError, match=r"gen\.csv:14, column 'neg_0': found None"):
        load(folder, "gen", 100, 0)
    labels.write_text(
        "\ufeff" + whole, encoding="utf-8"
    )  # a byte-order mark at the start is not part of the column name
    assert len(load(folder, "gen", 100, 0)) == 6
    (folder / "two_object" / "images" / "gen" / "CLEVR_new_000003.png").write_bytes(picture(OBJECTS[3], 3)[:90])
    with pytest.raises(ImageError, match=r"image gen/CLEVR_new_000003\.png"):
        load(folder, "gen", 100, 0)


def experiment(folder: Path | str, root: Path = ROOT, **changes) -> Experiment:
    lewis = {"path": str(folder), "max_images": 4}
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
    assert both.scene_datasets == ["scenes", "lewis"] and (both.task_count("scenes"), both.task_count("lewis")) == (
        20,
        5,
    )
    lewis = next(s for s in both.main_scorings if s.dataset == "lewis")
    assert both.max_image_count(lewis) == 4 and lewis.policy.max_scores == 20
    published = TargetSet(both, lambda: False, "snakemake")
    for group, name in (("binding", "scenes"), ("lewis", "lewis")):
        assert {(s["model"], s["dataset"]) for s in published.sources(group)} == {
            (model, name) for model in ("mini-sd", "mini-clip", "mini-clip@24")
        }
    assert {s["dataset"] for s in published.sources("classification")} == {"digits"}
    alone = TargetSet(experiment("lewis", results=str(tmp_path)), lambda: False, "snakemake")
    tables = {table.name for table in alone.tables()}
    assert all((ROOT / "workflow" / "report" / f"{name}.rst").is_file() for name in tables)
    assert "table3-lewis" in tables and not {"table3", "controlled"} & tables
    assert not {"scenes", "binding", "controlled", "breakdown"} & set(alone.figure_stems())


def test_a_data_set_of_the_scenes_name_is_refused(tmp_path):
    (tmp_path / "config" / "datasets").mkdir(parents=True)
    for name, source in (("lewis", "digits"), ("digits", "digits")):
        text = (ROOT / "config" / "datasets" / f"{source}.yaml").read_text()
        (tmp_path / "config" / "datasets" / f"{name}.yaml").write_text(text)
    (tmp_path / "config" / "models").symlink_to(ROOT / "config" / "models")
    with pytest.raises(ConfigError, match=r"'datasets' holds 'lewis'.*Rename config/datasets/lewis\.yaml"):
        experiment("x", tmp_path, datasets=["digits", "lewis"])


def test_check_reports_whether_the_images_are_available_and_their_source(folder, tmp_path):
    requirement = {r.name: r for r in check_requirements(experiment(folder))}["lewis"]
    files = [folder / "two_object" / "gen.csv", *(folder / "two_object" / "images" / "gen").iterdir()]
    assert (requirement.state, requirement.size) == (AVAILABLE, sum(file.stat().st_size for file in files))
    requirement = {r.name: r for r in check_requirements(experiment(folder / "gone"))}["lewis"]
    assert requirement.state == MISSING and requirement.source.startswith("https://")
    assert "not stated" in requirement.licence
    assert "gone/two_object: does not exist" in requirement.reasons[0]


def test_the_table_of_these_images_has_the_applicable_tasks_and_no_splits():
    rows = {"model": "mini-sd", "dataset": "lewis", "seed": 0, "kind": "diffusion", "calls": 40.0, "undecided": False}
    frames = [
        pd.DataFrame(
            {"task": task, "item": [f"{task}/{k}" for k in range(8)], "correct": [True] * right + [False] * (8 - right)}
        ).assign(held_out=[True] * 4 + [False] * 4, **rows)
        for task, right in (("Shape", 6), ("Color|Shape", 4))
    ]
    paper = pd.read_csv(ROOT / "config" / "paper" / "table3.csv")
    table = build_table3_lewis(pd.concat(frames), paper, pd.DataFrame({"model": ["mini-sd"]}))
    assert list(table["task"]) == [task.name for task in TASKS if task.name in FIVE] and set(table["split"]) == {"all"}
    assert table.set_index("task")["n"].to_dict() == {**dict.fromkeys(FIVE, 0), "Shape": 8, "Color|Shape": 8}
    assert table.set_index("task").loc["Shape", "accuracy"] == 0.75
    text = to_markdown(format_table3_lewis(table, ["Not available yet: x."]))
    assert "| Shape | 75.0 [" in text and "15 tasks with size or position are left out" in text
    assert text.endswith("Not available yet: x.\n")


def test_the_workflow_scores_them_and_renders_nothing(copy, tmp_path):
    binding = {
        "lewis": {"path": str(publish(tmp_path, labelled(OBJECTS))), "max_images": 4},
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
    planned = snakemake(copy, "-n", config=config)
    rules = set(re.findall(r"^(\w+) +\d+$", planned.stdout + planned.stderr, flags=re.MULTILINE))
    assert planned.returncode == 0, planned.stderr[-3000:]
    assert {"read_lewis_scenes", "prepare_scenes", "make_tables"} <= rules
    assert not {"render", "scene_sheet", "controlled", "table3"} & rules
    done = snakemake(copy, "results/tiny/tables/table3-lewis.csv", config=config)
    assert done.returncode == 0, done.stderr[-4000:]
    table = pd.read_csv(copy / "results" / "tiny" / "tables" / "table3-lewis.csv")
    assert set(table["model"]) == {"mini-sd", "mini-clip", "mini-clip@24"} and set(table["n"]) == {4}
    accuracy, calls = literal_accuracy_and_calls(copy, "lewis", 20)
    mine = table[table["model"] == "mini-sd"]
    assert (mine["accuracy"].mean(), mine["calls_per_item"].mean()) == pytest.approx((accuracy, calls), rel=1e-5)
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

"""Cue-Conflict: labels from file names, counts, the export for model-vs-human, and a workflow run on real images."""

import csv
import math
import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from diffzero.config import Dataset, load_dataset, load_run
from diffzero.data.prompts import class_prompts, classification_items
from diffzero.data.selection import add_cue_labels, load_test_images
from diffzero.reporting.model_vs_human import to_model_vs_human
from diffzero.reporting.tables.table2_shape_bias import build_table2, shape_bias_by_category
from diffzero.utils.result_files import read_record
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.targets import TargetSet
from workflow_copy import snakemake

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests" / "files" / "cue-conflict"
NAMES = load_dataset("cue_conflict", ROOT).classnames
PAPER = pd.DataFrame({"model": ["m"], "shape_accuracy": [72.5], "note": [math.nan]})


def sample(**changes: object) -> Dataset:
    """Return the shipped data set with the sixteen images in tests/files as its source."""
    dataset = load_dataset("cue_conflict", ROOT)
    folder = dataset.all_sources[0].model_copy(update={"path": str(SAMPLE)})
    return dataset.model_copy(update={"sources": [], "source": folder, "test_size": None, **changes})


def whole_set() -> pd.DataFrame:
    """Return names and labels as in the published set: 1,280 images, five per pair of shape and texture."""
    rows = []
    for label, shape in enumerate(NAMES):
        for number, texture in enumerate(NAMES * 5):
            rows.append((f"{shape}/{shape}{number // 8 + 1}-{texture}{number // 16 % 3 + 1}.png", label))
    table = pd.DataFrame(rows, columns=["image", "label"])
    return table.assign(image=[f"{row.image[:-4]}.png" for row in table.itertuples()])


def test_the_sample_has_one_image_per_class_with_licence_and_origin():
    files = sorted(SAMPLE.rglob("*.png"))
    assert [path.parent.name for path in files] == NAMES
    assert all(Image.open(path).size == (224, 224) for path in files)
    assert "Attribution 4.0 International" in (SAMPLE / "LICENSE.txt").read_text()
    assert all(word in (SAMPLE / "README.md").read_text() for word in ("Geirhos", "texture-vs-shape", "CC BY 4.0"))


def test_shape_and_texture_are_read_from_the_file_name():
    found = load_test_images(sample(), 100, 0, ROOT).set_index("image")
    cues = {name: (NAMES[row.shape_label], NAMES[row.texture_label]) for name, row in found.iterrows()}
    assert len(cues) == 16 and (found["shape_label"] == found["label"]).all()
    assert cues["clock/clock10-truck2.png"] == ("clock", "truck")
    assert cues["knife/knife10-oven3.png"] == ("knife", "oven")
    assert cues["dog/dog3-dog1.png"] == ("dog", "dog")


def test_1200_of_1280_images_have_a_conflict():
    table = whole_set()
    assert len(table) == 1280
    every, conflicts = add_cue_labels(table, sample()), add_cue_labels(table, sample(exclude_non_conflict=True))
    assert len(every) == 1280 and len(conflicts) == 1200
    assert (every.groupby(["shape_label", "texture_label"]).size() == 5).all()
    assert (conflicts["shape_label"] != conflicts["texture_label"]).all()
    assert len(load_test_images(sample(exclude_non_conflict=True), 100, 0, ROOT)) == 14


@pytest.mark.parametrize(
    "name", ["bear/photo.png", "bear/cat1-bear1.png", "bear/bear1-horse1.png", "bear/bear-cat.png"]
)
def test_a_name_without_its_two_cues_is_refused(name):
    with pytest.raises(ValueError, match=f"found image '{name}' of class 'bear'"):
        add_cue_labels(pd.DataFrame({"image": [name], "label": [1]}), sample())


def decisions(model: str = "m", seed: int = 0) -> pd.DataFrame:
    """Return predictions for the whole set: the shape for half of the textures, the texture for a quarter, airplane for the rest."""
    table = add_cue_labels(whole_set(), sample())
    kind = table["texture_label"] % 4
    prediction = table["shape_label"].where(kind < 2, table["texture_label"].where(kind == 2, 0))
    facts = {
        "model": model,
        "dataset": "cue_conflict",
        "kind": "diffusion",
        "seed": seed,
        "calls": 10.0,
        "reached_max_scores": False,
    }
    return table.assign(
        item=[f"{k}" for k in range(len(table))], prediction=prediction, correct=prediction == table["label"], **facts
    )


def test_table_2_counts_all_images_the_conflicts_and_the_decisions_for_either_cue():
    rows = decisions()
    row = build_table2(rows, PAPER).iloc[0]
    right = (rows["prediction"] == rows["shape_label"]).sum()
    conflict = rows[rows["shape_label"] != rows["texture_label"]]
    shape, texture = (int((conflict["prediction"] == conflict[cue]).sum()) for cue in ("shape_label", "texture_label"))
    assert (row["n"], row["conflict_n"], row["bias_n"]) == (1280, 1200, shape + texture)
    assert row["shape_accuracy"] == pytest.approx(right / 1280)
    assert row["conflict_accuracy"] == pytest.approx(shape / 1200)
    assert row["shape_bias"] == pytest.approx(shape / (shape + texture))
    # Half of the textures, and images whose texture or the class airplane is the shape.
    assert 0.5 < row["shape_accuracy"] < 0.6 and row["shape_bias"] > 0.6 and row["paper"] == 0.725


def test_excluding_images_without_conflict_changes_the_accuracy_but_not_the_bias():
    rows = decisions()
    every = build_table2(rows, PAPER).iloc[0]
    conflicts = build_table2(rows[rows["shape_label"] != rows["texture_label"]], PAPER).iloc[0]
    assert conflicts["shape_bias"] == every["shape_bias"] and conflicts["shape_accuracy"] == every["conflict_accuracy"]
    assert conflicts["shape_accuracy"] < every["shape_accuracy"]


def test_categories_add_up_to_table_2():
    rows = pd.concat([decisions("m"), decisions("other")])
    table = shape_bias_by_category(rows, NAMES)
    assert list(table["category"][:17]) == [*NAMES, "all"] and set(table["model"]) == {"m", "other"}
    mine = table[table["model"] == "m"].set_index("category")
    parts, total = mine.drop("all"), mine.loc["all"]
    assert (parts["n"] == 80).all() and (parts[["shape", "texture", "other"]].sum(axis=1) == 75).all()
    for column in ("shape", "texture", "other", "n", "bias_n"):
        assert parts[column].sum() == pytest.approx(total[column])
    row = build_table2(decisions(), PAPER).iloc[0]
    assert (total["accuracy"], total["bias"]) == pytest.approx((row["shape_accuracy"], row["shape_bias"]))
    seeds = shape_bias_by_category(pd.concat([decisions(seed=0), decisions(seed=1)]), NAMES)
    # Only the factor of Student's t differs, which the interval of one seed does not have.
    pd.testing.assert_frame_equal(seeds, shape_bias_by_category(decisions(), NAMES), rtol=0.01)


def texture_category(imagename: str) -> str:
    """Return the texture as model-vs-human reads it from a name: the last word after the hyphen, without its number."""
    return "".join(letter for letter in imagename.split("_")[-1].split(".")[0].split("-")[-1] if not letter.isdigit())


def test_the_export_for_model_vs_human_has_its_columns_and_gives_the_same_bias():
    rows = decisions()
    table = to_model_vs_human(rows, NAMES, 1)
    assert list(table.columns) == [
        "subj",
        "session",
        "trial",
        "rt",
        "object_response",
        "category",
        "condition",
        "imagename",
    ]
    assert table["trial"].tolist() == list(range(1, 1281)) and set(table["object_response"]) <= set(NAMES)
    texture = table["imagename"].map(texture_category)
    conflict = table[table["category"] != texture]
    shape = (conflict["object_response"] == conflict["category"]).sum()
    of_texture = (conflict["object_response"] == texture[conflict.index]).sum()
    assert shape / (shape + of_texture) == pytest.approx(build_table2(rows, PAPER).iloc[0]["shape_bias"])
    assert table["imagename"][0] == "airplane1-airplane1.png" and set(table["rt"]) == {"NaN"}


def test_items_have_the_labels_of_both_cues():
    table = add_cue_labels(pd.DataFrame({"image": ["bear/bear1-cat2.png"], "label": [1]}), sample())
    item = classification_items(table, class_prompts("a photo of a {}.", NAMES)).iloc[0]
    assert (item["shape_label"], item["texture_label"]) == (1, NAMES.index("cat"))


CONFIG = {
    "name": "cues", "models": ["mini-sd"], "datasets": ["cue_conflict"], "max_images": 16, "device": "cpu",
    "policy": {"min_scores": 2, "max_scores": 3},
}  # fmt: skip


def test_every_model_and_seed_has_an_export_and_there_is_a_figure(tmp_path: Path):
    changes = {
        "baselines": ["mini-clip"],
        "datasets": ["cue_conflict", "digits"],
        "noise_seeds": [3, 5],
        "results": str(tmp_path),
    }
    published = TargetSet(Experiment(load_run({**CONFIG, **changes}, ROOT), ROOT), lambda: False, "snakemake")
    folder = f"{tmp_path}/cues/tables/model-vs-human/cue_conflict/cue-conflict"
    names = ["mini-sd_session_1", "mini-sd_session_2", "mini-clip_session_1", "mini-clip@24_session_1"]
    assert sorted(published.export_files()) == sorted(f"{folder}_{name}.csv" for name in names)
    assert "shape_bias-cue_conflict" in published.figure_stems() and "shape_bias-digits" not in published.figure_stems()
    nothing = TargetSet(published.experiment, lambda: True, "snakemake")
    assert not nothing.export_files() and nothing.cue_conflict_datasets() == ["cue_conflict"]


def test_real_images_go_through_the_whole_chain(copy: Path):  # noqa: F811
    for path in SAMPLE.rglob("*.png"):
        target = copy / "resources" / "cue-conflict" / path.relative_to(SAMPLE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    settings = copy / "config" / "datasets" / "cue_conflict.yaml"  # the sample of 16 is smaller than the test set
    settings.write_text(settings.read_text().replace("test_size: 1280\n", ""))
    run, export = copy / "results" / "cues", "tables/model-vs-human/cue_conflict/cue-conflict_mini-sd_session_1.csv"
    targets = [f"results/cues/{name}" for name in ("tables/table2.csv", "figures/shape_bias-cue_conflict.svg", export)]
    done = snakemake(copy, *targets, config=CONFIG)
    assert done.returncode == 0, done.stderr[-4000:]
    row = pd.read_csv(run / "tables" / "table2.csv").set_index("model").loc["mini-sd"]
    assert (row["n"], row["conflict_n"]) == (16, 14)
    with (run / export).open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16 and {(row["subj"], row["session"], row["rt"], row["condition"]) for row in rows} == {
        ("mini-sd", "1", "NaN", "0")
    }
    assert {(row["category"], row["imagename"]) for row in rows} == {
        (p.parent.name, p.name) for p in SAMPLE.rglob("*.png")
    }
    shape = sum(row["object_response"] == row["category"] for row in rows)
    assert row["shape_accuracy"] == pytest.approx(shape / 16)
    categories = pd.read_csv(run / "figures" / "shape_bias-cue_conflict.csv")
    assert len(categories) == 17 and categories.set_index("category").loc["all", "n"] == 16
    assert "Shape accuracy, cue_conflict" in (run / "figures" / "shape_bias-cue_conflict.svg").read_text()
    selection = read_record(run / "data" / "cue_conflict" / "selection.json")
    assert selection["source"] == "resources/cue-conflict" and selection["count"] == len(selection["images"]) == 16

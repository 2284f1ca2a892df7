"""Images of Lewis et al.: a folder in their format becomes scenes, and tasks use only attributes that it contains."""

import hashlib
import logging
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diffzero.binding.dataset import build_binding_items, build_scene_images
from diffzero.binding.lewis import UNKNOWN_ATTRIBUTES, LewisError, load_scenes
from diffzero.binding.scene_table import SceneTableError, scenes_from_frame
from diffzero.binding.tasks import TASKS, is_usable
from diffzero.data.decode import ImageError
from lewis_folder import APPLICABLE_TASKS, OBJECTS, draw_picture, label_rows, write_lewis_folder
from sentences import is_true


@pytest.fixture
def lewis_dir(tmp_path: Path) -> Path:
    return write_lewis_folder(tmp_path, label_rows(OBJECTS))


def objects_by_image(table: pd.DataFrame) -> dict[str, set[str]]:
    """Return the two objects of each image as labels, by file name."""
    return {
        row["file"].split("/")[1]: {f"{row[f'{side}_colour']} {row[f'{side}_shape']}" for side in ("left", "right")}
        for row in table.to_dict("records")
    }


def test_two_labels_of_an_image_give_its_two_objects_and_the_image_is_unchanged(lewis_dir):
    table = load_scenes(lewis_dir, "gen", 100, 0)
    assert objects_by_image(table) == {f"CLEVR_new_{k:06d}.png": set(couple) for k, couple in enumerate(OBJECTS)}
    for row in table.itertuples():
        assert row.image == (lewis_dir / "two_object" / "images" / row.file).read_bytes()
    assert set(table[table["held_out"]]["file"]) == {"gen/CLEVR_new_000000.png", "gen/CLEVR_new_000005.png"}


def test_the_table_is_a_scene_table_with_unknown_attributes(lewis_dir, tmp_path):
    load_scenes(lewis_dir, "gen", 100, 7).to_parquet(tmp_path / "scenes.parquet")
    table = build_scene_images({"scenes.parquet": pd.read_parquet(tmp_path / "scenes.parquet")}, UNKNOWN_ATTRIBUTES)
    assert table["image"].is_unique and list(table["digest"]) == [hashlib.sha256(b).hexdigest() for b in table["bytes"]]
    for scene, row in zip(scenes_from_frame(table, UNKNOWN_ATTRIBUTES), table.itertuples(), strict=True):
        assert (scene.index, scene.seed, scene.held_out) == (row.scene, 7, row.held_out)
        assert {(item.size, item.material, item.position) for item in scene.objects} == {(None, None, None)}
    with pytest.raises(SceneTableError, match=r"row 0, column 'left_size': found (None|nan), expected one of"):
        scenes_from_frame(table)


def test_the_order_depends_on_seed_and_names_not_on_the_csv(lewis_dir):
    whole = load_scenes(lewis_dir, "gen", 100, 0)
    for seed in range(3):
        rows = label_rows(OBJECTS)
        np.random.default_rng(seed).shuffle(rows)
        pd.testing.assert_frame_equal(load_scenes(write_lewis_folder(lewis_dir, rows), "gen", 100, 0), whole)
    pd.testing.assert_frame_equal(load_scenes(lewis_dir, "gen", 4, 0), whole.iloc[:4])
    orders = {tuple(load_scenes(lewis_dir, "gen", 100, seed)["file"]) for seed in range(5)}
    assert len(orders) > 1
    # The number belongs to the image and does not depend on order or split.
    write_lewis_folder(lewis_dir, label_rows(OBJECTS), split="val")
    numbers = load_scenes(lewis_dir, "val", 3, 4)
    known = dict(zip(whole["file"].str.removeprefix("gen/"), whole["scene"], strict=True))
    assert [known[name] for name in numbers["file"].str.removeprefix("val/")] == list(numbers["scene"])


def test_only_five_tasks_have_items_and_their_sentences_are_correct(lewis_dir):
    table = build_scene_images({"gen.csv": load_scenes(lewis_dir, "gen", 100, 0)}, UNKNOWN_ATTRIBUTES)
    prompts, items = build_binding_items(table, None, 0, UNKNOWN_ATTRIBUTES)
    scenes = dict(zip(table["image"], scenes_from_frame(table, UNKNOWN_ATTRIBUTES), strict=True))
    assert items.groupby("task").size().to_dict() == dict.fromkeys(APPLICABLE_TASKS, len(OBJECTS))
    for row in items.itertuples():
        texts = [prompts["prompts"][k] for k in row.candidates]
        assert is_true(texts[row.label], scenes[row.image]) and not is_true(texts[1 - row.label], scenes[row.image])
        assert not re.search("small|large|left|right", " ".join(texts))
    assert 0 < items["label"].mean() < 1


def test_an_image_of_two_cubes_is_used_by_the_applicable_tasks(lewis_dir):
    objects = [*OBJECTS, ("green cube", "red cube"), ("gray sphere", "gray cube")]
    table = build_scene_images(
        {"gen.csv": load_scenes(write_lewis_folder(lewis_dir, label_rows(objects), objects), "gen", 100, 0)},
        UNKNOWN_ATTRIBUTES,
    )
    of_picture = dict(zip(table["file"], scenes_from_frame(table, UNKNOWN_ATTRIBUTES), strict=True))
    for name in ("gen/CLEVR_new_000006.png", "gen/CLEVR_new_000007.png"):  # one shape, one colour
        assert {task.name for task in TASKS if is_usable(task, of_picture[name])} == {"Shape", "Color"}
    _, items = build_binding_items(table, None, 0, UNKNOWN_ATTRIBUTES)
    counts = items.groupby("task").size()
    assert counts["Shape"] == counts["Color"] == 8 and counts["Shape|Color"] == counts["Shape,Color"] == 6


def drop_second_labels(rows: list[list[str]], *pictures: int) -> list[list[str]]:
    """Return the rows without the second label of these images."""
    return [row for k, row in enumerate(rows) if not (k % 2 and k // 2 in pictures)]


def test_the_other_object_of_a_single_label_is_inferred_from_the_false_labels(lewis_dir, caplog):
    caplog.set_level(logging.INFO)
    table = load_scenes(write_lewis_folder(lewis_dir, drop_second_labels(label_rows(OBJECTS), 1, 3)), "gen", 100, 0)
    assert objects_by_image(table) == {f"CLEVR_new_{k:06d}.png": set(couple) for k, couple in enumerate(OBJECTS)}
    assert (
        "6 images of Lewis et al.: both objects are labelled in 4, one is inferred from the false labels in 2"
        in caplog.text
    )


def test_an_image_whose_single_label_fits_several_objects_is_left_out_and_counted(lewis_dir, caplog):
    rows = drop_second_labels(label_rows(OBJECTS), 1, 3)
    rows[2][4] = "purple cube"  # of CLEVR_new_000001: another colour that fits the gray cube
    table = load_scenes(write_lewis_folder(lewis_dir, rows), "gen", 100, 0)
    assert "CLEVR_new_000001.png" not in objects_by_image(table) and len(table) == 5
    assert "1 with an unknown object are left out" in caplog.text


@pytest.mark.parametrize("known", ["contradict", "none"])
def test_nothing_is_inferred_unless_images_with_both_labels_confirm_the_rule(lewis_dir, known):
    rows = drop_second_labels(label_rows(OBJECTS), 1)
    if known == "contradict":
        # The false labels of image 0 now contradict its other label.
        rows[0][2:4] = ["green cube", "red cylinder"]
        assert "CLEVR_new_000001.png" not in objects_by_image(
            load_scenes(write_lewis_folder(lewis_dir, rows), "gen", 100, 0)
        )
    else:
        with pytest.raises(LewisError, match="gen.csv: found no picture with two known objects"):
            load_scenes(
                write_lewis_folder(lewis_dir, drop_second_labels(label_rows(OBJECTS), *range(6))), "gen", 100, 0
            )


@pytest.mark.parametrize("missing", ["two_object", "two_object/gen.csv", "two_object/images/gen"])
def test_the_error_names_a_missing_folder_or_file_and_its_source(lewis_dir, missing):
    (lewis_dir / missing).rename(lewis_dir / "away")
    with pytest.raises(
        LewisError, match=rf"{missing}: does not exist; expected.*attribute_binding\.lewis\.path"
    ) as error:
        load_scenes(lewis_dir, "gen", 100, 0)
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
def test_the_error_names_file_line_and_value_of_a_wrong_row(lewis_dir, column, value, words):
    rows = label_rows(OBJECTS)
    rows[2][["file_name", "pos", "neg_0", "neg_1", "neg_2", "neg_3"].index(column)] = value
    with pytest.raises(LewisError, match=words):
        load_scenes(write_lewis_folder(lewis_dir, rows), "gen", 100, 0)


def test_the_error_names_a_missing_column_a_short_row_or_a_broken_image(lewis_dir):
    labels = lewis_dir / "two_object" / "gen.csv"
    whole = labels.read_text()
    labels.write_text(whole.replace("neg_3", "negative_3"))
    with pytest.raises(LewisError, match=r"gen\.csv, line 1: column 'neg_3' is missing; found \['file_name'"):
        load_scenes(lewis_dir, "gen", 100, 0)
    labels.write_text(whole + "CLEVR_new_000000.png,red cube\n")
    with pytest.raises(LewisError, match=r"gen\.csv:14, column 'neg_0': found None"):
        load_scenes(lewis_dir, "gen", 100, 0)
    labels.write_text(
        "\ufeff" + whole, encoding="utf-8"
    )  # a byte-order mark at the start is not part of the column name
    assert len(load_scenes(lewis_dir, "gen", 100, 0)) == 6
    (lewis_dir / "two_object" / "images" / "gen" / "CLEVR_new_000003.png").write_bytes(draw_picture(OBJECTS[3], 3)[:90])
    with pytest.raises(ImageError, match=r"image gen/CLEVR_new_000003\.png"):
        load_scenes(lewis_dir, "gen", 100, 0)

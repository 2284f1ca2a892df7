"""Scene images, and the items of the attribute-binding tasks."""

import numpy as np
import pandas as pd
import pytest

from diffzero.binding.dataset import build_binding_items, build_scene_images
from diffzero.binding.scene_table import SceneTableError
from diffzero.binding.scenes import sample_scene
from diffzero.binding.tasks import TASKS
from diffzero.data.transforms import encode_png


def picture(seed: int) -> bytes:
    return encode_png(np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8))


def scene_table(count: int, seed: int = 1) -> pd.DataFrame:
    """Return a scene table as `render_scenes` makes it, with a small random picture in every row."""
    rows = []
    for index in range(count):
        scene = sample_scene(seed, index)
        row = {"scene": index, "seed": seed, "image": picture(index), "held_out": scene.held_out}
        for position, item in zip(("left", "right"), scene.objects, strict=True):
            row |= {
                f"{position}_{name}": getattr(item, name) for name in ("shape", "colour", "size", "material", "visible")
            }
            row |= {f"{position}_x": item.pixel_x, f"{position}_y": item.pixel_y}
        rows.append(row)
    return pd.DataFrame(rows)


def scenes(count: int) -> pd.DataFrame:
    """Return the scene images of two tables."""
    table = scene_table(count)
    return build_scene_images({"1-of-2.parquet": table[: count // 2], "2-of-2.parquet": table[count // 2 :]})


def changed(column: str, value: object) -> pd.DataFrame:
    """Return a table of three scenes; the second one has this value in the column."""
    table = scene_table(3)
    return table.assign(**{column: [value if row == 1 else old for row, old in enumerate(table[column])]})


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (changed("image", None), "row 1, column 'image': found None, expected the bytes of a picture"),
        (changed("image", b""), "row 1, column 'image': found no bytes, expected the bytes of a picture"),
        (changed("image", picture(1)[:60]), "row 1, column 'image': found a corrupt picture, expected a PNG"),
        (scene_table(3).drop(columns="image"), "column 'image' is missing"),
        (scene_table(3).drop(columns="left_colour"), "column 'left_colour' is missing"),
        (changed("right_colour", "pink"), "row 1, column 'right_colour': found 'pink', expected one of"),
        (changed("left_x", np.nan), "row 1, column 'left_x': found .*nan.*, expected a number from 0 to 1"),
        (changed("left_x", 0.999), "row 1, column 'left_x': found 0.999, expected less than 'right_x', which is 0."),
        (changed("scene", 0), "row 1, column 'scene': found scene 0 of seed 1 a second time, expected each scene once"),
    ],
    ids=["None", "empty", "half", "no images", "no attribute", "unknown", "NaN", "left object on the right", "twice"],
)  # fmt: skip
def test_a_wrong_scene_table_is_refused_with_file_row_and_column(table, words):
    with pytest.raises(SceneTableError, match=f"^bad.parquet: {words}"):
        build_scene_images({"good.parquet": scene_table(2, seed=2), "bad.parquet": table})


def test_a_scene_in_two_files_and_no_file_at_all_are_refused():
    with pytest.raises(
        SceneTableError,
        match=r"^b.parquet: row 2, column 'scene': found scene 2 of seed 1, which is also in another file",
    ):
        build_scene_images({"a.parquet": scene_table(4)[2:], "b.parquet": scene_table(3)})
    with pytest.raises(SceneTableError, match="found none"):
        build_scene_images({})


def test_binding_items_name_the_right_scenes_and_sentences():
    table = scenes(60)
    prompts, items = build_binding_items(table, 20, 0)
    assert items["item"].is_unique and len(items) == 20 * len(TASKS) == 400
    assert len(set(prompts["prompts"])) == len(prompts["prompts"])
    for row in items.itertuples():
        scene = table[table["image"] == row.image].iloc[0]
        true, false = (prompts["prompts"][row.candidates[k]] for k in (row.label, 1 - row.label))
        if row.task == "Shape":
            here = {scene["left_shape"], scene["right_shape"]}
            assert any(shape in true for shape in here) and not any(shape in false for shape in here)
        if row.task == "Color|Shape":
            colours = {scene[f"{place}_shape"]: scene[f"{place}_colour"] for place in ("left", "right")}
            shape = next(shape for shape in colours if shape in true)
            assert colours[shape] in true and colours[shape] not in false and shape in false
        assert row.held_out == scene["held_out"]
        assert row.classes == [0, 1]


def test_the_true_sentence_is_on_either_side_in_every_task():
    _, items = build_binding_items(scenes(60), 20, 0)
    assert 0.4 < items["label"].mean() < 0.6
    assert all(0 < share < 1 for share in items.groupby("task")["label"].mean())
    # The side does not depend on the scene: no image has its true sentence on the same side in every task.
    assert items.groupby("image")["label"].mean().between(0.05, 0.95).mean() > 0.9


def test_more_scenes_extend_the_items():
    small, large = build_binding_items(scenes(60), 8, 0), build_binding_items(scenes(60), 16, 0)
    merged = small[1].merge(large[1], on="item", suffixes=("", "_large"))
    assert len(merged) == len(small[1])
    for row in merged.itertuples():
        texts = [
            [p["prompts"][k] for k in c] for p, c in ((small[0], row.candidates), (large[0], row.candidates_large))
        ]
        assert texts[0] == texts[1] and row.label == row.label_large


def test_too_few_usable_scenes_are_counted():
    with pytest.raises(ValueError, match=r"task 'Shape': found 5 usable scenes among 5, expected 6"):
        build_binding_items(scenes(5), 6, 0)

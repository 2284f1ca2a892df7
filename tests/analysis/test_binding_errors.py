"""Binding errors on real scenes and sentences: the tables show the known error of each artificial model."""

import numpy as np
import pandas as pd
import pytest

from diffzero.analysis import binding_errors, statistics
from diffzero.binding.dataset import build_binding_items, build_scene_images
from diffzero.binding.scenes import sample_scene
from diffzero.binding.tasks import TASKS
from diffzero.data.transforms import encode_png

SCENES = 60
PICTURE = encode_png(np.zeros((4, 4, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def data() -> dict:
    from diffzero.binding.scene_table import FIELDS, column_name
    from diffzero.binding.scenes import PAIRS

    rows = []
    for index in range(SCENES):
        scene = sample_scene(3, index, PAIRS)
        row = {"scene": index, "seed": 3, "held_out": scene.held_out, "image": PICTURE, "index": index}
        for item in scene.objects:
            row |= {column_name(item.position, field): getattr(item, name) for field, name in FIELDS.items()}
        rows.append(row)
    table = build_scene_images({"scenes.parquet": pd.DataFrame(rows)})
    prompts, items = build_binding_items(table, 20, 0)
    return {"items": items, "prompts": prompts["prompts"], "scenes": table.drop(columns="bytes")}


def answers(data: dict, prefers) -> pd.DataFrame:
    """Return the predictions of a model that chooses the sentence with the index `prefers(first, second, scene, label)`."""
    scenes, items = data["scenes"].set_index("image"), data["items"]
    rows = []
    for item in items.itertuples():
        sentences = [data["prompts"][number] for number in item.candidates]
        chosen = prefers(*sentences, scenes.loc[item.image], item.label)
        rows.append((item.item, item.task, item.image, item.label, chosen, chosen == item.label, "m"))
    return pd.DataFrame(rows, columns=["item", "task", "image", "label", "prediction", "correct", "model"])


def test_a_model_that_prefers_cubes_is_right_on_one_side_of_each_pair(data) -> None:
    shapes, _ = binding_errors.summarise_binding_errors(
        answers(data, lambda a, b, scene, label: int("cube" in b)), **data
    )
    cells = shapes.set_index(["true", "false"])["accuracy"]
    assert cells["cube", "sphere"] == cells["cube", "cylinder"] == 1
    assert cells["sphere", "cube"] == cells["cylinder", "cube"] == 0
    wanted = data["items"]["task"].str.startswith("Shape|").sum()
    assert shapes["n"].sum() == wanted > 0 and shapes["low"].le(shapes["accuracy"]).all()


def test_a_model_that_prefers_the_larger_objects_colour_has_share_one(data) -> None:
    def larger(first: str, second: str, scene: pd.Series, label: int) -> int:
        colour = scene["left_colour"] if scene["left_size"] == "large" else scene["right_colour"]
        return int(colour in second)

    _, shares = binding_errors.summarise_binding_errors(answers(data, larger), **data)
    assert shares.set_index("attribute").loc["colour", "share"] == 1


def test_a_model_that_binds_chooses_the_larger_object_half_of_the_time(data) -> None:
    table, shares = binding_errors.summarise_binding_errors(answers(data, lambda a, b, scene, label: label), **data)
    assert (table["accuracy"] == 1).all()
    assert shares["share"].between(0.2, 0.8).all() and (shares["n"] >= 10).all()


def test_decisions_on_one_scene_and_seeds_of_one_item_are_not_independent(data) -> None:
    once = answers(data, lambda a, b, scene, label: int(scene["index"] % 2)).assign(seed=0)
    shapes, larger = binding_errors.summarise_binding_errors(once, **data)
    again = binding_errors.summarise_binding_errors(pd.concat([once, once.assign(seed=1)]), **data)
    pd.testing.assert_frame_equal(shapes, again[0])
    pd.testing.assert_frame_equal(larger, again[1])
    # Correctness depends on the scene only, so the interval is wider than that of independent decisions.
    by_scene = once.assign(correct=lambda table: table["image"].str[-1].isin(list("02468")))
    cell = binding_errors.shape_confusions(
        binding_errors.list_binding_decisions(by_scene, data["items"], data["prompts"])
    ).iloc[0]
    plain = statistics.wilson_interval(cell["accuracy"] * cell["n"], cell["n"])
    assert cell["high"] - cell["low"] > 1.2 * (plain[1] - plain[0])


def test_decisions_contain_the_attribute_values_of_the_sentences(data) -> None:
    found = binding_errors.list_binding_decisions(
        answers(data, lambda a, b, scene, label: 1 - label), data["items"], data["prompts"]
    )
    assert set(found["task"]) == {task.name for task in TASKS if task.kind == "binding"}
    assert (found["chosen"] == found["false"]).all() and not found["correct"].any()
    assert (found["true"] != found["false"]).all() and not np.any(found.isna())

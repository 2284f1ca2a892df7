"""The metadata of scenes satisfies its constraints and does not depend on shard or process."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from diffzero.binding import scenes
from diffzero.binding.render import render_scenes
from diffzero.binding.scene_table import SceneTableError, scenes_from_frame
from diffzero.binding.scenes import HELD_OUT, PAIRS, SEEN_PAIRS, Scene, sample_attributes, sample_scene
from diffzero.config import load_run
from diffzero.workflow.experiment import Experiment

ROOT = Path(__file__).parents[2]
COLOURS = {"gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"}
scene_keys = st.tuples(st.integers(0, 2**32), st.integers(0, 2**32))


def box(scene: Scene, k: int) -> np.ndarray:
    item = scene.objects[k]
    return scenes.bounding_boxes(
        item.shape, item.size, np.array([[item.x, item.y]]), np.array([item.rotation]), scene.view
    )[0]


@settings(max_examples=60, deadline=None)
@given(scene_keys)
def test_objects_differ_are_apart_and_lie_inside_the_frame(key):
    scene = sample_scene(*key)
    left, right = scene.objects
    assert left.shape != right.shape and left.colour != right.colour
    assert (left.position, right.position) == ("left", "right")
    assert right.pixel_x - left.pixel_x > 0.2
    boxes = np.stack([box(scene, 0), box(scene, 1)])
    assert boxes.min() > 0 and boxes.max() < 1
    assert boxes[0, 2] < boxes[1, 0]


@settings(max_examples=30, deadline=None)
@given(scene_keys, st.randoms(use_true_random=False))
def test_scene_depends_on_its_key_and_not_on_the_order_of_the_pairs(key, random):
    shuffled = list(SEEN_PAIRS)
    random.shuffle(shuffled)
    assert sample_scene(*key, pairs=shuffled) == sample_scene(*key, pairs=SEEN_PAIRS)


def test_different_scene_keys_give_different_scenes():
    drawn = [sample_scene(seed, index).objects for seed in (0, 1) for index in range(20)]
    assert all(a != b for a, b in combinations(drawn, 2))


def test_every_pair_size_and_material_is_drawn_about_equally_often():
    items = [item for index in range(600) for item in sample_scene(3, index).objects]
    pairs = pd.Series([(item.shape, item.colour) for item in items]).value_counts()
    assert set(pairs.index) == set(PAIRS)
    # 1200 objects over 24 pairs: 50 expected, standard deviation 7
    assert pairs.between(20, 80).all()
    for field in ("size", "material"):
        share = pd.Series([getattr(item, field) for item in items]).value_counts(normalize=True)
        assert len(share) == 2 and share.between(0.42, 0.58).all()


def test_held_out_pairs_are_balanced_and_every_word_is_in_seen_pairs():
    assert len(HELD_OUT) == 6 and len({colour for _, colour in HELD_OUT}) == 6
    assert sorted(shape for shape, _ in HELD_OUT) == ["cube"] * 2 + ["cylinder"] * 2 + ["sphere"] * 2
    assert {shape for shape, _ in SEEN_PAIRS} == set(scenes.SHAPES)
    assert {colour for _, colour in SEEN_PAIRS} == COLOURS


@settings(max_examples=60, deadline=None)
@given(scene_keys)
def test_held_out_pairs_never_appear_when_only_seen_pairs_are_allowed(key):
    scene = sample_scene(*key, pairs=SEEN_PAIRS)
    assert not {(item.shape, item.colour) for item in scene.objects} & HELD_OUT
    assert not scene.held_out


def test_one_held_out_object_makes_the_scene_held_out():
    drawn = [sample_scene(0, index) for index in range(100)]
    expected = [any((item.shape, item.colour) in HELD_OUT for item in scene.objects) for scene in drawn]
    assert [scene.held_out for scene in drawn] == expected
    assert 0 < sum(expected) < 100


def test_sizes_are_distinguishable_at_32_pixels():
    widths = {"small": [], "large": []}
    for index in range(60):
        scene = sample_scene(6, index)
        for k, item in enumerate(scene.objects):
            x0, _, x1, _ = box(scene, k) * 32
            widths[item.size].append(x1 - x0)
    assert min(widths["small"]) > 6 and max(widths["small"]) < min(widths["large"])


def rendered(examples: int) -> int:
    """Return the number of scenes that a run with this number of examples per task renders."""
    run = {
        "name": "r",
        "models": ["mini-sd"],
        "datasets": ["digits"],
        "attribute_binding": {"examples_per_task": examples},
    }
    return Experiment(load_run(run, ROOT), ROOT).scene_count


def test_enough_scenes_are_rendered_for_the_tasks_with_size_at_any_seed():
    for examples in (1, 2, 6, 40, 120, 1000, 4970):
        assert stats.binom.cdf(examples - 1, rendered(examples), 0.5) < 1e-5
    for examples, seeds in ((6, 400), (40, 200), (120, 100)):
        for seed in range(seeds):
            drawn = (sample_attributes(seed, index, PAIRS)[1] for index in range(rendered(examples)))
            assert sum(left[1] != right[1] for left, right in drawn) >= examples, seed
    left, right = sample_scene(3, 7).objects
    couple = [((item.shape, item.colour), item.size) for item in (left, right)]
    assert sample_attributes(3, 7, PAIRS)[1] == couple


def test_table_without_an_attribute_names_the_column():
    frame = render_scenes(0, [0], 8, 1).drop(columns="right_colour")
    with pytest.raises(SceneTableError, match="'right_colour' is missing"):
        scenes_from_frame(frame)


@pytest.mark.parametrize("value", ["grey", None])
def test_table_with_an_unknown_value_names_row_column_and_value(value):
    frame = render_scenes(0, [0, 1], 8, 1)
    frame.loc[1, "left_colour"] = value
    with pytest.raises(SceneTableError, match=r"row 1, column 'left_colour': found ('grey'|nan|None).*'gray'"):
        scenes_from_frame(frame)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([], "differ in both"),
        ([("cube", "red"), ("cube", "blue")], "differ in both"),
        ([("cube", "red"), ("sphere", "red")], "differ in both"),
        ([("cube", "red"), ("sphere", "pink")], "pink"),
    ],
)
def test_impossible_pairs_are_refused(pairs, words):
    with pytest.raises(ValueError, match=words):
        sample_scene(0, 0, pairs=pairs)


def test_negative_scene_keys_are_refused():
    with pytest.raises(ValueError, match="0 or more"):
        sample_scene(0, -1)


def test_the_error_reports_scenes_without_space_for_both_objects(monkeypatch):
    monkeypatch.setattr(scenes, "MIN_GAP", 2.0)
    with pytest.raises(ValueError, match="scene 4 of seed 0: found no placement"):
        sample_scene(0, 4)

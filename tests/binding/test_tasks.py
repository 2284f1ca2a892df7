"""The sentences of the twenty tasks are true or false as intended, according to a parser that shares no code with them."""

import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffzero.binding.scenes import ObjectRecord, SceneRecord, sample_scene
from diffzero.binding.tasks import TASKS, Task, is_usable, make_example, make_examples
from sentences import is_true, parse_sentence

TABLE_3 = (
    "Shape", "Color",
    "Shape,Color", "Shape|Color", "Color|Shape",
    "Shape,Size", "Shape|Size", "Size|Shape",
    "Shape,Position", "Shape|Position", "Position|Shape",
    "Color,Size", "Color|Size", "Size|Color",
    "Color,Position", "Color|Position", "Position|Color",
    "Size,Position", "Size|Position", "Position|Size",
)  # fmt: skip
BY_NAME = {task.name: task for task in TASKS}

# Small blue sphere on the left, large red cube on the right.
SCENE = SceneRecord(
    index=0,
    seed=0,
    objects=(
        ObjectRecord("sphere", "blue", "small", "metal", "left", 0.3, 0.5, 1.0),
        ObjectRecord("cube", "red", "large", "rubber", "right", 0.7, 0.5, 1.0),
    ),
)
# (positive, negative) about the left object, then about the right one; a pair task has one couple of sentences.
BINDING = {
    "Shape|Color": (("A blue sphere.", "A blue cube."), ("A red cube.", "A red sphere.")),
    "Color|Shape": (("A blue sphere.", "A red sphere."), ("A red cube.", "A blue cube.")),
    "Shape|Size": (("A small sphere.", "A small cube."), ("A large cube.", "A large sphere.")),
    "Size|Shape": (("A small sphere.", "A large sphere."), ("A large cube.", "A small cube.")),
    "Shape|Position": (
        ("On the left is a sphere.", "On the left is a cube."),
        ("On the right is a cube.", "On the right is a sphere."),
    ),
    "Position|Shape": (
        ("On the left is a sphere.", "On the right is a sphere."),
        ("On the right is a cube.", "On the left is a cube."),
    ),
    "Color|Size": (("A small blue object.", "A small red object."), ("A large red object.", "A large blue object.")),
    "Size|Color": (("A small blue object.", "A large blue object."), ("A large red object.", "A small red object.")),
    "Color|Position": (
        ("On the left is a blue object.", "On the left is a red object."),
        ("On the right is a red object.", "On the right is a blue object."),
    ),
    "Position|Color": (
        ("On the left is a blue object.", "On the right is a blue object."),
        ("On the right is a red object.", "On the left is a red object."),
    ),
    "Size|Position": (
        ("On the left is a small object.", "On the left is a large object."),
        ("On the right is a large object.", "On the right is a small object."),
    ),
    "Position|Size": (
        ("On the left is a small object.", "On the right is a small object."),
        ("On the right is a large object.", "On the left is a large object."),
    ),
}
PAIR = {
    "Shape,Color": ("A red cube and a blue sphere.", "A blue cube and a red sphere."),
    "Shape,Size": ("A large cube and a small sphere.", "A small cube and a large sphere."),
    "Shape,Position": (
        "On the left is a sphere and on the right is a cube.",
        "On the left is a cube and on the right is a sphere.",
    ),
    "Color,Size": ("A small blue object and a large red object.", "A large blue object and a small red object."),
    "Color,Position": (
        "On the left is a blue object and on the right is a red object.",
        "On the left is a red object and on the right is a blue object.",
    ),
    "Size,Position": (
        "On the left is a small object and on the right is a large object.",
        "On the left is a large object and on the right is a small object.",
    ),
}
RECOGNITION = {
    "Shape": ({"A sphere.", "A cube."}, {"A cylinder."}),
    "Color": (
        {"A blue object.", "A red object."},
        {f"A {colour} object." for colour in ("cyan", "brown", "gray", "green", "purple", "yellow")},
    ),
}

WORD = {"Shape": "shape", "Color": "colour", "Size": "size", "Position": "position"}


def names_in(task: Task) -> list[str]:
    return re.split(r"[|,]", task.name)


def test_tasks_are_table_3_in_its_order():
    assert tuple(task.name for task in TASKS) == TABLE_3
    assert Counter(task.kind for task in TASKS) == {"recognition": 2, "pair": 6, "binding": 12}
    assert all(list(task.attributes) == names_in(task) for task in TASKS)


@pytest.mark.parametrize("name", TABLE_3)
def test_sentences_of_a_scene_written_by_hand(name):
    made = [make_example(BY_NAME[name], SCENE, seed) for seed in range(60)]
    found = {(one.positive, one.negative) for one in made}
    if name in PAIR:
        assert found == {PAIR[name]}
        assert {one.object_index for one in made} == {None}
    elif name in BINDING:
        assert found == set(BINDING[name])
        assert all((one.positive, one.negative) == BINDING[name][one.object_index] for one in made)
    else:
        assert ({positive for positive, _ in found}, {negative for _, negative in found}) == RECOGNITION[name]


@pytest.mark.parametrize("task", TASKS, ids=TABLE_3)
@settings(max_examples=40, deadline=None)
@given(key=st.tuples(st.integers(0, 2**31), st.integers(0, 2**31)), seed=st.integers(0, 2**31))
def test_positive_is_true_and_negative_is_false(task, key, seed):
    scene = sample_scene(*key)
    if not is_usable(task, scene):
        return
    one = make_example(task, scene, seed)
    assert is_true(one.positive, scene)
    assert not is_true(one.negative, scene)
    for sentence in (one.positive, one.negative):
        claims = parse_sentence(sentence)
        assert len(claims) == (2 if task.kind == "pair" else 1)
        assert all(claim.keys() == {WORD[name] for name in names_in(task)} for claim in claims)
    if task.kind == "recognition":
        (claim,) = parse_sentence(one.negative)
        ((field, value),) = claim.items()
        assert value not in [getattr(item, field) for item in scene.objects]
    if task.kind == "binding":
        (true,), (false,) = parse_sentence(one.positive), parse_sentence(one.negative)
        assert [key for key in true if true[key] != false[key]] == [WORD[names_in(task)[0]]]


@pytest.mark.parametrize("task", [task for task in TASKS if task.kind == "pair"], ids=lambda task: task.name)
def test_pair_prompts_put_the_preferred_value_first_in_both_sentences(task):
    ranks = (
        ("position", ["left", "right"]),
        ("shape", ["cube", "sphere", "cylinder"]),
        ("colour", ["blue", "cyan", "brown", "gray", "green", "purple", "red", "yellow"]),
        ("size", ["small", "large"]),
    )
    for index in range(60):
        scene = sample_scene(0, index)
        if is_usable(task, scene):
            one = make_example(task, scene, 0)
            for first, second in (parse_sentence(one.positive), parse_sentence(one.negative)):
                key, order = next(rank for rank in ranks if rank[0] in first)
                assert order.index(first[key]) < order.index(second[key])


@pytest.mark.parametrize("task", TASKS, ids=TABLE_3)
def test_scenes_of_one_size_are_left_out_of_size_tasks_only(task):
    left, right = SCENE.objects
    same_size = replace(SCENE, objects=(left, replace(right, size=left.size)))
    assert is_usable(task, SCENE)
    assert is_usable(task, same_size) == ("Size" not in task.name)
    if "Size" in task.name:
        with pytest.raises(ValueError, match="found Size 'small' on both objects"):
            make_example(task, same_size, 0)


def test_scene_whose_objects_share_the_other_attribute_is_refused():
    left, right = SCENE.objects
    two_cubes = replace(SCENE, objects=(replace(left, shape="cube"), right))
    for name in ("Color|Shape", "Shape|Color", "Shape,Color"):
        with pytest.raises(ValueError, match="found Shape 'cube' on both objects"):
            make_example(BY_NAME[name], two_cubes, 0)


def test_choices_depend_on_seed_task_and_scene_and_are_balanced():
    drawn = [sample_scene(0, index) for index in range(200)]
    color_shape = [make_example(BY_NAME["Color|Shape"], scene, 0).object_index for scene in drawn]
    shape_color = [make_example(BY_NAME["Shape|Color"], scene, 0).object_index for scene in drawn]
    other_seed = [make_example(BY_NAME["Color|Shape"], scene, 1).object_index for scene in drawn]
    assert color_shape != shape_color and color_shape != other_seed
    # 200 fair coins: standard deviation 7
    assert all(70 < sum(chosen) < 130 for chosen in (color_shape, shape_color, other_seed))


def test_another_process_makes_the_same_choices():
    code = (
        "from diffzero.binding.tasks import *; from diffzero.binding.scenes import sample_scene;"
        "print([make_example(task, sample_scene(0, 1), 5).object_index for task in TASKS if 'Size' not in task.attributes])"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    fresh = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    here = [make_example(task, sample_scene(0, 1), 5).object_index for task in TASKS if "Size" not in task.attributes]
    assert fresh.stdout.decode().strip() == str(here), fresh.stderr.decode()


def test_every_task_has_the_configured_number_of_examples_independent_of_other_tasks():
    drawn = [sample_scene(0, index) for index in range(60)]
    made = list(make_examples(TASKS, drawn, 0, per_task=15))
    assert Counter(task.name for task, _, _ in made) == dict.fromkeys(TABLE_3, 15)
    alone = list(make_examples([BY_NAME["Size|Shape"]], drawn, 0, per_task=15))
    assert alone == [one for one in made if one[0].name == "Size|Shape"]
    assert len(list(make_examples([BY_NAME["Shape"]], drawn, 0))) == 60


def test_too_few_scenes_are_named():
    with pytest.raises(ValueError, match=r"task 'Shape': found 1 usable scenes among 1, expected 2"):
        list(make_examples([BY_NAME["Shape"]], [SCENE], 0, per_task=2))
    with pytest.raises(ValueError, match="found 0 usable scenes"):
        list(make_examples([BY_NAME["Shape"]], [], 0))

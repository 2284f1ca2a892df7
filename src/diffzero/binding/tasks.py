"""The twenty attribute-binding tasks of Clark & Jaini (2023), Table 3, and their prompts.

Each example is a true and a false sentence about one two-object scene. Its random choices are a function of the seed, the task's name and
the scene, so they do not depend on other tasks and scenes.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np

from diffzero.binding.scenes import COLOURS, POSITIONS, SHAPES, SIZES, ObjectRecord, SceneRecord

Kind = Literal["recognition", "pair", "binding"]
FIELD = {"Shape": "shape", "Color": "colour", "Size": "size", "Position": "position"}
# The two objects of a pair prompt are sorted by the first of these attributes that the task has; values are in the order of the
# paper's appendix: left before right, cube before sphere, blue before cyan.
ORDER = {"Position": POSITIONS, "Shape": SHAPES, "Color": COLOURS, "Size": SIZES}


@dataclass(frozen=True)
class Task:
    """One row of Table 3. In a binding task the false sentence has a wrong value of the first attribute."""

    name: str
    kind: Kind
    attributes: tuple[str, ...]


@dataclass(frozen=True)
class Example:
    """A true and a false sentence, and the object (0 left, 1 right) that they describe; None if they describe both."""

    positive: str
    negative: str
    object_index: int | None


def _list_tasks() -> tuple[Task, ...]:
    """Return the tasks in the order of Table 3: for each pair of attributes the pair task and both binding tasks."""
    tasks = [Task(name, "recognition", (name,)) for name in ("Shape", "Color")]
    for first, second in combinations(FIELD, 2):
        tasks += [
            Task(f"{first},{second}", "pair", (first, second)),
            Task(f"{first}|{second}", "binding", (first, second)),
            Task(f"{second}|{first}", "binding", (second, first)),
        ]
    return tuple(tasks)


TASKS: tuple[Task, ...] = _list_tasks()


def tasks_without(unknown: Collection[str]) -> list[Task]:
    """Return the tasks that use none of these attributes of an object (shape, colour, size, position)."""
    return [task for task in TASKS if not {FIELD[name] for name in task.attributes} & set(unknown)]


def is_usable(task: Task, scene: SceneRecord) -> bool:
    """Return whether the task can use the scene.

    Every attribute of the task must be known of both objects, and differ between them in pair and binding tasks. In scenes from
    `sample_scene` only sizes can be equal.
    """
    for name in task.attributes:
        left, right = (getattr(item, FIELD[name]) for item in scene.objects)
        if None in (left, right) or (left == right and task.kind != "recognition"):
            return False
    return True


def describe_object(item: ObjectRecord, attributes: Sequence[str]) -> str:
    """Return the sentence about one object that mentions exactly these attributes."""
    opening = f"On the {item.position} is a " if "Position" in attributes else "A "
    size = f"{item.size} " if "Size" in attributes else ""
    colour = f"{item.colour} " if "Color" in attributes else ""
    noun = item.shape if "Shape" in attributes else "object"
    return f"{opening}{size}{colour}{noun}."


def describe_pair(items: Sequence[ObjectRecord], attributes: Sequence[str]) -> str:
    """Return the sentence about two objects, in the paper's order."""
    key = next(name for name in ORDER if name in attributes)
    first, second = sorted(items, key=lambda item: ORDER[key].index(getattr(item, FIELD[key])))
    second_sentence = describe_object(second, attributes)
    return (
        f"{describe_object(first, attributes).removesuffix('.')} and {second_sentence[0].lower()}{second_sentence[1:]}"
    )


def _make_generator(seed: int, task: Task, scene: SceneRecord) -> np.random.Generator:
    # A digest and not hash(), which differs between processes for strings.
    name = int.from_bytes(hashlib.sha256(task.name.encode()).digest()[:8], "big")
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, name, scene.seed, scene.index))))


def _replace_attribute(item: ObjectRecord, attribute: str, value: str) -> ObjectRecord:
    changes: dict[str, Any] = {FIELD[attribute]: value}
    return replace(item, **changes)


def make_example(task: Task, scene: SceneRecord, seed: int) -> Example:
    """Return the task's example for a scene.

    Raises
    ------
    ValueError
        If the objects share an attribute of a pair or binding task: the false sentence would then be true.
    """
    for name in task.attributes if task.kind != "recognition" else ():
        shared = {getattr(item, FIELD[name]) for item in scene.objects}
        if len(shared) == 1:
            raise ValueError(
                f"task {task.name!r}, scene {scene.index}: found {name} {shared.pop()!r} on both objects, expected two "
                "different values; leave the scene out, e.g. filter by is_usable(task, scene)."
            )
    changed = task.attributes[0]
    values = [getattr(item, FIELD[changed]) for item in scene.objects]
    if task.kind == "pair":
        left, right = scene.objects
        swapped = [_replace_attribute(left, changed, values[1]), _replace_attribute(right, changed, values[0])]
        return Example(describe_pair(scene.objects, task.attributes), describe_pair(swapped, task.attributes), None)
    rng = _make_generator(seed, task, scene)
    index = int(rng.integers(2))
    if task.kind == "binding":
        wrong = values[1 - index]
    else:
        absent = [value for value in ORDER[changed] if value not in values]
        wrong = absent[rng.integers(len(absent))]
    item = scene.objects[index]
    false_item = _replace_attribute(item, changed, wrong)
    return Example(describe_object(item, task.attributes), describe_object(false_item, task.attributes), index)


def make_examples(
    tasks: Iterable[Task], scenes: Sequence[SceneRecord], seed: int, per_task: int | None = None
) -> Iterator[tuple[Task, SceneRecord, Example]]:
    """Yield each task's examples for its first `per_task` usable scenes (all if None).

    Raises
    ------
    ValueError
        If a task has fewer usable scenes than that, or none.
    """
    for task in tasks:
        chosen = [scene for scene in scenes if is_usable(task, scene)][:per_task]
        if not chosen or (per_task is not None and len(chosen) < per_task):
            raise ValueError(
                f"task {task.name!r}: found {len(chosen)} usable scenes among {len(scenes)}, expected "
                f"{per_task or 'at least 1'}; render more scenes (about twice as many for tasks with Size)."
            )
        for scene in chosen:
            yield task, scene, make_example(task, scene, seed)

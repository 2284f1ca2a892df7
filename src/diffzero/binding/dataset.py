"""The attribute-binding tasks as a data set: scene images, prompts and items."""

import hashlib
import logging
from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from diffzero.binding.scene_table import SceneTableError, cell_error, scenes_from_frame
from diffzero.binding.tasks import TASKS, make_examples, tasks_without
from diffzero.data.decode import ImageError, decode_image

log = logging.getLogger(__name__)


def build_scene_images(tables: Mapping[str, pd.DataFrame], unknown: Collection[str] = ()) -> pd.DataFrame:
    """The scenes of these tables, by file, as test images: columns image, bytes, digest, label (-1), and the scene tables' own.

    `unknown` attributes are those that the source does not tell of its objects.

    Raises SceneTableError, naming file, row and column, for what is no scene table, for a row without a whole picture and for a
    scene met twice.
    """
    if not tables:
        raise SceneTableError("scene tables: found none, expected at least one file; ask for scenes under `binding`.")
    for where, table in tables.items():
        scenes_from_frame(table, unknown, where)
        _require_pictures(table, where)
    scenes = pd.concat(tables.values(), ignore_index=True)
    place = [(where, row) for where, table in tables.items() for row in range(len(table))]
    for number in np.flatnonzero(scenes.duplicated(["seed", "scene"])):
        seed, scene = scenes["seed"].iloc[number], scenes["scene"].iloc[number]
        raise cell_error(
            *place[number], "scene", f"scene {scene} of seed {seed}, which is in another file, too", "each scene once"
        )
    names = [f"scene-{seed}-{scene}" for seed, scene in zip(scenes["seed"], scenes["scene"], strict=True)]
    digests = [hashlib.sha256(data).hexdigest() for data in scenes["image"]]
    return scenes.rename(columns={"image": "bytes"}).assign(image=names, digest=digests, label=-1)


def _require_pictures(table: pd.DataFrame, where: str) -> None:
    """Nothing; raises SceneTableError for the first row whose `image` cannot be decoded."""
    if "image" not in table:
        raise SceneTableError(
            f"{where}: column 'image' is missing; found {list(table.columns)}, expected a picture in every row."
        )
    for row, data in enumerate(table["image"]):
        if not isinstance(data, bytes) or not data:
            raise cell_error(where, row, "image", "no bytes" if data == b"" else repr(data), "the bytes of a picture")
        try:
            decode_image(data, f"of row {row}")
        except ImageError as error:
            raise cell_error(where, row, "image", "no whole picture", "a PNG, JPEG or WebP file") from error


def build_binding_items(
    table: pd.DataFrame, per_task: int | None, seed: int, unknown: Collection[str] = ()
) -> tuple[dict, pd.DataFrame]:
    """The prompts and items of the twenty tasks, `per_task` scenes each (all that can be used, if None).

    Tasks that name an attribute `unknown` to the source of the scenes are left out. The true sentence is candidate 0 or 1 at
    random: an exact tie goes to candidate 0, and must not look like knowledge.
    Raises ValueError where too few scenes can be used.
    """
    scenes, asked = scenes_from_frame(table, unknown), tasks_without(unknown)
    if len(asked) < len(TASKS):
        log.info(
            "%d of %d tasks are left out: nobody knows %s", len(TASKS) - len(asked), len(TASKS), ", ".join(unknown)
        )
    names = {(scene.seed, scene.index): name for scene, name in zip(scenes, table["image"], strict=True)}
    number = {task.name: k for k, task in enumerate(TASKS)}
    prompts: dict[str, int] = {}
    rows = []
    for task, scene, made in make_examples(asked, scenes, seed, per_task):
        key = [seed, scene.index * len(TASKS) + number[task.name]]
        label = int(np.random.Generator(np.random.Philox(key=key)).integers(2))
        pair = [made.positive, made.negative] if label == 0 else [made.negative, made.positive]
        image = names[scene.seed, scene.index]
        candidates = [prompts.setdefault(text, len(prompts)) for text in pair]
        rows.append((f"{task.name}/{image}", task.name, image, label, candidates, [0, 1], scene.held_out))
    columns = ["item", "task", "image", "label", "candidates", "classes", "held_out"]
    return {"prompts": list(prompts)}, pd.DataFrame(rows, columns=columns)

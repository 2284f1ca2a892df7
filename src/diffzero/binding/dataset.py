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
    """Join scene tables to a table of test images.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Scene tables by file name, with the columns that `render_scenes` documents.
    unknown : collection of str
        Attributes of the objects that the tables do not contain.

    Returns
    -------
    DataFrame
        The columns of the scene tables, with `image` (str, unique name), `bytes` (the encoded picture), `digest` (SHA-256 of
        `bytes`) and `label` (-1).

    Raises
    ------
    SceneTableError
        For a wrong table, a picture that cannot be decoded, or a scene that occurs twice; the message names file, row and column.
    """
    if not tables:
        raise SceneTableError(
            "scene tables: found none, expected at least one file; configure scenes under `attribute_binding`."
        )
    for where, table in tables.items():
        scenes_from_frame(table, unknown, where)
        _require_pictures(table, where)
    scenes = pd.concat(tables.values(), ignore_index=True)
    origins = [(where, row) for where, table in tables.items() for row in range(len(table))]
    for number in np.flatnonzero(scenes.duplicated(["seed", "scene"])):
        seed, scene = scenes["seed"].iloc[number], scenes["scene"].iloc[number]
        raise cell_error(
            *origins[number], "scene", f"scene {scene} of seed {seed}, which is also in another file", "each scene once"
        )
    names = [f"scene-{seed}-{scene}" for seed, scene in zip(scenes["seed"], scenes["scene"], strict=True)]
    digests = [hashlib.sha256(data).hexdigest() for data in scenes["image"]]
    return scenes.rename(columns={"image": "bytes"}).assign(image=names, digest=digests, label=-1)


def _require_pictures(table: pd.DataFrame, where: str) -> None:
    """Raise SceneTableError for the first row whose `image` cannot be decoded."""
    if "image" not in table:
        raise SceneTableError(
            f"{where}: column 'image' is missing; found {list(table.columns)}, expected a picture in every row. Correct the file, or "
            "delete it if this run rendered it, and re-run the same command."
        )
    for row, data in enumerate(table["image"]):
        if not isinstance(data, bytes) or not data:
            raise cell_error(where, row, "image", "no bytes" if data == b"" else repr(data), "the bytes of a picture")
        try:
            decode_image(data, f"of row {row}")
        except ImageError as error:
            raise cell_error(where, row, "image", "a corrupt picture", "a PNG, JPEG or WebP file") from error


def build_binding_items(
    table: pd.DataFrame, per_task: int | None, seed: int, unknown: Collection[str] = ()
) -> tuple[dict[str, list[str]], pd.DataFrame]:
    """Build the prompts and items of the binding tasks.

    The true sentence is candidate 0 or 1 at random: an exact tie goes to candidate 0 and must not always be correct.

    Parameters
    ----------
    table : DataFrame
        The result of `build_scene_images`.
    per_task : int or None
        Number of scenes per task; None takes all usable ones.
    seed : int
        Seed of the order of the candidates and of the sentences.
    unknown : collection of str
        Attributes of the objects that the table does not contain. Tasks with such an attribute are left out.

    Returns
    -------
    dict
        `prompts`: the list of distinct sentences.
    DataFrame
        One row per task and scene: item, task and image (str), label (int), candidates (indices of two prompts), classes ([0, 1])
        and held_out (bool).

    Raises
    ------
    ValueError
        If a task has too few usable scenes.
    """
    scenes, tasks = scenes_from_frame(table, unknown), tasks_without(unknown)
    if len(tasks) < len(TASKS):
        log.info(
            "%d of %d tasks are left out: the scenes have no %s",
            len(TASKS) - len(tasks),
            len(TASKS),
            ", ".join(unknown),
        )
    names = {(scene.seed, scene.index): name for scene, name in zip(scenes, table["image"], strict=True)}
    number = {task.name: k for k, task in enumerate(TASKS)}
    prompts: dict[str, int] = {}
    rows = []
    for task, scene, made in make_examples(tasks, scenes, seed, per_task):
        key = [seed, scene.index * len(TASKS) + number[task.name]]
        label = int(np.random.Generator(np.random.Philox(key=key)).integers(2))
        pair = [made.positive, made.negative] if label == 0 else [made.negative, made.positive]
        image = names[scene.seed, scene.index]
        candidates = [prompts.setdefault(text, len(prompts)) for text in pair]
        rows.append((f"{task.name}/{image}", task.name, image, label, candidates, [0, 1], scene.held_out))
    columns = ["item", "task", "image", "label", "candidates", "classes", "held_out"]
    return {"prompts": list(prompts)}, pd.DataFrame(rows, columns=columns)

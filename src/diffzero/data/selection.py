"""The stages before scoring: test images, prompts and items. Each returns what its rule writes."""

import hashlib
import logging
import re
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from diffzero.binding.scenes import SceneTableError, scenes_from_frame, wrong_cell
from diffzero.binding.tasks import TASKS, askable, examples
from diffzero.config import Dataset
from diffzero.data import transforms
from diffzero.data.sources import registry

log = logging.getLogger(__name__)
CUES = ["shape_label", "texture_label"]


def select(table: pd.DataFrame, count: int, seed: int, stratified: bool = False) -> pd.DataFrame:
    """`count` rows (all, where there are fewer) in an order that the seed and the image names decide, whatever the table's order.

    The first rows of a larger selection are the smaller selection, so that more images extend a run. `stratified`: the first rows
    also keep the classes' shares, each class (column label) within one image of its own.
    """
    rank = [hashlib.sha256(f"{seed}/{name}".encode()).digest() for name in table["image"]]
    order = sorted(range(len(table)), key=rank.__getitem__)
    shuffled = table.iloc[order].reset_index(drop=True)
    if stratified:
        classes = shuffled.groupby("label")["label"]
        # The k-th of n images of a class belongs at the share (k + 1/2) / n of the whole; equal shares stay in shuffled order.
        share = (classes.cumcount() + 0.5) / classes.transform("size")
        shuffled = shuffled.loc[share.sort_values(kind="stable").index]
    return shuffled.iloc[:count].reset_index(drop=True)


def with_cues(table: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """The table, for cue-conflict images with the labels of shape and texture (CUES) that their file names tell.

    Raises ValueError for a name without them, and where the shape's class is not the image's label.
    """
    if not dataset.cues:
        return table
    names, rows = dataset.keys or dataset.classnames, []
    for image, label in zip(table["image"], table["label"], strict=True):
        match = re.search(dataset.cues, PurePosixPath(image).name)
        found = [match["shape"], match["texture"]] if match else []
        if not found or not set(found) <= set(names) or names.index(found[0]) != label:
            raise ValueError(
                f"{dataset.title}: found image {image!r} of class {names[label]!r}, expected the name of that class and of a texture's "
                f"class in the file name, as the pattern `cues` says: {dataset.cues}."
            )
        rows.append([names.index(name) for name in found])
    labelled = table.join(pd.DataFrame(rows, columns=CUES, index=table.index, dtype="int64"))
    differs = labelled["shape_label"] != labelled["texture_label"]
    return labelled[differs].reset_index(drop=True) if dataset.conflict_only else labelled


def test_images(dataset: Dataset, count: int, seed: int, root: Path, stratified: bool = False) -> pd.DataFrame:
    """The run's test images: columns image, label, bytes, source, digest, and CUES where the data set has them.

    Raises ImageError for one that cannot be decoded.
    """
    chosen = registry.load(dataset, root, lambda table: select(with_cues(table, dataset), count, seed, stratified))
    for row in chosen.itertuples():
        transforms.decode(row.bytes, row.image)
    return chosen.assign(digest=[hashlib.sha256(data).hexdigest() for data in chosen["bytes"]])


def selection(chosen: pd.DataFrame, seed: int, stratified: bool) -> dict:
    """The choice in writing: where from, by which seed, and each image's name, label and SHA-256, in the run's order.

    Another source names and encodes the same pictures differently, so two runs made the same choice when these records are equal.
    """
    facts = list(zip(chosen["image"], chosen["label"].tolist(), chosen["digest"], strict=True))
    return {
        "source": chosen["source"].iloc[0] if len(chosen) else None,
        "seed": seed,
        "stratified": stratified,
        "count": len(chosen),
        "sha256": hashlib.sha256("\n".join(chosen["digest"]).encode()).hexdigest(),
        "images": [{"image": image, "label": label, "sha256": digest} for image, label, digest in facts],
    }


def class_prompts(template: str, classnames: list[str]) -> dict:
    """Unique prompts, the prompt of each class, and which labels share one (ImageNet has "missile" twice)."""
    texts = [template.format(name) for name in classnames]
    prompts = list(dict.fromkeys(texts))
    class_prompt = [prompts.index(text) for text in texts]
    shared = [[k for k, p in enumerate(class_prompt) if p == prompt] for prompt in range(len(prompts))]
    if len(prompts) < 2:
        raise ValueError(f"prompts: found only {prompts}, expected at least two different ones.")
    return {
        "prompts": prompts,
        "classnames": classnames,
        "class_prompt": class_prompt,
        "duplicates": [labels for labels in shared if len(labels) > 1],
    }


def classification_items(table: pd.DataFrame, prompts: dict) -> pd.DataFrame:
    """One item an image among all unique prompts, with its CUES; a prompt that two classes share answers with the lower label."""
    class_prompt = prompts["class_prompt"]
    candidates = list(range(len(prompts["prompts"])))
    classes = [class_prompt.index(prompt) for prompt in candidates]
    return pd.DataFrame(
        {
            "item": table["image"],
            "task": "classify",
            "image": table["image"],
            "label": table["label"],
            "candidates": [candidates] * len(table),
            "classes": [classes] * len(table),
            **{cue: table[cue] for cue in CUES if cue in table},
        }
    )


def scene_images(tables: Mapping[str, pd.DataFrame], unknown: Collection[str] = ()) -> pd.DataFrame:
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
        raise wrong_cell(
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
            raise wrong_cell(where, row, "image", "no bytes" if data == b"" else repr(data), "the bytes of a picture")
        try:
            transforms.decode(data, f"of row {row}")
        except transforms.ImageError as error:
            raise wrong_cell(where, row, "image", "no whole picture", "a PNG, JPEG or WebP file") from error


def binding_items(
    table: pd.DataFrame, per_task: int | None, seed: int, unknown: Collection[str] = ()
) -> tuple[dict, pd.DataFrame]:
    """The prompts and items of the twenty tasks, `per_task` scenes each (all that can be used, if None).

    Tasks that name an attribute `unknown` to the source of the scenes are left out. The true sentence is candidate 0 or 1 at
    random: an exact tie goes to candidate 0, and must not look like knowledge.
    Raises ValueError where too few scenes can be used.
    """
    scenes, asked = scenes_from_frame(table, unknown), askable(unknown)
    if len(asked) < len(TASKS):
        log.info(
            "%d of %d tasks are left out: nobody knows %s", len(TASKS) - len(asked), len(TASKS), ", ".join(unknown)
        )
    names = {(scene.seed, scene.index): name for scene, name in zip(scenes, table["image"], strict=True)}
    number = {task.name: k for k, task in enumerate(TASKS)}
    prompts: dict[str, int] = {}
    rows = []
    for task, scene, made in examples(asked, scenes, seed, per_task):
        key = [seed, scene.index * len(TASKS) + number[task.name]]
        label = int(np.random.Generator(np.random.Philox(key=key)).integers(2))
        pair = [made.positive, made.negative] if label == 0 else [made.negative, made.positive]
        image = names[scene.seed, scene.index]
        candidates = [prompts.setdefault(text, len(prompts)) for text in pair]
        rows.append((f"{task.name}/{image}", task.name, image, label, candidates, [0, 1], scene.held_out))
    columns = ["item", "task", "image", "label", "candidates", "classes", "held_out"]
    return {"prompts": list(prompts)}, pd.DataFrame(rows, columns=columns)

"""The stages before scoring: test images, prompts and items. Each returns what its rule writes."""

import hashlib
import logging
import re
from pathlib import Path, PurePosixPath

import pandas as pd

from diffzero.data.dataset import Dataset
from diffzero.data.decode import decode_image
from diffzero.data.loading import load_images

log = logging.getLogger(__name__)
CUES = ["shape_label", "texture_label"]


def select_images(table: pd.DataFrame, count: int, seed: int, stratified: bool = False) -> pd.DataFrame:
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


def add_cue_labels(table: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """The table, for cue-conflict images with the labels of shape and texture (CUES) that their file names tell.

    Raises ValueError for a name without them, and where the shape's class is not the image's label.
    """
    if not dataset.cue_pattern:
        return table
    names, rows = dataset.source_classnames or dataset.classnames, []
    for image, label in zip(table["image"], table["label"], strict=True):
        match = re.search(dataset.cue_pattern, PurePosixPath(image).name)
        found = [match["shape"], match["texture"]] if match else []
        if not found or not set(found) <= set(names) or names.index(found[0]) != label:
            raise ValueError(
                f"{dataset.title}: found image {image!r} of class {names[label]!r}, expected the name of that class and of a texture's "
                f"class in the file name, as the pattern `cue_pattern` says: {dataset.cue_pattern}."
            )
        rows.append([names.index(name) for name in found])
    labelled = table.join(pd.DataFrame(rows, columns=CUES, index=table.index, dtype="int64"))
    differs = labelled["shape_label"] != labelled["texture_label"]
    return labelled[differs].reset_index(drop=True) if dataset.exclude_non_conflict else labelled


def load_test_images(dataset: Dataset, count: int, seed: int, root: Path, stratified: bool = False) -> pd.DataFrame:
    """The run's test images: columns image, label, bytes, source, digest, and CUES where the data set has them.

    Raises ImageError for one that cannot be decoded.
    """
    chosen = load_images(
        dataset, root, lambda table: select_images(add_cue_labels(table, dataset), count, seed, stratified)
    )
    for name, data in zip(chosen["image"], chosen["bytes"], strict=True):
        decode_image(data, name)
    return chosen.assign(digest=[hashlib.sha256(data).hexdigest() for data in chosen["bytes"]])


def selection_record(chosen: pd.DataFrame, seed: int, stratified: bool) -> dict:
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

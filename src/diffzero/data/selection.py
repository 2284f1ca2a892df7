"""Choose the test images of a run."""

import hashlib
import re
from pathlib import Path, PurePosixPath

import pandas as pd

from diffzero.data.class_names import nfc
from diffzero.data.dataset import Dataset
from diffzero.data.loading import load_images

CUES = ["shape_label", "texture_label"]


def select_images(table: pd.DataFrame, count: int, seed: int, stratified: bool = False) -> pd.DataFrame:
    """Select images in an order that depends on the seed and the image names, not on the order of the table.

    A smaller selection is the beginning of a larger one, so that more images extend a run.

    Parameters
    ----------
    table : DataFrame
        Columns `image` and `label`.
    count : int
        Number of rows to select; all rows if there are fewer.
    seed : int
        Seed of the order.
    stratified : bool
        Whether every beginning of the selection keeps the shares of the classes, each within one image.

    Returns
    -------
    DataFrame
        The selected rows, numbered from 0.
    """
    rank = [hashlib.sha256(f"{seed}/{name}".encode()).digest() for name in table["image"]]
    order = sorted(range(len(table)), key=rank.__getitem__)
    shuffled = table.iloc[order].reset_index(drop=True)
    if stratified:
        classes = shuffled.groupby("label")["label"]
        # The k-th of n images of a class belongs at the position (k + 1/2) / n; equal positions keep the shuffled order.
        position = (classes.cumcount() + 0.5) / classes.transform("size")
        shuffled = shuffled.loc[position.sort_values(kind="stable").index]
    return shuffled.iloc[:count].reset_index(drop=True)


def add_cue_labels(table: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """Add the labels of shape and texture (CUES, int64) that the file names of cue-conflict images state.

    Other data sets are returned unchanged. Raises ValueError for a file name without them, and for an image whose shape is not its class.
    """
    if not dataset.cue_pattern:
        return table
    names, rows = list(map(nfc, dataset.names_in_sources)), []
    for image, label in zip(table["image"], table["label"], strict=True):
        match = re.search(dataset.cue_pattern, PurePosixPath(image).name)
        found = [nfc(match["shape"]), nfc(match["texture"])] if match else []
        if not found or not set(found) <= set(names) or names.index(found[0]) != label:
            raise ValueError(
                f"{dataset.title}: found image {image!r} of class {names[label]!r}, expected the name of that class and of a texture's "
                f"class in the file name, as the pattern `cue_pattern` says: {dataset.cue_pattern}."
            )
        rows.append([names.index(name) for name in found])
    labelled = table.join(pd.DataFrame(rows, columns=CUES, index=table.index, dtype="int64"))
    is_conflict = labelled["shape_label"] != labelled["texture_label"]
    return labelled[is_conflict].reset_index(drop=True) if dataset.exclude_non_conflict else labelled


def load_test_images(dataset: Dataset, count: int, seed: int, root: Path, stratified: bool = False) -> pd.DataFrame:
    """Load the test images of a run.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    count, seed, stratified
        See `select_images`.
    root : Path
        Root of the repository.

    Returns
    -------
    DataFrame
        The table of `load_images` with the column `digest` (SHA-256 of `bytes`, str), and CUES for cue-conflict images. An image that
        cannot be decoded is an error, or, if the data set skips such images, replaced by the next in the order.

    Raises
    ------
    ImageError
        Images cannot be decoded; the message names all of them.
    SourceError, OSError, ValueError
        See `load_images`.
    """

    def rank(table: pd.DataFrame) -> pd.DataFrame:
        return select_images(add_cue_labels(table, dataset), len(table), seed, stratified)

    chosen = load_images(dataset, root, rank, count)
    return chosen.assign(digest=[hashlib.sha256(data).hexdigest() for data in chosen["bytes"]])


def selection_record(chosen: pd.DataFrame, seed: int, stratified: bool) -> dict[str, object]:
    """Return the record of a selection: source, seed, its Account, and name, label and SHA-256 of each image in the run's order.

    Two runs with equal records chose the same images. Another source may name and encode the same images differently.
    """
    images = zip(chosen["image"], chosen["label"].tolist(), chosen["digest"], strict=True)
    return {
        "source": chosen["source"].iloc[0] if len(chosen) else None,
        "seed": seed,
        "stratified": stratified,
        "count": len(chosen),
        "sha256": hashlib.sha256("\n".join(chosen["digest"]).encode()).hexdigest(),
        **chosen.attrs["account"],
        "images": [{"image": image, "label": label, "sha256": digest} for image, label, digest in images],
    }

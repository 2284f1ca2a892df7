"""Where test images come from: one loader per kind of source, each giving columns image (name), bytes (encoded), label."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from diffzero.config import Dataset, Digits, Folder, Hub, Parquet
from diffzero.datasets import digits, hub

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


def from_digits(dataset: Dataset, root: Path) -> pd.DataFrame:
    """scikit-learn's handwritten digits, test rows."""
    return digits.load()


def from_parquet(dataset: Dataset, root: Path) -> pd.DataFrame:
    """Every row of a Parquet file; the row number is the image's name where there is no column `image` of names."""
    source = dataset.source
    path = root / source.path
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not there; expected the Parquet file of {dataset.title} (key source.path).")
    table = pd.read_parquet(path)
    for column in (source.image, source.label):
        if column not in table:
            raise ValueError(
                f"{path}: found columns {list(table)}, expected {column!r} (keys source.image and source.label)."
            )
    names = (
        table["image"] if "image" in table and source.image != "image" else [f"row-{i:07d}" for i in range(len(table))]
    )
    return pd.DataFrame({"image": names, "bytes": table[source.image], "label": table[source.label].astype(int)})


def from_folder(dataset: Dataset, root: Path) -> pd.DataFrame:
    """Every image of a folder with one sub-folder per class name."""
    folder = root / dataset.source.path
    missing = [name for name in dataset.classnames if not (folder / name).is_dir()]
    if missing:
        raise FileNotFoundError(
            f"{folder}: found no sub-folder {missing[0]!r}, expected one for each class name ({len(missing)} missing)."
        )
    rows = [
        (path.relative_to(folder).as_posix(), path.read_bytes(), label)
        for label, name in enumerate(dataset.classnames)
        for path in sorted((folder / name).rglob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES
    ]
    if not rows:
        raise FileNotFoundError(
            f"{folder}: found no images, expected files ending in {', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    return pd.DataFrame(rows, columns=["image", "bytes", "label"])


LOADERS: dict[type, Callable[[Dataset, Path], pd.DataFrame]] = {
    Digits: from_digits,
    Parquet: from_parquet,
    Folder: from_folder,
    Hub: hub.load,
}


def load(dataset: Dataset, root: Path) -> pd.DataFrame:
    """All test images of a data set: columns image (unique name), bytes (encoded picture), label (0-based)."""
    table = LOADERS[type(dataset.source)](dataset, root)
    twice = table["image"].duplicated()
    if twice.any():
        raise ValueError(
            f"{dataset.title}: found image {table.loc[twice, 'image'].iloc[0]!r} twice, expected unique names."
        )
    return table

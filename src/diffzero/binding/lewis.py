"""The two-object images of Lewis et al. (2022), "Does CLIP Bind Concepts?", as scenes, from the folder that the user downloaded.

Each row of `two_object/{split}.csv` has the name of an image in `two_object/images/{split}/`, the colour and shape of one object, and four
false labels. Sizes, materials and positions are not labelled.
"""

import csv
import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from diffzero.binding.scene_table import column_name
from diffzero.binding.scenes import COLOURS, HELD_OUT, POSITIONS, SHAPES, Pair
from diffzero.data.decode import decode_image
from diffzero.data.file_listing import list_visible_files

log = logging.getLogger(__name__)

LEWIS = "lewis"  # the data set of these scenes
UNKNOWN_ATTRIBUTES = ("size", "material", "position")  # attributes that are not labelled
LICENCE = "not stated (their code: BSD-3-Clause)"
CODE = "https://github.com/marthaflinderslewis/clip-binding"
DATA_URL = "https://drive.google.com/drive/folders/1mFQTaIYIE01fOe1Wvc51V8cGbFuDzGBI"
DOWNLOAD_HINT = (
    f"Download the data set by hand from {DATA_URL} (linked from {CODE}), unpack it, and set its folder in "
    "`attribute_binding.lewis.path`"
)
FALSE_LABELS = ("neg_0", "neg_1", "neg_2", "neg_3")
CSV_COLUMNS = ("file_name", "pos", *FALSE_LABELS)


class LewisError(ValueError):
    """A folder, label file or picture differs from the published format; the message names file and line."""


@dataclass
class Labels:
    """The labels of one picture: the false labels of each object, and the line of the picture's first row."""

    line: int
    objects: dict[Pair, set[Pair]] = field(default_factory=dict)


def labels_path(lewis_dir: Path, split: str) -> Path:
    """Return the path of the split's CSV. Raises LewisError if it or the folder of its pictures does not exist."""
    data = lewis_dir / "two_object"
    for path in (data, data / f"{split}.csv", data / "images" / split):
        if not path.exists():
            raise LewisError(
                f"{path}: does not exist; expected `two_object/{split}.csv` and `two_object/images/{split}/` in {lewis_dir}. "
                f"{DOWNLOAD_HINT}."
            )
    return data / f"{split}.csv"


def list_lewis_files(lewis_dir: Path, split: str) -> dict[str, Path]:
    """Return the label file and the pictures of a split, by name; none if they do not exist."""
    labels = lewis_dir / "two_object" / f"{split}.csv"
    pictures = list_visible_files(labels.parent / "images" / split)
    found = {labels.name: labels} if labels.is_file() else {}
    return found | {f"{split}/{name}": path for name, path in pictures.items()}


def load_scenes(lewis_dir: Path, split: str, count: int, seed: int) -> pd.DataFrame:
    """Load a split as a scene table.

    Pictures are sorted by a hash of seed and name, so that a larger `count` extends a smaller one.

    Parameters
    ----------
    lewis_dir : Path
        The folder that contains `two_object`.
    split : str
        "train", "val" or "gen".
    count : int
        Maximum number of pictures.
    seed : int
        Seed of the order.

    Returns
    -------
    DataFrame
        One row per picture whose two objects are known, with the columns of `render_scenes` and `file` (str). `scene` is a hash of
        the file's name, `image` holds the file's bytes, `left` and `right` mean first and second object, and unknown attributes are
        null.

    Raises
    ------
    LewisError
        If the folder is not as published.
    ImageError
        If a picture cannot be decoded.
    """
    path = labels_path(lewis_dir, split)
    known = _resolve_objects(_read_labels(path))
    if not known:
        raise LewisError(f"{path}: found no picture with two known objects, expected some. {DOWNLOAD_HINT}.")
    ranked = sorted(known, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())
    rows = []
    for name in ranked[:count]:
        data = (path.parent / "images" / split / name).read_bytes()
        decode_image(data, f"{split}/{name}")
        # 56 bits: twenty times this number still fits into the 64 bits of a random generator's key.
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
        held_out = any(pair in HELD_OUT for pair in known[name])
        row = {"scene": number, "seed": seed, "held_out": held_out, "file": f"{split}/{name}", "image": data}
        for position, (shape, colour) in zip(POSITIONS, known[name], strict=True):
            row |= {column_name(position, "shape"): shape, column_name(position, "colour"): colour}
            row |= {column_name(position, name): None for name in ("size", "material")}
            row |= {column_name(position, name): float("nan") for name in ("x", "y", "visible")}
        rows.append(row)
    return pd.DataFrame(rows)


def _parse_label(text: str | None, where: str) -> Pair:
    """Parse a label such as `red cube` to (shape, colour)."""
    words = (text or "").split()
    if len(words) != 2 or words[0] not in COLOURS or words[1] not in SHAPES:
        raise LewisError(
            f"{where}: found {text!r}, expected a colour and a shape, e.g. 'red cube' (colours: {', '.join(COLOURS)}; shapes: "
            f"{', '.join(SHAPES)}). Use the published file."
        )
    return words[1], words[0]


def _iter_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of the CSV with their line numbers."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        found = reader.fieldnames or []
        missing = [name for name in CSV_COLUMNS if name not in found]
        if missing:
            raise LewisError(
                f"{path}, line 1: column {missing[0]!r} is missing; found {list(found)}, expected {list(CSV_COLUMNS)}. "
                "Use the published file."
            )
        for row in reader:
            yield reader.line_num, row


def _read_labels(path: Path) -> dict[str, Labels]:
    """Return the labels of each picture, by file name."""
    labels: dict[str, Labels] = {}
    for line, row in _iter_rows(path):
        where, name = f"{path}:{line}", row["file_name"]
        picture = path.parent / "images" / path.stem / (name or "")
        if name not in labels and not picture.is_file():
            raise LewisError(
                f"{where}: {picture} does not exist, expected the picture that the line names. {DOWNLOAD_HINT}."
            )
        known = labels.setdefault(name, Labels(line))
        negatives = {_parse_label(row[negative], f"{where}, column {negative!r}") for negative in FALSE_LABELS}
        known.objects.setdefault(_parse_label(row["pos"], f"{where}, column 'pos'"), set()).update(negatives)
        if len(known.objects) > 2:
            raise LewisError(
                f"{where}: found a third object in {name}, first named in line {known.line}: {sorted(known.objects)}, expected two. "
                "Use the published file."
            )
    return labels


def _infer_other(pair: Pair, negatives: set[Pair]) -> Pair | None:
    """Infer the other object from this one's false labels, two of which have the other's colour or shape.

    Return None if they fit several objects, or none.
    """
    shape, colour = pair
    colours = {other for same, other in negatives - {pair} if same == shape}
    shapes = {other for other, same in negatives - {pair} if same == colour}
    return (shapes.pop(), colours.pop()) if len(shapes) == len(colours) == 1 else None


def _resolve_objects(labels: Mapping[str, Labels]) -> dict[str, list[Pair]]:
    """Return the two objects of each picture, in the vocabulary's order; pictures without two known objects are left out.

    For a picture with one label, the other object is inferred from the false labels, if this rule is right for all pictures with
    both labels: how the false labels were chosen is not documented.
    """
    labelled = {name: known.objects for name, known in labels.items() if len(known.objects) == 2}
    rule_is_right = [
        _infer_other(pair, negatives) in set(objects) - {pair}
        for objects in labelled.values()
        for pair, negatives in objects.items()
        if _infer_other(pair, negatives) is not None
    ]
    found = {name: list(objects) for name, objects in labelled.items()}
    for name in [name for name in labels if name not in labelled] if rule_is_right and all(rule_is_right) else []:
        ((pair, negatives),) = labels[name].objects.items()
        if (other := _infer_other(pair, negatives)) is not None:
            found[name] = [pair, other]
    log.log(
        logging.INFO if len(found) == len(labels) else logging.WARNING,
        "%d images of Lewis et al.: both objects are labelled in %d, one is inferred from the false labels in %d, %d with an unknown "
        "object are left out",
        len(labels), len(labelled), len(found) - len(labelled), len(labels) - len(found),
    )  # fmt: skip
    return {
        name: sorted(pairs, key=lambda pair: (SHAPES.index(pair[0]), COLOURS.index(pair[1])))
        for name, pairs in found.items()
    }

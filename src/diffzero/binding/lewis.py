"""Lewis et al. (2022), "Does CLIP Bind Concepts?": their two-object images as scenes, from the folder that the user downloaded.

Their labels name shape and colour of the objects and nothing else, one object a row: `two_object/{split}.csv` with file_name, pos and
four false labels, pictures in `two_object/images/{split}/`. Their data set `rel` knows who stands left of whom, but no colour.
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

log = logging.getLogger(__name__)

LEWIS = "lewis"  # the data set of these scenes
UNKNOWN_ATTRIBUTES = ("size", "material", "position")  # what their labels do not tell of an object
LICENCE = "not stated (their code: BSD-3-Clause)"
CODE = "https://github.com/marthaflinderslewis/clip-binding"
DATA_URL = "https://drive.google.com/drive/folders/1mFQTaIYIE01fOe1Wvc51V8cGbFuDzGBI"
DOWNLOAD = f"Download the data set by hand from {DATA_URL} (linked from {CODE}), unpack it, and write its folder under `binding.lewis.path`"
FALSE_LABELS = ("neg_0", "neg_1", "neg_2", "neg_3")
COLUMNS = ("file_name", "pos", *FALSE_LABELS)


class LewisError(ValueError):
    """A folder, label file or picture that is not as Lewis et al. published it; the message names file and line."""


@dataclass
class Labels:
    """What the rows of one picture say: the false labels beside each true one, and the line where the picture is first named."""

    line: int
    objects: dict[Pair, set[Pair]] = field(default_factory=dict)


def labels_path(folder: Path, split: str) -> Path:
    """The split's CSV. Raises LewisError where it, or the folder of its pictures, is not there."""
    here = folder / "two_object"
    for path in (here, here / f"{split}.csv", here / "images" / split):
        if not path.exists():
            raise LewisError(
                f"{path}: not there; expected `two_object/{split}.csv` and `two_object/images/{split}/` in {folder}. {DOWNLOAD}."
            )
    return here / f"{split}.csv"


def load(folder: Path, split: str, count: int, seed: int) -> pd.DataFrame:
    """One row a picture whose two objects are known, at most `count`: scene, seed, held_out, file, image (the file's bytes), and
    `column_name(position, field)` of each object and field as in a table of rendered scenes, null where UNKNOWN_ATTRIBUTES.

    The order is that of a hash of seed and name, whatever the CSV's, so that more pictures extend fewer; `scene` is a hash of the name.
    `left` and `right` mean first and second here. Raises LewisError, and ImageError for a picture that cannot be decoded.
    """
    path = labels_path(folder, split)
    known = _objects(_read(path))
    if not known:
        raise LewisError(f"{path}: found no picture with two known objects, expected some. {DOWNLOAD}.")
    ranked = sorted(known, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())
    rows = []
    for name in ranked[:count]:
        data = (path.parent / "images" / split / name).read_bytes()
        decode_image(data, f"{split}/{name}")
        # 56 bits: twenty times as many addresses still fit into the 64 of a random generator's key.
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
        held_out = any(pair in HELD_OUT for pair in known[name])
        row = {"scene": number, "seed": seed, "held_out": held_out, "file": f"{split}/{name}", "image": data}
        for position, (shape, colour) in zip(POSITIONS, known[name], strict=True):
            row |= {column_name(position, "shape"): shape, column_name(position, "colour"): colour}
            row |= {column_name(position, name): None for name in ("size", "material")}
            row |= {column_name(position, name): float("nan") for name in ("x", "y", "visible")}
        rows.append(row)
    return pd.DataFrame(rows)


def _pair(text: str | None, place: str) -> Pair:
    """(shape, colour) of a label such as `red cube`."""
    words = (text or "").split()
    if len(words) != 2 or words[0] not in COLOURS or words[1] not in SHAPES:
        raise LewisError(
            f"{place}: found {text!r}, expected a colour and a shape, e.g. 'red cube' (colours: {', '.join(COLOURS)}; shapes: "
            f"{', '.join(SHAPES)}). Take the file as it was published."
        )
    return words[1], words[0]


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of the CSV, each with its line."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        found = reader.fieldnames or []
        absent = [name for name in COLUMNS if name not in found]
        if absent:
            raise LewisError(
                f"{path}, line 1: column {absent[0]!r} is missing; found {list(found)}, expected {list(COLUMNS)}. "
                "Take the file as it was published."
            )
        for row in reader:
            yield reader.line_num, row


def _read(path: Path) -> dict[str, Labels]:
    """The labels of each picture by its file's name."""
    labels: dict[str, Labels] = {}
    for line, row in _rows(path):
        place, name = f"{path}:{line}", row["file_name"]
        picture = path.parent / "images" / path.stem / (name or "")
        if name not in labels and not picture.is_file():
            raise LewisError(f"{place}: {picture} is not there, expected the picture that the line names. {DOWNLOAD}.")
        mine = labels.setdefault(name, Labels(line))
        negatives = {_pair(row[negative], f"{place}, column {negative!r}") for negative in FALSE_LABELS}
        mine.objects.setdefault(_pair(row["pos"], f"{place}, column 'pos'"), set()).update(negatives)
        if len(mine.objects) > 2:
            raise LewisError(
                f"{place}: found a third object in {name}, first named in line {mine.line}: {sorted(mine.objects)}, expected two. "
                "Take the file as it was published."
            )
    return labels


def _other(pair: Pair, negatives: set[Pair]) -> Pair | None:
    """The object beside this one, as its false labels tell it: they swap in the other's colour, and the other's shape.

    None where they would fit several objects, or none.
    """
    shape, colour = pair
    colours = {other for same, other in negatives - {pair} if same == shape}
    shapes = {other for other, same in negatives - {pair} if same == colour}
    return (shapes.pop(), colours.pop()) if len(shapes) == len(colours) == 1 else None


def _objects(labels: Mapping[str, Labels]) -> dict[str, list[Pair]]:
    """The two objects of each picture, in the vocabulary's order, not the CSV's; pictures without two are left out and counted.

    Where a picture has one label, the other object is taken from the false ones (`_other`), provided that this gives the right answer
    wherever both are labelled: how the false labels were chosen is not documented.
    """
    whole = {name: mine.objects for name, mine in labels.items() if len(mine.objects) == 2}
    told = [
        _other(pair, negatives) in set(objects) - {pair}
        for objects in whole.values()
        for pair, negatives in objects.items()
        if _other(pair, negatives) is not None
    ]
    found = {name: list(objects) for name, objects in whole.items()}
    for name in [name for name in labels if name not in whole] if told and all(told) else []:
        ((pair, negatives),) = labels[name].objects.items()
        if (other := _other(pair, negatives)) is not None:
            found[name] = [pair, other]
    log.log(
        logging.INFO if len(found) == len(labels) else logging.WARNING,
        "%s images of Lewis et al.: both objects labelled in %d, one inferred from the false labels in %d, left out as one is unknown: %d",
        len(labels), len(whole), len(found) - len(whole), len(labels) - len(found),
    )  # fmt: skip
    return {
        name: sorted(pairs, key=lambda pair: (SHAPES.index(pair[0]), COLOURS.index(pair[1])))
        for name, pairs in found.items()
    }

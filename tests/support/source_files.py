"""Small files in the formats of data set repositories on the hub."""

import io
import json
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def colour(number: int) -> tuple[int, int, int]:
    """Return the colour of a class; the images in these files have one colour each."""
    return number % 256, 7 * number % 256, 255 - number % 256


def picture(number: int, kind: str = "PNG") -> bytes:
    """Return an image in the colour of a class."""
    stream = io.BytesIO()
    Image.new("RGB", (12, 9), colour(number)).save(
        stream, format=kind, **({"lossless": True} if kind == "WEBP" else {})
    )
    return stream.getvalue()


def parquet(image: str, label: str, rows: list[tuple[int, int]], names: list[str] | None, /, **columns: list) -> bytes:
    """Return a Parquet file as the library `datasets` writes it: images as structs, class names in the metadata. `rows`: image, label."""
    cells = [{"bytes": picture(number), "path": None} for number, _ in rows]
    table = pa.table({image: cells, label: pa.array([k for _, k in rows], pa.int64()), **columns})
    if names is not None:
        features = {image: {"_type": "Image"}, label: {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    stream = io.BytesIO()
    pq.write_table(table, stream, row_group_size=3)
    return stream.getvalue()


def shards(
    names: list[str] | None, *parts: list[tuple[int, int]], kind: str = "webp", split: str = "test"
) -> dict[str, bytes]:
    """Return a repository of tar shards as CLIP_benchmark writes them. `parts`: per shard a list of (image, label)."""
    files, number = {f"{split}/nshards.txt": str(len(parts)).encode()}, 0
    if names is not None:
        files["classnames.txt"] = "\n".join(names).encode()
    for shard, rows in enumerate(parts):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            for shown, label in rows:
                format = {"webp": "WEBP", "jpg": "JPEG", "png": "PNG"}[kind]
                for name, data in (
                    (f"s{number:07d}.cls", str(label).encode()),
                    (f"s{number:07d}.{kind}", picture(shown, format)),
                ):
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
                number += 1
        files[f"{split}/{shard}.tar"] = stream.getvalue()
    return files

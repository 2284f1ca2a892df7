"""Draw the Fashion-MNIST subset that ships with the repository from Debian's package `dataset-fashion-mnist`.

apt-get install dataset-fashion-mnist && python resources/data/make_fashion.py
"""

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

SOURCE = Path("/usr/share/datasets/fashion-mnist")
COUNTS = {"train": 8000, "test": 1000}
FILES = {"train": "train", "test": "t10k"}


def read_idx(path: Path, header: int) -> np.ndarray:
    """Return the bytes of a gzipped IDX file behind its header, flat."""
    with gzip.open(path) as stream:
        return np.frombuffer(stream.read(), np.uint8, offset=header)


def png(pixels: np.ndarray) -> bytes:
    """`pixels` [height, width] uint8 as the bytes of a grey PNG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def main() -> None:
    """Write `fashion-train.parquet` and `fashion-test.parquet` beside this file."""
    for split, name in FILES.items():
        images = read_idx(SOURCE / f"{name}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
        labels = read_idx(SOURCE / f"{name}-labels-idx1-ubyte.gz", 8)
        chosen = np.sort(np.random.default_rng(0).choice(len(images), COUNTS[split], replace=False))
        rows = {
            "image": [f"{split}-{index:05d}" for index in chosen],
            "bytes": [png(images[index]) for index in chosen],
            "label": labels[chosen].astype(np.int64),
        }
        pd.DataFrame(rows).to_parquet(Path(__file__).with_name(f"fashion-{split}.parquet"), index=False)


if __name__ == "__main__":
    main()

"""Test images from Parquet files of a data set repository on the Hugging Face hub, at a pinned revision."""

from fnmatch import fnmatch
from pathlib import Path

import pandas as pd
from huggingface_hub import HfApi, hf_hub_download

from diffzero.config import Dataset


def load(dataset: Dataset, root: Path) -> pd.DataFrame:
    """Every row of the split's Parquet files; names are file and row, so that they do not move with the selection."""
    source = dataset.source
    files = HfApi().list_repo_files(source.repo, repo_type="dataset", revision=source.revision)
    chosen = [name for name in files if fnmatch(name, f"*{source.split}-*.parquet") and (source.config or "") in name]
    if not chosen:
        raise FileNotFoundError(
            f"{source.repo} at {source.revision}: found no Parquet file of split {source.split!r} among {len(files)} files. "
            "Download the images yourself and use `source: {kind: folder}` or `{kind: parquet}`."
        )
    parts = []
    for name in sorted(chosen):
        path = hf_hub_download(source.repo, name, repo_type="dataset", revision=source.revision)
        table = pd.read_parquet(path, columns=[source.image, source.label])
        parts.append(
            pd.DataFrame(
                {
                    "image": [f"{Path(name).stem}-{row:06d}" for row in range(len(table))],
                    "bytes": [cell["bytes"] if isinstance(cell, dict) else cell for cell in table[source.image]],
                    "label": table[source.label].astype(int),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)

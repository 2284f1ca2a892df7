"""Checkpoints as `rule weights` puts them on record, without a run."""

from pathlib import Path

from diffzero.config import Diffusion
from diffzero.models.checkpoint import CheckpointRecord
from diffzero.models.download import inspect_checkpoint
from diffzero.utils.io import write_json


def model(folder: Path) -> Diffusion:
    """The settings of a model in a local folder."""
    settings = {"kind": "diffusion", "title": "M", "licence": "MIT", "resolution": 32, "dtype": "float32"}
    return Diffusion(**settings, path=str(folder.resolve()))


def on_record(folder: Path, record: Path) -> CheckpointRecord:
    """The checkpoint in `folder`, written to the file `record` and read again."""
    write_json(inspect_checkpoint(model(folder), Path()), record)
    return CheckpointRecord.read(record)


def digest_of(folder: Path) -> str:
    """What stands for the checkpoint in a score's identity."""
    return inspect_checkpoint(model(folder), Path())["digest"]

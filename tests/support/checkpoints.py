"""Records of checkpoints as the workflow writes them, without a run."""

from pathlib import Path

from diffzero.config import Diffusion
from diffzero.models.checkpoint import CheckpointRecord
from diffzero.models.download import inspect_checkpoint
from diffzero.utils.result_files import write_record


def model(checkpoint_dir: Path) -> Diffusion:
    """Return the configuration of a model in a local directory."""
    settings = {"kind": "diffusion", "title": "M", "licence": "MIT", "resolution": 32, "dtype": "float32"}
    return Diffusion(**settings, path=str(checkpoint_dir.resolve()))


def record_checkpoint(checkpoint_dir: Path, record: Path) -> CheckpointRecord:
    """Write the record of the checkpoint in `checkpoint_dir` to the file `record` and read it again."""
    content = inspect_checkpoint(model(checkpoint_dir), Path())
    write_record(content, record, digest=content["digest"])
    return CheckpointRecord.read(record)


def checkpoint_digest(checkpoint_dir: Path) -> str:
    """Return the digest of the checkpoint that is part of a score's key."""
    return inspect_checkpoint(model(checkpoint_dir), Path())["digest"]

"""Full disks: the error names the file and the remedy, no partial file remains, and the run continues once there is space."""

import time
from pathlib import Path

import pytest

from diffzero.scoring.shard_lock import lock_shard
from diffzero.scoring.store import Store
from diffzero.utils.io import DiskFullError, write_atomically
from workflow_copy import copy, error_message, snakemake

__all__ = ["copy"]
ADVICE = (
    r"No space left on device: found 0 bytes free .*expected [\d,]+\. Free some space there, .*re-run the same command"
)


@pytest.fixture
def full(small_disk: Path) -> Path:
    fill(small_disk)
    return small_disk


def fill(disk: Path) -> Path:
    """Fill the disk with one file and return it."""
    ballast = disk / "ballast"
    with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return ballast


def test_a_write_without_space_names_the_file_and_leaves_no_partial_file(full):
    with pytest.raises(DiskFullError, match=f"^{full}/table.csv: {ADVICE}"):
        write_atomically(full / "table.csv", b"x" * 10_000)
    assert [path.name for path in full.iterdir()] == ["ballast"]


def test_a_store_without_space_for_its_identity_is_an_error(full):
    with pytest.raises(DiskFullError, match=f"^{full}/store/[0-9a-f]+/identity.json: {ADVICE}"):
        Store(full / "store", {"weights": "a"})


def test_a_lock_without_space_leaves_no_file_that_blocks_the_next_worker(full):
    with pytest.raises(DiskFullError, match=f"^{full}/shard.lock: {ADVICE}"), lock_shard(full / "shard.lock"):
        pass
    (full / "ballast").unlink()
    before = time.monotonic()
    with lock_shard(full / "shard.lock"):
        assert time.monotonic() - before < 1


def test_a_run_with_a_full_disk_gives_one_message_and_continues_once_there_is_space(copy, small_disk):
    results_dir = small_disk / "results"
    config = {"name": "full", "models": ["mini-sd"], "datasets": ["digits"], "max_images": 2, "device": "cpu"}
    config |= {
        "policy": {"kind": "full", "max_scores": 2},
        "results": str(results_dir),
        "store": str(small_disk / "store"),
    }
    inputs = [
        str(results_dir / "full" / "inputs" / "mini-sd" / "digits" / name) for name in ("x.npy", "text.safetensors")
    ]
    done = snakemake(copy, *inputs, config=config)
    assert done.returncode == 0, done.stderr[-3000:]
    ballast = fill(small_disk)
    message = error_message(snakemake(copy, "scores", config=config))
    assert (
        message.startswith(f"diffzero: DiskFullError: {results_dir}/full/scores/mini-sd/digits/")
        and ".lock: No space left" in message
    )
    assert not list(results_dir.rglob("*.lock"))
    ballast.unlink()
    done = snakemake(copy, "scores", config=config)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list((results_dir / "full" / "scores").rglob("*.parquet"))) == 1

"""One GPU per local job: `snakemake --cores 8 --resources gpu=4` starts four jobs that do not know of each other.

SLURM shows a job only the GPUs it was given; Snakemake without SLURM does not.
"""

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)
# Not in the results: the lock concerns this machine, and not every shared file system supports flock.
LOCK_DIR = Path(tempfile.gettempdir()) / f"diffzero-gpus-{os.getuid()}"


def count_gpus() -> int:
    """Count the GPUs that this process may use, without initialising CUDA."""
    import torch

    return torch.cuda.device_count()


def describe_missing_gpu(device: str, count: Callable[[], int] = count_gpus) -> str | None:
    """Return what is wrong with a device that this machine does not have; None if nothing is."""
    if not device.startswith("cuda"):
        return None
    found, number = count(), int(device.partition(":")[2] or 0)
    if number < found:
        return None
    gpus = f"{found} GPUs, cuda:0 to cuda:{found - 1}" if found > 1 else "one GPU, cuda:0" if found else "no GPU"
    return (
        f"'device' is '{device}', but PyTorch finds {gpus} on this machine. Write `device: auto`, which uses a GPU where there is one, "
        "or start the run where there is one."
    )


@contextmanager
def reserve_gpu(
    device: str, count: Callable[[], int] = count_gpus, lock_dir: Path = LOCK_DIR, poll_interval: float = 1.0
) -> Iterator[str]:
    """Reserve a GPU for the context, so that no other diffzero job of this user runs on it, and yield its name.

    The lock disappears with its process, however that ends.

    Parameters
    ----------
    device
        `auto` and `cuda` become `cuda:N` where there are GPUs, after waiting for a free one. Other devices are returned unchanged, and so
        is the single GPU of a SLURM job.
    count
        Counts the visible GPUs.
    lock_dir
        Folder of the lock files, one per GPU.
    poll_interval
        Seconds between two attempts.
    """
    gpus = count() if device in ("auto", "cuda") else 0
    if gpus < (2 if "SLURM_JOB_ID" in os.environ else 1):
        yield device
        return
    lock_dir.mkdir(parents=True, exist_ok=True)
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    names = visible if len(visible) == gpus else [str(k) for k in range(gpus)]
    is_logged = False
    while True:
        for number, name in enumerate(names):
            try:
                lock = FileLock(lock_dir / name.replace("/", "-")).acquire(blocking=False)
            except Timeout:
                continue
            with lock:
                yield f"cuda:{number}"
            return
        if not is_logged:
            log.warning(
                "All %d GPUs are in use by other jobs; waiting. Start Snakemake with --resources gpu=%d.", gpus, gpus
            )
            is_logged = True
        time.sleep(poll_interval)

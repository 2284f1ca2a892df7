"""A GPU of one's own on a machine with several: `snakemake --cores 8 --resources gpu=4` starts four jobs, which know nothing of each other.

SLURM shows a job only its own GPUs; Snakemake alone does not.
"""

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)
# Not results/: the lock is of this machine, and flock is not to be had on every shared file system.
FOLDER = Path(tempfile.gettempdir()) / f"diffzero-gpus-{os.getuid()}"


def count_gpus() -> int:
    """GPUs that this process may use, counted without starting CUDA."""
    import torch

    return torch.cuda.device_count()


@contextmanager
def reserve_gpu(
    device: str, count: Callable[[], int] = count_gpus, folder: Path = FOLDER, poll_interval: float = 1.0
) -> Iterator[str]:
    """A context in which no other diffzero job of this user uses the device whose name it gives.

    `auto` and `cuda` become `cuda:N` where there are GPUs, waiting for a free one; anything else stays what it is, and so does the one GPU
    of a SLURM job. The lock dies with its process, however that ends.
    """
    gpus = count() if device in ("auto", "cuda") else 0
    if gpus < (2 if "SLURM_JOB_ID" in os.environ else 1):
        yield device
        return
    folder.mkdir(parents=True, exist_ok=True)
    seen = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    names = seen if len(seen) == gpus else [str(k) for k in range(gpus)]
    told = False
    while True:
        for number, name in enumerate(names):
            with (folder / name.replace("/", "-")).open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield f"cuda:{number}"
                return
        if not told:
            log.warning("all %d GPUs are taken by other jobs; waiting. Give Snakemake --resources gpu=%d.", gpus, gpus)
            told = True
        time.sleep(poll_interval)

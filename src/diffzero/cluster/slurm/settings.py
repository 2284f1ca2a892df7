"""The profile's file, settings of the guard from the environment, and messages on the terminal."""

import os
import sys

PROFILE = "slurm/config.yaml"  # the site's lines
IDLE_TIMEOUT = "DIFFZERO_SLURM_IDLE_TIMEOUT"  # seconds without any job after which a run counts as stuck
POLL_INTERVAL = (
    "DIFFZERO_SLURM_POLL_INTERVAL"  # the most seconds between two queries of the queue, or two submissions of a job
)
PATIENCE = "DIFFZERO_SLURM_PATIENCE"  # seconds without an answer of the controller after which a run ends


def idle_timeout() -> float:
    """Return the seconds without any job after which a run counts as stuck."""
    return float(os.environ.get(IDLE_TIMEOUT, "600"))


def poll_interval() -> float:
    """Return the most seconds between two queries of the queue."""
    return float(os.environ.get(POLL_INTERVAL, "180"))


def patience() -> float:
    """Return the seconds without an answer of the controller after which a run ends."""
    return float(os.environ.get(PATIENCE, "3600"))


def print_message(message: str) -> None:
    """Print to the terminal, where users look for the reason of a wait, and not to Snakemake's log."""
    print(f"diffzero: {message}", file=sys.stderr, flush=True)

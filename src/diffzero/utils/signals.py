"""Handling of SIGTERM, by which a cluster announces a time limit or pre-emption: the job stores its work and asks to be run again."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass
class StopRequest:
    """State of a request to stop the job.

    While `deferred` is set, the job polls `requested` and ends by itself; otherwise SIGTERM ends it at once.
    """

    requested: bool = False
    deferred: bool = False


@contextmanager
def handle_sigterm(title: str) -> Iterator[StopRequest]:
    """End the process with os.EX_TEMPFAIL (75) on SIGTERM within the context.

    The end is a SystemExit, so that context managers release their locks.
    """
    stop = StopRequest()

    def request_stop(number: int, frame: object) -> None:
        stop.requested = True
        if not stop.deferred:
            sys.exit(os.EX_TEMPFAIL)

    previous = signal.signal(signal.SIGTERM, request_stop)
    try:
        yield stop
    except SystemExit:
        if stop.requested:
            log.warning("%s: stopped by SIGTERM. All scores are stored. Re-run the same command to continue.", title)
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)

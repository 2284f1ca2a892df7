"""SIGTERM, by which a cluster announces a time limit or pre-emption: a job ends in good order and asks to be called again."""

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
    """Whether the job was asked to stop. While `deferred` it looks for itself; before that it ends at once."""

    requested: bool = False
    deferred: bool = False


@contextmanager
def handle_sigterm(title: str) -> Iterator[StopRequest]:
    """A context in which SIGTERM ends the process with os.EX_TEMPFAIL (75): by SystemExit, so that what is held is given back."""
    stop = StopRequest()

    def ask(number: int, frame: object) -> None:
        stop.requested = True
        if not stop.deferred:
            sys.exit(os.EX_TEMPFAIL)

    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield stop
    except SystemExit:
        if stop.requested:
            log.warning("%s: stopped by SIGTERM; everything scored is stored, the same command continues.", title)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)

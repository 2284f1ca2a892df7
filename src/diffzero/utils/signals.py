"""SIGTERM, by which a cluster announces a time limit or pre-emption: a job ends in good order and asks to be called again."""

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

log = logging.getLogger(__name__)
CALL_AGAIN = 75  # sysexits' EX_TEMPFAIL: stopped on request, everything scored is stored, the same command continues


@dataclass
class Stop:
    """Whether the job was asked to stop. While `gently` it looks for itself; before that it ends at once."""

    asked: bool = False
    gently: bool = False


@contextmanager
def on_sigterm(title: str) -> Iterator[Stop]:
    """A context in which SIGTERM ends the process with CALL_AGAIN: by SystemExit, so that what is held is given back."""
    stop = Stop()

    def ask(number: int, frame: object) -> None:
        stop.asked = True
        if not stop.gently:
            sys.exit(CALL_AGAIN)

    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield stop
    except SystemExit:
        if stop.asked:
            log.warning("%s: stopped by SIGTERM; everything scored is stored, the same command continues.", title)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)

"""Logs of workflow scripts: Snakemake's `log:` names a file but redirects nothing."""

import logging
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from types import TracebackType


def secret_values() -> list[str]:
    """Tokens of this process, which may stand in no log: not even where a server repeats what it was sent."""
    return [os.environ[name] for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") if os.environ.get(name)]


def redact(text: str) -> str:
    """The text with its secrets struck out."""
    for secret in secret_values():
        text = text.replace(secret, "***")
    return text


class RedactingFormatter(logging.Formatter):
    """Lines without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def configure_logging(path: str) -> None:
    """Send logging, warnings and the traceback of an uncaught exception to `path`, and the exception's message to the terminal.

    The terminal gets one clear paragraph and the name of the log; the traceback is for those who mend diffzero itself.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=path, filemode="w", level=logging.INFO)
    logging.getLogger().handlers[0].setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.captureWarnings(True)
    # An error of a network or a table deserves a line each on the terminal, a library's chatter does not.
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.WARNING)
    terminal.setFormatter(RedactingFormatter("%(message)s"))
    terminal.addFilter(logging.Filter("diffzero"))
    logging.getLogger().addHandler(terminal)

    # On a full disk the log is the first that cannot be written: that must not bury the message on the terminal.
    logging.raiseExceptions = False

    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        print(redact(f"\ndiffzero: {kind.__name__}: {error}\n(details: {path})\n"), file=sys.stderr)
        stream = logging.getLogger().handlers[0].stream
        with suppress(OSError):
            stream.write(redact("".join(traceback.format_exception(kind, error, trace))))
            stream.flush()

    sys.excepthook = report

"""Logging of workflow scripts; Snakemake's `log:` only names a file and redirects nothing."""

import logging
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from types import TracebackType

TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def secret_values() -> list[str]:
    """Return the access tokens of this process, which must not appear in any log."""
    return [os.environ[name] for name in TOKEN_VARIABLES if os.environ.get(name)]


def redact(text: str) -> str:
    """Return the text with access tokens replaced by asterisks."""
    for secret in secret_values():
        text = text.replace(secret, "***")
    return text


class RedactingFormatter(logging.Formatter):
    """Removes access tokens from records: a server may repeat the request in its error message."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        return redact(super().format(record))


def configure_logging(path: str) -> None:
    """Send log records, warnings and tracebacks to a file.

    The terminal shows diffzero's warnings and, for an uncaught exception, the message and the name of the log file; the traceback is for
    developers.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    file = logging.FileHandler(path, mode="w", encoding="utf-8", errors="backslashreplace")
    file.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(message)s"))
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.WARNING)
    terminal.setFormatter(RedactingFormatter("%(message)s"))
    terminal.addFilter(logging.Filter("diffzero"))  # not the warnings of libraries
    logging.basicConfig(level=logging.INFO, handlers=[file, terminal])
    logging.captureWarnings(True)
    # On a full disk, writing the log fails first, and its tracebacks would hide the message on the terminal.
    logging.raiseExceptions = False

    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        print(redact(f"\ndiffzero: {kind.__name__}: {error}\n(details: {path})\n"), file=sys.stderr)
        with suppress(OSError), Path(path).open("a", encoding="utf-8", errors="backslashreplace") as log_file:
            log_file.write(redact("".join(traceback.format_exception(kind, error, trace))))

    sys.excepthook = report

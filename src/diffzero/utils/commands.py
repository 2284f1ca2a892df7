"""The command that starts Snakemake, as users can type it."""

from pathlib import Path

INSTALLED = Path(".venv/bin/snakemake")


def snakemake_command(arguments: str = "") -> str:
    """Return the command with these arguments.

    `make setup` installs Snakemake in `.venv`, which is not on the PATH of everyone who types `make demo`. The answer depends on the
    files only, because tables show it: an activated environment must not change them.
    """
    return f"{INSTALLED if INSTALLED.is_file() else 'snakemake'} {arguments}".strip()

"""Refuse mistakes on the command line of Snakemake with the command that works."""

import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from diffzero.config import ConfigError
from diffzero.config.base import did_you_mean, nearest_first
from diffzero.config.document import read_document, read_override
from diffzero.utils.commands import snakemake_command
from diffzero.workflow import snakemake_internals

CONFIG_OPTIONS = ("--configfile", "--configfiles", "--config", "-C")


def print_error(error: object) -> None:
    """Print an error, one line per mistake."""
    for line in str(error).splitlines():
        print(f"diffzero: {line}", file=sys.stderr)


def check_arguments(argv: Sequence[str]) -> None:
    """End the process with a message if configuration files or values on Snakemake's command line cannot be read.

    Parameters
    ----------
    argv
        The command line, the program first. Those of other programs are passed over.
    """
    if not snakemake_internals.is_command(argv):
        return
    options = snakemake_internals.parse_snakemake_command(argv[1:])
    try:
        swallowed = [str(path) for path in options.configfile if not path.exists() and not path.suffix]
        swallowed += [entry for entry in options.config or [] if "=" not in entry]
        if swallowed:
            raise ConfigError(_describe_swallowed(swallowed, list(argv[1:])))
        for path in options.configfile:
            if not path.exists():
                raise ConfigError(_describe_missing(path))
            read_document(path, Path())
        for entry in options.config or []:
            read_override(entry)
    except ConfigError as error:
        print_error(error)
        sys.exit(1)


def _describe_swallowed(words: list[str], arguments: list[str]) -> str:
    """Return the message about words that Snakemake takes for configuration files or values."""
    options = [word.partition("=")[0] for word in arguments if word.partition("=")[0] in CONFIG_OPTIONS]
    targets = arguments[arguments.index("--") + 1 :] if "--" in arguments else []
    kept = [word for word in arguments[: len(arguments) - len(targets)] if word not in words and word != "--"]
    command = snakemake_command(shlex.join([*kept, "--", *words, *targets]))
    found = ", ".join(f"'{word}'" for word in words)
    return (
        f"{found} is neither a configuration file nor KEY=VALUE. Snakemake takes every word after {options[-1]} for one; "
        f"put -- before targets: {command}"
    )


def _describe_missing(path: Path) -> str:
    known = [str(other) for other in [*Path("config").glob("*.yaml"), *Path().glob("*.yaml")]]
    return f"--configfile {path}: no such file.{did_you_mean(str(path), known)} Check the path; it is relative to {Path.cwd()}."


def check_targets(
    targets: Iterable[str],
    rules: Collection[str],
    jobs: Collection[str],
    can_make: Callable[[str], bool],
    list_files: Callable[[], Iterable[str]],
) -> None:
    """Refuse a target that no rule makes.

    Parameters
    ----------
    targets
        The words on the command line.
    rules
        Rules that can be named as a target.
    jobs
        Rules that cannot, because their files have wildcards.
    can_make
        Whether a rule makes a file.
    list_files
        Lists files of the run, for suggestions.

    Raises
    ------
    ConfigError
        With the nearest target.
    """
    for target in targets:
        if target in rules or can_make(target) or Path(target).exists():
            continue
        if target in jobs:
            raise ConfigError(
                f"target '{target}': this rule makes many files, so it cannot be a target. Type one of its files, or one of "
                f"{', '.join(nearest_first(target, rules))}."
            )
        if "/" in target:
            files = sorted(set(list_files()))
            raise ConfigError(
                f"target '{target}': no rule makes this file.{did_you_mean(target, files)} "
                f"`{snakemake_command('--cores 1 -n')}` lists what a run makes."
            )
        raise ConfigError(
            f"target '{target}': no rule has this name.{did_you_mean(target, rules)} "
            f"Targets, the nearest first: {', '.join(nearest_first(target, rules))}."
        )

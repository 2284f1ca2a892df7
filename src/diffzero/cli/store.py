"""Check a score store, or remove scores that were made from a wrong file: the commands `verify` and `drop`."""

import argparse
import re
import sys
from pathlib import Path

from diffzero.scoring.store_check import UNRECORDED, count_origins, drop_scores, list_entries
from diffzero.utils.provenance import ResultFileError
from diffzero.utils.result_files import digest_of

DIGEST_PATTERN = re.compile(r"[0-9a-f]{8,64}")
PROGRAM = ".venv/bin/python -m diffzero.cli.store"


def parse_command(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser(
        "verify", help="read every file of the store; exit code 1 if one is damaged or foreign"
    )
    drop = commands.add_parser("drop", help="delete scores that were made from a wrong file")
    drop.add_argument(
        "--made-from",
        required=True,
        metavar="FILE",
        help=f"x.npy or text.safetensors, or the digest that `verify` shows; {UNRECORDED}: scores that name no files",
    )
    drop.add_argument("--dry-run", action="store_true", help="only show what would be deleted")
    for command in (verify, drop):
        command.add_argument("store", type=Path, nargs="?", default=Path("results/store"), help="folder of the store")
    return parser.parse_args(arguments)


def verify(store: Path) -> int:
    """Print every file of the store that is not an intact part of it, and what the scores were made from."""
    entries = list(list_entries(store))
    problems = [entry for entry in entries if entry.problem]
    for entry in problems:
        print(f"{entry.path}: {entry.problem}")
    for (part, digest), scores in sorted(count_origins(entries).items()):
        print(f"{scores:>12,} scores made from {part} {digest}")
    chunks = sum(entry.chunk is not None for entry in entries)
    print(f"{store}: {chunks} intact chunks, {len(problems)} other files")
    return 1 if problems else 0


def drop(store: Path, made_from: str, dry_run: bool) -> int:
    """Delete the scores that were made from a file, and say how to replace them in results."""
    is_digest = made_from == UNRECORDED or DIGEST_PATTERN.fullmatch(made_from)
    if not is_digest and Path(made_from).suffix not in (".npy", ".safetensors"):
        sys.exit(
            f"diffzero: --made-from: found {made_from!r}, expected x.npy, text.safetensors, {UNRECORDED!r}, or 8 to 64 digits of a digest "
            f"that `{PROGRAM} verify {store}` shows."
        )
    digest = made_from if is_digest else digest_of(Path(made_from))
    dropped, scores = drop_scores(store, digest, dry_run)
    for path in dropped:
        print(path)
    print(f"{store}: {'would delete' if dry_run else 'deleted'} {len(dropped)} chunks with {scores:,} scores.")
    if dropped:
        print(
            "Results of runs still hold these scores. Type `rm -r results/RUN/scores results/RUN/predictions` for each such run and "
            "re-run its command: only the deleted scores are computed again."
        )
    return 0


def main(arguments: list[str]) -> int:
    """Run a command and return its exit code, or exit with one line that says what is wrong."""
    options = parse_command(arguments)
    try:
        if options.command == "verify":
            return verify(options.store)
        return drop(options.store, options.made_from, options.dry_run)
    except FileNotFoundError as error:
        sys.exit(f"diffzero: {error.filename}: no such file or folder. Type: {PROGRAM} {options.command} --help")
    except (OSError, ResultFileError) as error:
        sys.exit(f"diffzero: {error}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

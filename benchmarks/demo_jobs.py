"""Count the jobs and seconds of a finished run from the metadata that Snakemake keeps for every output file.

    .venv/bin/python benchmarks/demo_jobs.py [WORKING_DIR] [--results results/demo]

WORKING_DIR holds the `.snakemake` of the run; by default it is the current one. Prints one line per rule, then the totals.
"""

import argparse
import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

SCORING = "score"  # the rule that runs the network


class Job(NamedTuple):
    """One finished job."""

    rule: str
    start: float  # seconds since the epoch
    end: float


def output_file(record: Path, metadata: Path) -> str:
    """Return the output file that a record describes: its path below `metadata`, without slashes, is the name in base64."""
    # Snakemake splits long names into folders, each of which it marks with an "@".
    encoded = "".join(part.removeprefix("@") for part in record.relative_to(metadata).parts)
    return base64.b64decode(encoded).decode()


def read_jobs(metadata: Path, results: str) -> list[Job]:
    """Return the jobs that made the files below `results`. The outputs of one job share its log file."""
    found: dict[tuple[str, ...], Job] = {}
    for path in sorted(path for path in metadata.rglob("*") if path.is_file()):
        record = json.loads(path.read_text(encoding="utf-8"))
        if not output_file(path, metadata).startswith(f"{results}/") or record["endtime"] is None:
            continue
        key = (record["rule"], *record["log"])
        job = found.get(key, Job(record["rule"], record["starttime"], record["endtime"]))
        found[key] = Job(job.rule, min(job.start, record["starttime"]), max(job.end, record["endtime"]))
    return list(found.values())


def to_text(jobs: Iterable[Job]) -> str:
    """Return the jobs and seconds per rule, most seconds first, and their sums with and without scoring."""
    seconds: dict[str, list[float]] = {}
    for job in jobs:
        seconds.setdefault(job.rule, []).append(job.end - job.start)
    ordered = sorted(seconds.items(), key=lambda entry: -sum(entry[1]))
    lines = [f"{'rule':24}{'jobs':>6}{'seconds':>10}"]
    lines += [f"{rule:24}{len(each):6}{sum(each):10.1f}" for rule, each in ordered]
    every = [length for each in seconds.values() for length in each]
    lines.append(f"{'total':24}{len(every):6}{sum(every):10.1f}")
    scoring = seconds.get(SCORING, [])
    lines.append(f"{'total without ' + SCORING:24}{len(every) - len(scoring):6}{sum(every) - sum(scoring):10.1f}")
    return "\n".join(lines)


def main() -> None:
    """Print the jobs and seconds of a run per rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("working_dir", nargs="?", type=Path, default=Path())
    parser.add_argument("--results", default="results/demo", help="the run's folder, as Snakemake names it")
    arguments = parser.parse_args()
    jobs = read_jobs(arguments.working_dir / ".snakemake" / "metadata", arguments.results)
    print(to_text(jobs))


if __name__ == "__main__":
    main()

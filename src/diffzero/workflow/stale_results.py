"""Find results that are damaged or rest on files which have changed since, before Snakemake decides that nothing is to be done."""

import shlex
import time
from pathlib import Path

from diffzero.reporting.digests import read_intact
from diffzero.reporting.inputs import GROUPS
from diffzero.utils.freshness import require_fresh
from diffzero.utils.provenance import RUN_FOLDERS, ResultFileError
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.targets import TargetSet

TOLERATED_SECONDS = 60  # the clock of a file server may differ a little


def stale_results_message(experiment: Experiment) -> str:
    """Return which results of a run are damaged, or rest on changed files although their time stamps are newer; empty if none is.

    A clock that was set back or a restored backup makes time stamps wrong. Values of scores and predictions are compared when they
    are read.
    """
    targets = TargetSet(experiment, existing_only=lambda: False, command="")
    files = [source["file"] for source in targets.sources(*GROUPS)]
    files += [file for scoring in targets.full_scorings() for file in experiment.score_files(scoring)]
    tables = [targets.paths.table(table.name, "json") for table in targets.tables()]
    figures = [targets.paths.figure(stem, "json") for stem in targets.figure_stems()]
    page = f"{experiment.run_dir}/report.html"
    existing = [file for file in map(Path, (*files, *tables, *figures, page)) if file.is_file()]
    try:
        for record in existing:
            if record.suffix == ".json":
                read_intact(record)
        require_fresh(existing, despite_times=True)
    except ResultFileError as error:
        return f"{type(error).__name__}: {error}"
    except FileNotFoundError:  # a run in another process is making it again, and its jobs compare the files
        return ""
    return ""


def future_files_message(experiment: Experiment) -> str:
    """Return which result has a time stamp later than the clock, which was then set back, and how to go on; empty if none has.

    Snakemake deletes every new file that is older than its sources.
    """
    run_dir, now = Path(experiment.run_dir), time.time()
    for path in (path for folder in RUN_FOLDERS for path in sorted((run_dir / folder).rglob("*"))):
        stamp = _time_stamp(path)
        if stamp > now + TOLERATED_SECONDS:
            found, clock = (time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value)) for value in (stamp, now))
            # All get the same time, so that Snakemake takes none for newer than another; contents are compared anyway.
            command = f"find {shlex.quote(str(run_dir))} -newermt '{clock}' -exec touch -d '{clock}' {{}} +"
            return (
                f"{path}: found the time stamp {found}, expected none later than this machine's clock, {clock}. Correct the clock, or "
                f"type `{command}` and re-run the same command: results are compared by content."
            )
    return ""


def _time_stamp(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # a run in another process has just deleted it
        return 0

"""Find results that are damaged or rest on files which have changed since, before Snakemake decides that nothing is to be done."""

from pathlib import Path

from diffzero.reporting.digests import read_intact
from diffzero.reporting.inputs import GROUPS
from diffzero.utils.freshness import require_fresh
from diffzero.utils.provenance import ResultFileError
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.targets import TargetSet


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

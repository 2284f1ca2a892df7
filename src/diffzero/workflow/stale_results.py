"""Find results that rest on files which have changed since, before Snakemake decides that nothing is to be done."""

from pathlib import Path

from diffzero.reporting.inputs import GROUPS
from diffzero.utils.freshness import require_fresh
from diffzero.utils.provenance import DamagedFileError, StaleFileError
from diffzero.workflow.targets import TargetSet


def stale_results_message(targets: TargetSet) -> str:
    """Return which results of a run rest on changed files although their time stamps are newer; empty if there are none.

    A clock that was set back or a restored backup makes time stamps wrong.
    """
    files = [source["file"] for source in targets.sources(*GROUPS)]
    files += [file for scoring in targets.full_scorings() for file in targets.experiment.score_files(scoring)]
    try:
        require_fresh((file for file in files if Path(file).is_file()), despite_times=True)
    except StaleFileError as error:
        return f"StaleFileError: {error}"
    except DamagedFileError:  # the job that reads the file reports it
        return ""
    return ""

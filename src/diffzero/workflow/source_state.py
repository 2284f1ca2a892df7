"""Let Snakemake select the images of a data set again when the files of its source have changed.

The rule that selects the images has a small input, the state file. It is rewritten if and only if the files differ from those that
the images were selected from, so that it works with every rerun trigger and without Snakemake's metadata. When a change is undone, the
state file gets its old content back, and Snakemake, which compares the checksums of small inputs, has nothing to do.
"""

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from diffzero.binding.lewis import LEWIS, list_lewis_files
from diffzero.data.source_files import (
    RECORD,
    STATE,
    LocalFiles,
    SourceRecord,
    dataset_files,
    find_changes,
    listing_digest,
)
from diffzero.utils.io import read_json, write_json
from diffzero.workflow.experiment import Experiment

NAMED_FILES = 3
FIRST_STATE: Mapping[str, Any] = {"listing": None, "changes": []}


def current_files(experiment: Experiment, name: str) -> list[LocalFiles]:
    """Return the local files of each source of a data set."""
    lewis = experiment.run.attribute_binding and experiment.run.attribute_binding.lewis
    if name == LEWIS and lewis:
        return [LocalFiles(lewis.path, list_lewis_files(experiment.root / lewis.path, lewis.split))]
    if name in experiment.scene_datasets:  # rendered by the run
        return []
    return dataset_files(experiment.dataset(name), experiment.root)


@dataclass(frozen=True)
class Comparison:
    """The files that the images of a data set were selected from, compared with the current ones.

    Parameters
    ----------
    recorded : SourceRecord or None
        The record of the selection; None if there is none.
    now : LocalFiles or None
        The current files of the same source; None if the data set has no such source any more.
    """

    recorded: SourceRecord | None
    now: LocalFiles | None

    @property
    def is_gone(self) -> bool:
        """Return whether the source has no files any more, so that the selected images cannot be compared with them."""
        return bool(self.recorded and self.recorded.entries and self.now and not self.now.files)

    @cached_property
    def _found(self) -> tuple[list[str], SourceRecord | None]:
        if self.recorded is None or self.now is None or self.is_gone:
            return [], self.recorded
        return find_changes(self.recorded, self.now)

    @property
    def changes(self) -> list[str]:
        """Return one entry per file that differs."""
        return self._found[0]

    @property
    def record(self) -> SourceRecord | None:
        """Return the record with the current times."""
        return self._found[1]

    def describe(self) -> str:
        """Return what differs, in words; an empty string if nothing does."""
        if self.is_gone and self.now and not self.now.is_downloaded:
            return f"found no files in {self.now.source}, so that its selected images cannot be compared with them"
        if not self.changes:
            return ""
        more = f", and {len(self.changes) - NAMED_FILES} more" if len(self.changes) > NAMED_FILES else ""
        count = f"{len(self.changes)} files differ" if len(self.changes) > 1 else "1 file differs"
        return f"{count} from those that its images were selected from ({', '.join(self.changes[:NAMED_FILES])}{more})"


def compare_source(experiment: Experiment, name: str) -> Comparison:
    """Compare the files that the images of a data set were selected from with the current ones."""
    record = SourceRecord.read(experiment.root / experiment.run_dir / "data" / name / RECORD)
    files = current_files(experiment, name) if record else []
    return Comparison(record, next((found for found in files if record and found.source == record.source), None))


@functools.cache
def update_state(experiment: Experiment, name: str) -> str:
    """Compare the source of a data set with the current files, update its state file and return the path of that file.

    Raises OSError if a file or folder of the source cannot be read.
    """
    relative = f"{experiment.run_dir}/data/{name}/{STATE}"
    path, compared = experiment.root / relative, compare_source(experiment, name)
    state = compared.record.state if compared.record else FIRST_STATE
    if compared.changes and compared.now:
        state = {"listing": listing_digest(compared.now), "changes": compared.changes[:20]}
    elif compared.record and compared.record != compared.recorded:
        # The contents are the same: with the new times, they need not be read again next time.
        compared.record.write(path.with_name(RECORD))
    if words := compared.describe():
        does = "Its images are selected again" if compared.changes else "Results stay as they are"
        print(f"diffzero: {name}: {words}. {does}.", file=sys.stderr)
    if not path.is_file() or read_json(path) != state:
        write_json(state, path)
    return relative

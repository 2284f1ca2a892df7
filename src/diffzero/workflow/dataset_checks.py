"""Check that the images of a data set are available, would load, and are those that the results were made from."""

from pathlib import Path

from diffzero.binding import lewis
from diffzero.config import Dataset, Lewis
from diffzero.data.selection import load_test_images
from diffzero.data.sources.base import Source
from diffzero.download.probe import Availability, RemoteProbe, path_size
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.requirements import AVAILABLE, MISSING, Requirement, state_of
from diffzero.workflow.source_state import compare_source

# A larger archive is not opened: unpacking it takes minutes. Its size, and its digest if it is known, were checked after the download.
MAX_ARCHIVE_BYTES = 1 << 30


def check_dataset(name: str, experiment: Experiment, probe: RemoteProbe) -> Requirement:
    """Check the images of a data set: selected already and unchanged since, or at the first source from which they would load."""
    dataset = experiment.dataset(name)
    try:
        compared = compare_source(experiment, name)
    except OSError as error:  # a folder that may not be read
        first = dataset.all_sources[0].describe()
        return Requirement("data set", name, MISSING, None, dataset.licence, first, (str(error),))
    notes = (f"{name}: {words}.",) if (words := compared.describe()) else ()
    prepared = _selected_images(name, experiment)
    if prepared.is_file() and not compared.changes:
        size, selected = prepared.stat().st_size, f"selected in {prepared.parent}"
        return Requirement("data set", name, AVAILABLE, size, dataset.licence, selected, notes=notes)
    reasons = []
    for source in dataset.all_sources:  # as the loader, which uses the first source that has the images
        licence = dataset.licence + (" (gated)" if getattr(source, "gated", False) else "")
        try:
            files = source.check(probe, experiment.root)
            require_loadable(dataset, source, files, experiment)
            state = state_of(files)
            return Requirement("data set", name, state, files.size, licence, source.describe(), notes=notes)
        except (OSError, ValueError) as error:
            place = source.describe()
            reasons.append(str(error) if source.is_downloaded or place in str(error) else f"{place}: {error}")
    first, missing = dataset.all_sources[0].describe(), tuple(dict.fromkeys(reasons))
    return Requirement("data set", name, MISSING, None, dataset.licence, first, missing, notes)


def _selected_images(name: str, experiment: Experiment) -> Path:
    return experiment.root / experiment.paths.images(name)


def require_loadable(dataset: Dataset, source: Source, files: Availability, experiment: Experiment) -> None:
    """Raise OSError or ValueError if images that are on this machine cannot be loaded.

    All images are listed and matched to classes, and those that the run would select are decoded.
    """
    is_large_archive = source.is_downloaded and (files.size or 0) > MAX_ARCHIVE_BYTES
    if files.is_local and not is_large_archive:
        single, run = dataset.model_copy(update={"source": source, "sources": []}), experiment.run
        load_test_images(single, run.max_images, run.subset_seed, experiment.root, run.stratified)


def check_lewis(settings: Lewis, experiment: Experiment) -> Requirement:
    """Check the images of Lewis et al.: converted to scenes already and unchanged since, or in the folder that the user downloaded."""
    name, compared = lewis.LEWIS, compare_source(experiment, lewis.LEWIS)
    notes = (f"{name}: {words}.",) if (words := compared.describe()) else ()
    prepared = _selected_images(name, experiment)
    if prepared.is_file() and not compared.changes:
        size, selected = prepared.stat().st_size, f"selected in {prepared.parent}"
        return Requirement("data set", name, AVAILABLE, size, lewis.LICENCE, selected, notes=notes)
    path = experiment.root / settings.path
    try:
        lewis.load_scenes(path, settings.split, 1, experiment.run.subset_seed)
    except (OSError, ValueError) as error:
        return Requirement("data set", name, MISSING, None, lewis.LICENCE, lewis.DATA_URL, (str(error),), notes)
    size = sum(path_size(file) for file in lewis.list_lewis_files(path, settings.split).values())
    return Requirement("data set", name, AVAILABLE, size, lewis.LICENCE, settings.path, notes=notes)

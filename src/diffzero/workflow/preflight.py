"""Check that weights and data of a run are available or can be downloaded, before anything expensive starts."""

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

from huggingface_hub import constants

from diffzero.binding import lewis
from diffzero.config import Lewis, Model
from diffzero.download.errors import DownloadError, format_bytes
from diffzero.download.probe import Availability, RemoteProbe, path_size
from diffzero.models import download
from diffzero.models.checkpoint import CheckpointError, is_needed
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.paths import SCENES

# States of a requirement.
AVAILABLE: Final = "available"
TO_DOWNLOAD: Final = "to download"
MISSING: Final = "missing"


class MissingRequirementError(RuntimeError):
    """Weights or data of the run are not available and cannot be downloaded."""


@dataclass(frozen=True)
class Requirement:
    """The weights of one model or the images of one data set."""

    kind: Literal["model", "baseline", "data set"]
    name: str
    state: Literal["available", "to download", "missing"]
    size: int | None
    """Bytes on disk, or still to be downloaded; None if unknown."""
    licence: str
    source: str
    reasons: tuple[str, ...] = ()
    """Reasons why it is missing, one per source."""


def check_requirements(experiment: Experiment) -> list[Requirement]:
    """Check every model, baseline and data set of the run, in the order of its configuration."""
    run, probe = experiment.run, RemoteProbe()
    binding = run.attribute_binding if experiment.scene_datasets else None
    models = dict.fromkeys([*run.models, *((binding and binding.models) or [])])
    baselines = dict.fromkeys([*run.baselines, *((binding and binding.baselines) or [])])
    requirements = [check_model("model", name, experiment.model(name), experiment.root, probe) for name in models]
    requirements += [
        check_model("baseline", name, experiment.baseline(name), experiment.root, probe) for name in baselines
    ]
    requirements += [check_dataset(name, experiment, probe) for name in run.datasets]
    if experiment.renders_scenes:
        requirements.append(Requirement("data set", SCENES, AVAILABLE, 0, "MIT", "rendered by the run"))
    if binding and binding.lewis:
        requirements.append(check_lewis(binding.lewis, experiment))
    return requirements


def _state(availability: Availability) -> Literal["available", "to download"]:
    return AVAILABLE if availability.is_local else TO_DOWNLOAD


def check_model(
    kind: Literal["model", "baseline"], name: str, model: Model, root: Path, probe: RemoteProbe
) -> Requirement:
    """Check the weights of a model."""
    licence = model.licence + (" (gated)" if model.gated else "")
    if model.local_dir:
        checkpoint_dir = root / model.local_dir
        try:
            download.require_complete(model, checkpoint_dir)
        except CheckpointError as error:
            return Requirement(kind, name, MISSING, None, licence, model.local_dir, (str(error),))
        return Requirement(kind, name, AVAILABLE, path_size(checkpoint_dir), licence, model.local_dir)
    wanted, reasons = partial(is_needed, model), []
    for repo in download.list_repositories(model):
        try:
            download.require_safetensors(model, probe.file_sizes(repo, wanted), repo)
            files = probe.check_repo(repo, wanted)
            source = f"hub {repo.repo_id}@{repo.revision[:12]}"
            return Requirement(kind, name, _state(files), files.size, licence, source)
        except (DownloadError, CheckpointError) as error:
            reasons.append(str(error))
    more = f", {len(model.mirrors)} mirrors" if model.mirrors else ""
    source = f"hub {model.hub}@{(model.revision or '')[:12]}{more}"
    return Requirement(kind, name, MISSING, None, licence, source, tuple(reasons))


def check_dataset(name: str, experiment: Experiment, probe: RemoteProbe) -> Requirement:
    """Check the images of a data set: selected already, or at the first source that has them."""
    dataset = experiment.dataset(name)
    prepared = experiment.root / experiment.run_dir / "data" / name / "images.parquet"
    if prepared.is_file():
        selected = f"selected in {prepared.parent}"
        return Requirement("data set", name, AVAILABLE, prepared.stat().st_size, dataset.licence, selected)
    reasons = []
    for source in dataset.all_sources:  # the loader, too, uses the first source that has the images
        licence = dataset.licence + (" (gated)" if getattr(source, "gated", False) else "")
        try:
            files = source.check(probe, experiment.root)
            return Requirement("data set", name, _state(files), files.size, licence, source.describe())
        except (OSError, ValueError) as error:
            reasons.append(str(error))
    first = dataset.all_sources[0].describe()
    return Requirement("data set", name, MISSING, None, dataset.licence, first, tuple(dict.fromkeys(reasons)))


def check_lewis(settings: Lewis, experiment: Experiment) -> Requirement:
    """Check the images of Lewis et al.: converted to scenes already, or in the folder that the user downloaded."""
    prepared = experiment.root / experiment.run_dir / "data" / lewis.LEWIS / "images.parquet"
    if prepared.is_file():
        selected = f"selected in {prepared.parent}"
        return Requirement("data set", lewis.LEWIS, AVAILABLE, prepared.stat().st_size, lewis.LICENCE, selected)
    try:
        labels = lewis.labels_path(experiment.root / settings.path, settings.split)
    except lewis.LewisError as error:
        return Requirement("data set", lewis.LEWIS, MISSING, None, lewis.LICENCE, lewis.DATA_URL, (str(error),))
    size = path_size(labels) + path_size(labels.parent / "images" / settings.split)
    return Requirement("data set", lewis.LEWIS, AVAILABLE, size, lewis.LICENCE, settings.path)


def format_requirements(requirements: list[Requirement], run: str) -> str:
    """Return the table that `snakemake --cores 1 check` prints, the reasons why some are missing, and the size of the downloads."""
    rows = [("", "name", "state", "size", "licence", "source"), *map(_format_row, requirements)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"Models and data sets of the run '{run}'", ""]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    names_by_reasons: dict[tuple[str, ...], list[str]] = {}
    for requirement in requirements:
        if requirement.reasons:
            names_by_reasons.setdefault(requirement.reasons, []).append(requirement.name)
    for reasons, names in names_by_reasons.items():
        lines += ["", f"Missing: {', '.join(names)}"]
        lines += [f"  {number}. {reason}" for number, reason in enumerate(reasons, start=1)]
    return "\n".join([*lines, "", _summarise(requirements)])


def _format_row(requirement: Requirement) -> tuple[str, ...]:
    size = "" if requirement.size is None else format_bytes(requirement.size)
    licence, source = _shorten(requirement.licence, 44), _shorten(requirement.source, 72)
    return requirement.kind, requirement.name, requirement.state, size, licence, source


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _summarise(requirements: list[Requirement]) -> str:
    """Return how many requirements are in each state, and the size of the downloads."""
    downloads = [requirement for requirement in requirements if requirement.state == TO_DOWNLOAD]
    missing = sum(requirement.state == MISSING for requirement in requirements)
    parts = [f"Available: {len(requirements) - len(downloads) - missing} of {len(requirements)}."]
    if downloads:
        unknown = sum(requirement.size is None for requirement in downloads)
        total = format_bytes(sum(requirement.size or 0 for requirement in downloads))
        more = f" and {unknown} of unknown size" if unknown else ""
        cache = Path(constants.HF_HUB_CACHE)
        existing_dir = next(path for path in (cache, *cache.parents) if path.exists())
        free = format_bytes(shutil.disk_usage(existing_dir).free)
        parts.append(
            f"To download: {len(downloads)}, when the run needs them ({total}{more}; {free} free in {existing_dir})."
        )
    parts += [f"Missing: {missing}; the run would fail."] if missing else []
    return " ".join(parts)


def require_available(requirements: list[Requirement]) -> None:
    """Raise MissingRequirementError if weights or data are missing."""
    names = [requirement.name for requirement in requirements if requirement.state == MISSING]
    if names:
        raise MissingRequirementError(
            f"{', '.join(names)}: not available and cannot be downloaded (reasons above). Copy the files to `path`, log in "
            "(HF_TOKEN), allow the network (unset HF_HUB_OFFLINE), or remove the names from the configuration."
        )

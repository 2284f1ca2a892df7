"""Check that weights and data of a run are available or can be downloaded, before anything expensive starts."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants

from diffzero.binding import lewis
from diffzero.config import Lewis, Model
from diffzero.download.errors import DownloadError, format_bytes
from diffzero.download.probe import Availability, RemoteProbe, path_size
from diffzero.models import download
from diffzero.models.checkpoint import CheckpointError, is_needed
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.paths import SCENES

AVAILABLE, DOWNLOAD, MISSING = "there", "to download", "missing"


class MissingRequirementError(RuntimeError):
    """Weights or data of the run are not available and cannot be downloaded."""


@dataclass(frozen=True)
class Requirement:
    """The weights of one model or the images of one data set."""

    kind: str
    name: str
    state: str
    bytes: int | None  # on disk, or still to be downloaded; None if unknown
    licence: str
    source: str
    reasons: tuple[str, ...] = ()  # why it is missing


def check(experiment: Experiment) -> list[Requirement]:
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


def _state(found: Availability) -> str:
    return AVAILABLE if found.is_local else DOWNLOAD


def check_model(kind: str, name: str, model: Model, root: Path, probe: RemoteProbe) -> Requirement:
    """Check the weights of a model."""
    licence = model.licence + (" (gated)" if model.gated else "")
    if model.local_dir:
        folder = root / model.local_dir
        try:
            download.require_complete(model, folder)
        except CheckpointError as error:
            return Requirement(kind, name, MISSING, None, licence, model.local_dir, (str(error),))
        return Requirement(kind, name, AVAILABLE, path_size(folder), licence, model.local_dir)
    reasons, wanted = [], lambda file: is_needed(model, file)
    for repo in download.list_repositories(model):
        try:
            download.require_safetensors(model, probe.file_sizes(repo, wanted), repo)
            found = probe.check_repo(repo, wanted)
            return Requirement(
                kind, name, _state(found), found.size, licence, f"hub {repo.repo_id}@{repo.revision[:12]}"
            )
        except (DownloadError, CheckpointError) as error:
            reasons.append(str(error))
    more = f", {len(model.mirrors)} mirrors" if model.mirrors else ""
    return Requirement(
        kind, name, MISSING, None, licence, f"hub {model.hub}@{(model.revision or '')[:12]}{more}", tuple(reasons)
    )


def check_dataset(name: str, experiment: Experiment, probe: RemoteProbe) -> Requirement:
    """Check the images of a data set: selected already, or at the first source that has them."""
    dataset = experiment.dataset(name)
    prepared = experiment.root / experiment.run_dir / "data" / name / "images.parquet"
    if prepared.is_file():
        return Requirement(
            "data set", name, AVAILABLE, prepared.stat().st_size, dataset.licence, f"selected in {prepared.parent}"
        )
    reasons = []
    for source in dataset.all_sources:  # the loader, too, uses the first source that has the images
        licence = dataset.licence + (" (gated)" if getattr(source, "gated", False) else "")
        try:
            found = source.check(probe, experiment.root)
            return Requirement("data set", name, _state(found), found.size, licence, source.describe())
        except (OSError, ValueError) as error:
            reasons.append(str(error))
    first = dataset.all_sources[0].describe()
    return Requirement("data set", name, MISSING, None, dataset.licence, first, tuple(dict.fromkeys(reasons)))


def check_lewis(settings: Lewis, experiment: Experiment) -> Requirement:
    """Check the images of Lewis et al.: converted to scenes already, or in the folder that the user downloaded."""
    prepared = experiment.root / experiment.run_dir / "data" / lewis.LEWIS / "images.parquet"
    facts = ("data set", lewis.LEWIS)
    if prepared.is_file():
        return Requirement(*facts, AVAILABLE, prepared.stat().st_size, lewis.LICENCE, f"selected in {prepared.parent}")
    try:
        labels = lewis.labels_path(experiment.root / settings.path, settings.split)
    except lewis.LewisError as error:
        return Requirement(*facts, MISSING, None, lewis.LICENCE, lewis.DATA_URL, (str(error),))
    size = path_size(labels) + path_size(labels.parent / "images" / settings.split)
    return Requirement(*facts, AVAILABLE, size, lewis.LICENCE, settings.path)


def to_text(requirements: list[Requirement], run: str) -> str:
    """Return a table of the requirements, the reasons why some are missing, and the size of the downloads."""
    head = ("", "name", "state", "size", "licence", "from")
    rows = [head] + [
        (
            n.kind,
            n.name,
            n.state,
            "" if n.bytes is None else format_bytes(n.bytes),
            _short(n.licence),
            _short(n.source, 72),
        )
        for n in requirements
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [f"What the run '{run}' needs from outside", ""]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    together: dict[tuple[str, ...], list[str]] = {}
    for requirement in requirements:
        if requirement.reasons:
            together.setdefault(requirement.reasons, []).append(requirement.name)
    for reasons, names in together.items():
        lines += [
            "",
            f"Missing: {', '.join(names)}",
            *(f"  {number}. {text}" for number, text in enumerate(reasons, start=1)),
        ]
    return "\n".join([*lines, "", _summary(requirements)])


def _short(text: str, length: int = 44) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _summary(requirements: list[Requirement]) -> str:
    wanted = [requirement for requirement in requirements if requirement.state == DOWNLOAD]
    missing = sum(requirement.state == MISSING for requirement in requirements)
    parts = [f"{len(requirements) - len(wanted) - missing} of {len(requirements)} are there."]
    if wanted:
        unknown = sum(requirement.bytes is None for requirement in wanted)
        total = format_bytes(sum(requirement.bytes or 0 for requirement in wanted))
        more = f" and {unknown} of unknown size" if unknown else ""
        folder = next(
            path for path in (Path(constants.HF_HUB_CACHE), *Path(constants.HF_HUB_CACHE).parents) if path.exists()
        )
        free = format_bytes(shutil.disk_usage(folder).free)
        parts.append(f"{len(wanted)} are downloaded when the run needs them ({total}{more}; {free} free in {folder}).")
    parts += [f"{missing} are missing: the run would fail."] if missing else []
    return " ".join(parts)


def require(requirements: list[Requirement]) -> None:
    """Raise MissingRequirementError if weights or data are missing."""
    names = [requirement.name for requirement in requirements if requirement.state == MISSING]
    if names:
        raise MissingRequirementError(
            f"{', '.join(names)}: not available and cannot be downloaded (reasons above). Copy the files to `path`, log in "
            "(HF_TOKEN), allow the network (unset HF_HUB_OFFLINE), or remove the names from the configuration."
        )

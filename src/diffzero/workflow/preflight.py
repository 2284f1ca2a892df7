"""Check that weights and data of a run are available or can be downloaded, before anything expensive starts."""

import shutil
from functools import partial
from pathlib import Path
from typing import Literal

from huggingface_hub import constants

from diffzero.config import Model
from diffzero.download.errors import DownloadError, format_bytes
from diffzero.download.probe import NO_RETRY, RemoteProbe, path_size
from diffzero.models import download
from diffzero.models.checkpoint import is_needed, list_files
from diffzero.models.errors import CheckpointError
from diffzero.utils.io import read_json
from diffzero.workflow.dataset_checks import check_dataset, check_lewis
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.paths import SCENES
from diffzero.workflow.requirements import AVAILABLE, MISSING, TO_DOWNLOAD, Requirement, state_of


class MissingRequirementError(RuntimeError):
    """Weights or data of the run are not available and cannot be downloaded."""


def check_requirements(experiment: Experiment) -> list[Requirement]:
    """Check every model, baseline and data set of the run, in the order of its configuration."""
    run, probe = experiment.run, RemoteProbe()
    binding = run.attribute_binding if experiment.scene_datasets else None
    models = dict.fromkeys([*run.models, *((binding and binding.models) or [])])
    baselines = dict.fromkeys([*run.baselines, *((binding and binding.baselines) or [])])
    requirements = [check_model("model", name, experiment, probe) for name in models]
    requirements += [check_model("baseline", name, experiment, probe) for name in baselines]
    requirements += [check_dataset(name, experiment, probe) for name in run.datasets]
    if experiment.renders_scenes:
        requirements.append(Requirement("data set", SCENES, AVAILABLE, 0, "MIT", "rendered by the run"))
    if binding and binding.lewis:
        requirements.append(check_lewis(binding.lewis, experiment))
    return requirements


def check_model(
    kind: Literal["model", "baseline"], name: str, experiment: Experiment, probe: RemoteProbe
) -> Requirement:
    """Check the weights of a model."""
    model, root = experiment.model_or_baseline(name), experiment.root
    licence = model.licence + (" (gated)" if model.gated else "")
    if model.local_dir:
        checkpoint_dir = root / model.local_dir
        try:
            download.require_complete(model, checkpoint_dir)
        except CheckpointError as error:
            return Requirement(kind, name, MISSING, None, licence, model.local_dir, (str(error),))
        size, notes = path_size(checkpoint_dir), compare_checkpoint(name, model, experiment)
        return Requirement(kind, name, AVAILABLE, size, licence, model.local_dir, notes=notes)
    wanted, reasons = partial(is_needed, model), []
    for repo in download.list_repositories(model):
        try:
            sizes = probe.file_sizes(repo, wanted)
            download.require_safetensors(model, sizes, repo)
            files = probe.check_repo(repo, wanted)
            if files.is_local:
                download.require_complete(model, repo.snapshot_dir)
            else:
                probe.ask(repo.url, partial(download.require_usable, model, sizes, repo, NO_RETRY))
            source = f"hub {repo.repo_id}@{repo.revision[:12]}"
            return Requirement(kind, name, state_of(files), files.size, licence, source)
        except (DownloadError, CheckpointError) as error:
            reasons.append(str(error))
    more = f", {len(model.mirrors)} mirrors" if model.mirrors else ""
    source = f"hub {model.hub}@{(model.revision or '')[:12]}{more}"
    return Requirement(kind, name, MISSING, None, licence, source, tuple(reasons))


def compare_checkpoint(name: str, model: Model, experiment: Experiment) -> tuple[str, ...]:
    """Return what differs between the files of a local checkpoint and those that were recorded for the run."""
    record, checkpoint_dir = experiment.root / experiment.paths.weights(name), experiment.root / str(model.local_dir)
    if not record.is_file():
        return ()
    recorded = set(read_json(record).get("files", {}))
    now = set(list_files(checkpoint_dir, partial(is_needed, model)))
    newer = [file for file in now & recorded if (checkpoint_dir / file).stat().st_mtime > record.stat().st_mtime]
    differing = [f"{file}: added" for file in now - recorded] + [f"{file}: removed" for file in recorded - now]
    differing += [f"{file}: modified later" for file in newer]
    if not differing:
        return ()
    return (
        f"{name}: its checkpoint differs from the recorded one ({', '.join(sorted(differing))}). The run reads it again.",
    )


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
    notes = [note for requirement in requirements for note in requirement.notes]
    lines += ["", "Changed since the results were made:", *(f"  {note}" for note in notes)] if notes else []
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

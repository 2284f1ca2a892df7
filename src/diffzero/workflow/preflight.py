"""What a run needs from outside, and whether it is there: asked before anything expensive starts, answered all at once."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants

from diffzero.binding import lewis
from diffzero.config import Lewis, Model
from diffzero.download.errors import DownloadError, format_bytes
from diffzero.download.probe import Availability, RemoteProbe, path_size
from diffzero.models import download
from diffzero.models.checkpoint import CheckpointError
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.paths import SCENES

THERE, DOWNLOAD, MISSING = "there", "to download", "missing"


class Missing(RuntimeError):
    """Something that the run needs is not there and cannot be had."""


@dataclass(frozen=True)
class Need:
    """One thing from outside."""

    kind: str
    name: str
    state: str
    bytes: int | None  # on disk, or still to be fetched; None where nobody knows
    licence: str
    source: str
    reasons: tuple[str, ...] = ()  # why it is missing


def check(experiment: Experiment) -> list[Need]:
    """Every model, baseline and data set of the run, in the order of its configuration."""
    run, probe = experiment.run, RemoteProbe()
    binding = run.attribute_binding if experiment.scene_datasets else None
    models = dict.fromkeys([*run.models, *((binding and binding.models) or [])])
    baselines = dict.fromkeys([*run.baselines, *((binding and binding.baselines) or [])])
    needs = [of_model("model", name, experiment.model(name), experiment.root, probe) for name in models]
    needs += [of_model("baseline", name, experiment.baseline(name), experiment.root, probe) for name in baselines]
    needs += [of_dataset(name, experiment, probe) for name in run.datasets]
    if experiment.renders_scenes:
        needs.append(Need("data set", SCENES, THERE, 0, "MIT", "rendered by the run"))
    if lewis.LEWIS in experiment.scene_datasets:
        needs.append(of_lewis(binding.lewis, experiment))
    return needs


def _state(found: Availability) -> str:
    return THERE if found.is_local else DOWNLOAD


def of_model(kind: str, name: str, model: Model, root: Path, probe: RemoteProbe) -> Need:
    """Whether a model's weights are there."""
    licence = model.licence + (" (gated)" if model.gated else "")
    if model.local_dir:
        folder = root / model.local_dir
        try:
            download.require_complete(model, folder)
        except CheckpointError as error:
            return Need(kind, name, MISSING, None, licence, model.local_dir, (str(error),))
        return Need(kind, name, THERE, path_size(folder), licence, model.local_dir)
    reasons, wanted = [], lambda file: download.is_needed(model, file)
    for repo in download.list_repositories(model):
        try:
            download.require_safetensors(model, probe.file_sizes(repo, wanted), repo)
            found = probe.check_repo(repo, wanted)
            return Need(kind, name, _state(found), found.size, licence, f"hub {repo.repo_id}@{repo.revision[:12]}")
        except (DownloadError, CheckpointError) as error:
            reasons.append(str(error))
    more = f", {len(model.mirrors)} mirrors" if model.mirrors else ""
    return Need(kind, name, MISSING, None, licence, f"hub {model.hub}@{model.revision[:12]}{more}", tuple(reasons))


def of_dataset(name: str, experiment: Experiment, probe: RemoteProbe) -> Need:
    """Whether a data set's images are there: selected already, or at the first of its sources that has them."""
    dataset = experiment.dataset(name)
    prepared = experiment.root / experiment.run_dir / "data" / name / "images.parquet"
    if prepared.is_file():
        return Need("data set", name, THERE, prepared.stat().st_size, dataset.licence, f"selected in {prepared.parent}")
    reasons = []
    for source in dataset.all_sources:  # as the loader takes them: the first that gives its images
        licence = dataset.licence + (" (gated)" if getattr(source, "gated", False) else "")
        try:
            found = source.check(probe, experiment.root)
            return Need("data set", name, _state(found), found.size, licence, source.describe())
        except (OSError, ValueError) as error:
            reasons.append(str(error))
    first = dataset.all_sources[0].describe()
    return Need("data set", name, MISSING, None, dataset.licence, first, tuple(dict.fromkeys(reasons)))


def of_lewis(settings: Lewis, experiment: Experiment) -> Need:
    """Whether Lewis et al.'s images are there: made into scenes already, or in the folder that the user downloaded."""
    prepared = experiment.root / experiment.run_dir / "data" / lewis.LEWIS / "images.parquet"
    facts = ("data set", lewis.LEWIS)
    if prepared.is_file():
        return Need(*facts, THERE, prepared.stat().st_size, lewis.LICENCE, f"selected in {prepared.parent}")
    try:
        labels = lewis.labels_path(experiment.root / settings.path, settings.split)
    except lewis.LewisError as error:
        return Need(*facts, MISSING, None, lewis.LICENCE, lewis.DATA_URL, (str(error),))
    size = path_size(labels) + path_size(labels.parent / "images" / settings.split)
    return Need(*facts, THERE, size, lewis.LICENCE, settings.path)


def to_text(needs: list[Need], run: str) -> str:
    """The needs as a table of aligned columns, then why something is missing, and the space that downloads take."""
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
        for n in needs
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [f"What the run '{run}' needs from outside", ""]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    together: dict[tuple[str, ...], list[str]] = {}
    for need in needs:
        if need.reasons:
            together.setdefault(need.reasons, []).append(need.name)
    for reasons, names in together.items():
        lines += [
            "",
            f"Missing: {', '.join(names)}",
            *(f"  {number}. {text}" for number, text in enumerate(reasons, start=1)),
        ]
    return "\n".join([*lines, "", _summary(needs)])


def _short(text: str, length: int = 44) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _summary(needs: list[Need]) -> str:
    wanted = [need for need in needs if need.state == DOWNLOAD]
    missing = sum(need.state == MISSING for need in needs)
    parts = [f"{len(needs) - len(wanted) - missing} of {len(needs)} are there."]
    if wanted:
        unknown = sum(need.bytes is None for need in wanted)
        total = format_bytes(sum(need.bytes or 0 for need in wanted))
        more = f" and {unknown} of unknown size" if unknown else ""
        folder = next(
            path for path in (Path(constants.HF_HUB_CACHE), *Path(constants.HF_HUB_CACHE).parents) if path.exists()
        )
        free = format_bytes(shutil.disk_usage(folder).free)
        parts.append(f"{len(wanted)} are downloaded when the run needs them ({total}{more}; {free} free in {folder}).")
    parts += [f"{missing} are missing: the run would fail."] if missing else []
    return " ".join(parts)


def require(needs: list[Need]) -> None:
    """Raise Missing where the run would fail for want of something."""
    names = [need.name for need in needs if need.state == MISSING]
    if names:
        raise Missing(
            f"{', '.join(names)}: neither there nor to be had (reasons above). Put the files where `path` says, log in (HF_TOKEN), go "
            "online (unset HF_HUB_OFFLINE), or take the names out of the configuration."
        )

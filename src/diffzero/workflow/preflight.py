"""What a run needs from outside, and whether it is there: asked before anything expensive starts, answered all at once."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar
from urllib.parse import urlsplit

from huggingface_hub import constants

from diffzero.binding import lewis
from diffzero.config import Lewis, Model
from diffzero.config.datasets import Download, Source
from diffzero.data.sources.base import describe_source, owns_file
from diffzero.download.errors import DownloadError, OfflineError, TransientDownloadError, format_bytes
from diffzero.download.http import RetryPolicy
from diffzero.download.hub import HubRepo, cache_dir, is_offline
from diffzero.download.url import url_cache_path, url_size
from diffzero.models import download
from diffzero.models.checkpoint import CheckpointError
from diffzero.workflow.experiment import SCENES, Experiment

T = TypeVar("T")
THERE, DOWNLOAD, MISSING = "there", "to download", "missing"
ONCE = RetryPolicy(timeout=10, max_attempts=1)  # a table of what is there need not wait for a server that is not


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


class Outside:
    """The hub's lists of files and the sizes of files by their addresses; a server that cannot be reached is asked once."""

    def __init__(self) -> None:
        self.unreachable: set[str] = set()

    def ask(self, address: str, question: Callable[[], T]) -> T:
        """The answer. Raises TransientDownloadError where the server was not reached, now or before."""
        server = urlsplit(address).netloc
        if server not in self.unreachable:
            try:
                return question()
            except TransientDownloadError:
                self.unreachable.add(server)
        raise TransientDownloadError(
            f"{urlsplit(address).scheme}://{server} cannot be reached, and it is not in the cache"
        )

    def sizes(self, repo: HubRepo, wanted: Callable[[str], bool]) -> dict[str, int]:
        """The size of every file of a repository, of which the `wanted` ones are all there. Raises DownloadError."""
        known = repo.cached_file_sizes()
        return known if known is not None else self.ask(constants.ENDPOINT, lambda: repo.file_sizes(wanted, ONCE))

    def size(self, url: str) -> int | None:
        """Bytes of the file at an address, None where its server does not tell. Raises DownloadError."""
        return self.ask(url, lambda: url_size(url, ONCE.timeout))

    def state(self, repo: HubRepo, wanted: Callable[[str], bool]) -> tuple[str, int]:
        """THERE or DOWNLOAD, and the bytes of the wanted files, or of those that are lacking. Raises DownloadError."""
        sizes = {name: size for name, size in self.sizes(repo, wanted).items() if wanted(name)}
        if not sizes:
            raise DownloadError(f"{repo}: none of the wanted files is there")
        lacking = [name for name in sizes if not repo.cached_file(name)]
        if not lacking:
            return THERE, sum(sizes.values())
        if is_offline():
            total = format_bytes(sum(sizes[name] for name in lacking))
            raise OfflineError(f"{repo.url}: {total} are not in the cache, and HF_HUB_OFFLINE is set")
        return DOWNLOAD, sum(sizes[name] for name in lacking)


def check(experiment: Experiment) -> list[Need]:
    """Every model, baseline and data set of the run, in the order of its configuration."""
    run, outside = experiment.run, Outside()
    binding = run.attribute_binding if experiment.scene_sets else None
    models = dict.fromkeys([*run.models, *((binding and binding.models) or [])])
    baselines = dict.fromkeys([*run.baselines, *((binding and binding.baselines) or [])])
    needs = [of_model("model", name, experiment.model(name), experiment.root, outside) for name in models]
    needs += [of_model("baseline", name, experiment.baseline(name), experiment.root, outside) for name in baselines]
    needs += [of_dataset(name, experiment, outside) for name in run.datasets]
    if experiment.has_binding:
        needs.append(Need("data set", SCENES, THERE, 0, "MIT", "rendered by the run"))
    if lewis.LEWIS in experiment.scene_sets:
        needs.append(of_lewis(binding.lewis, experiment))
    return needs


def of_model(kind: str, name: str, model: Model, root: Path, outside: Outside) -> Need:
    """Whether a model's weights are there."""
    licence = model.licence + (" (gated)" if model.gated else "")
    if model.local:
        folder = root / model.local
        try:
            download.require_complete(model, folder)
        except CheckpointError as error:
            return Need(kind, name, MISSING, None, licence, model.local, (str(error),))
        return Need(kind, name, THERE, size_of(folder), licence, model.local)
    reasons, wanted = [], lambda file: download.is_needed(model, file)
    for repo in download.list_repositories(model):
        try:
            names = outside.sizes(repo, wanted)
            download.require_safetensors(model, names, repo)
            state, size = outside.state(repo, wanted)
            return Need(kind, name, state, size, licence, f"hub {repo.repo_id}@{repo.revision[:12]}")
        except (DownloadError, CheckpointError) as error:
            reasons.append(str(error))
    more = f", {len(model.mirrors)} mirrors" if model.mirrors else ""
    return Need(kind, name, MISSING, None, licence, f"hub {model.hub}@{model.revision[:12]}{more}", tuple(reasons))


def of_dataset(name: str, experiment: Experiment, outside: Outside) -> Need:
    """Whether a data set's images are there: selected already, or at the first of its sources that has them."""
    dataset = experiment.dataset(name)
    prepared = experiment.root / experiment.folder / "data" / name / "images.parquet"
    if prepared.is_file():
        return Need("data set", name, THERE, prepared.stat().st_size, dataset.licence, f"selected in {prepared.parent}")
    reasons = []
    for source in dataset.places:  # as the loader takes them: the first that gives its images
        licence = dataset.licence + (" (gated)" if getattr(source, "gated", False) else "")
        try:
            state, size = of_source(source, experiment.root, outside)
            return Need("data set", name, state, size, licence, describe_source(source))
        except (OSError, ValueError) as error:
            reasons.append(str(error))
    first = describe_source(dataset.places[0])
    return Need("data set", name, MISSING, None, dataset.licence, first, tuple(dict.fromkeys(reasons)))


def of_lewis(settings: Lewis, experiment: Experiment) -> Need:
    """Whether Lewis et al.'s images are there: made into scenes already, or in the folder that the user downloaded."""
    prepared = experiment.root / experiment.folder / "data" / lewis.LEWIS / "images.parquet"
    facts = ("data set", lewis.LEWIS)
    if prepared.is_file():
        return Need(*facts, THERE, prepared.stat().st_size, lewis.LICENCE, f"selected in {prepared.parent}")
    try:
        labels = lewis.labels_path(experiment.root / settings.path, settings.split)
    except lewis.LewisError as error:
        return Need(*facts, MISSING, None, lewis.LICENCE, lewis.DATA_URL, (str(error),))
    size = size_of(labels) + size_of(labels.parent / "images" / settings.split)
    return Need(*facts, THERE, size, lewis.LICENCE, settings.path)


def of_source(source: Source, root: Path, outside: Outside) -> tuple[str, int | None]:
    """THERE or DOWNLOAD, and bytes. Raises OSError for a source that cannot give its images."""
    match source.kind:
        case "digits":
            return THERE, 0
        case "hub" | "webdataset":
            return outside.state(HubRepo(source.repo, source.revision, "dataset"), lambda name: owns_file(source, name))
        case "archive":
            return of_files(source.files, outside)
    path = root / source.path
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: not there; expected the images, or write another source in the data set's YAML"
        )
    return THERE, size_of(path)


def of_files(files: list[Download], outside: Outside) -> tuple[str, int | None]:
    """Of files by their addresses."""
    paths = [url_cache_path(file.url, PurePosixPath(file.url).name, file.digest) for file in files]
    lacking = [file.url for file, path in zip(files, paths, strict=True) if not path.is_file()]
    if lacking and is_offline():
        raise OfflineError(f"{', '.join(lacking)}: not in the cache {cache_dir()}, and HF_HUB_OFFLINE is set")
    if not lacking:
        return THERE, sum(path.stat().st_size for path in paths)
    sizes = [outside.size(url) for url in lacking]
    return DOWNLOAD, None if None in sizes else sum(sizes)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


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

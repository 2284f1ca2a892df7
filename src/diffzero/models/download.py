"""Where a model's weights are, checked before anything is computed with them."""

import logging
from collections.abc import Iterable
from pathlib import Path

from diffzero.config import Clip, Diffusion, Model, Supervised
from diffzero.download.errors import DiskFullError, DownloadError
from diffzero.download.http import RetryPolicy
from diffzero.download.hub import HubRepo
from diffzero.models import checkpoint
from diffzero.models.checkpoint import (
    MODEL_INDEX,
    OPEN_CLIP_WEIGHTS,
    TIMM_WEIGHTS,
    CheckpointError,
    adapter_class,
    combine_digests,
    file_digests,
    is_needed,
    list_files,
)
from diffzero.models.registry import network_folders, weight_folders

LOG = logging.getLogger(__name__)


def list_repositories(model: Model) -> list[HubRepo]:
    """Return the repositories of a model in the order in which they are tried."""
    if not model.hub:
        return []
    return [HubRepo(place.hub, place.revision, "model") for place in (model, *model.mirrors)]


def require_safetensors(model: Model, names: Iterable[str], repo: HubRepo) -> None:
    """Raise CheckpointError for a repository of these files that lacks safetensors weights of a part: before anything is downloaded."""
    names = list(names)
    lacking = _lacking(model, names)
    if not lacking:
        return
    pickled = [name for name in names if name.endswith((".bin", ".pt", ".pth", ".ckpt"))]
    everything = lacking in ("weights", " or ".join(network_folders()))
    mine = pickled if everything else [name for name in pickled if name.startswith(f"{lacking}/")]
    found = (
        f"only pickled weights ({mine[0]})"
        if mine
        else f"no {lacking}"
        if lacking not in weight_folders()
        else f"no safetensors in {lacking}"
    )
    expected = "safetensors; pickles can run any code" if mine else "it there, beside safetensors of every part"
    how = ""
    if mine and isinstance(model, Diffusion):
        command = checkpoint.conversion_command(repo.repo_id, repo.revision)
        how = f" If you trust them, convert them and set `path` to the new folder: {command}"
    elif mine:
        name = (OPEN_CLIP_WEIGHTS if isinstance(model, Clip) else TIMM_WEIGHTS)[0]
        how = f" Download {mine[0]}, save it as {name} and set `path` to its folder."
    raise CheckpointError(f"{repo}: found {found}, expected {expected}.{how}")


def _lacking(model: Model, names: list[str]) -> str:
    """What a repository with these files lacks to be loaded: a file, or the folder of a part; empty for nothing."""
    needed = [name for name in names if is_needed(model, name)]
    weights = {name.rpartition("/")[0] for name in needed if name.endswith(".safetensors")}
    if not isinstance(model, Diffusion):
        return "" if weights else "weights"
    if not weights & set(network_folders()):
        return " or ".join(network_folders())
    if MODEL_INDEX not in needed:
        return MODEL_INDEX
    parts = {name.rpartition("/")[0] for name in names}
    return next((part for part in weight_folders() if part in parts - weights), "")


def locate_checkpoint(model: Model, root: Path, retry_policy: RetryPolicy | None = None) -> Path:
    """The checkpoint folder of a model: its local path, else the first of its repositories that gives it, downloaded.

    Raises CheckpointError, which says why each repository did not, or DiskFullError.
    """
    if model.local:
        return root / model.local
    failures: list[str] = []
    wanted = lambda name: is_needed(model, name)  # noqa: E731
    for repo in list_repositories(model):
        try:
            require_safetensors(model, repo.file_sizes(wanted, retry_policy), repo)
            return repo.download_files(wanted, retry_policy)
        except DiskFullError:
            raise  # another repository's files are no smaller
        except (DownloadError, CheckpointError) as error:
            LOG.warning("%s: %s", model.title, error)
            failures.append(f"{len(failures) + 1}. {error}")
    raise CheckpointError(
        f"{model.title}: no source gave the weights. Tried: {' '.join(failures)} Or download them by hand and set `path` in its YAML."
    )


def inspect_checkpoint(model: Model, root: Path) -> dict[str, object]:
    """Folder, family, digest and the digest of each file of a model's checkpoint, for the jobs that use it.

    Raises CheckpointError or DownloadError.
    """
    folder = locate_checkpoint(model, root)
    family = require_complete(model, folder)
    files = file_digests(folder, list_files(folder, lambda name: is_needed(model, name)))
    return {"folder": str(folder), "family": family, "digest": combine_digests(files), "files": files}


def require_complete(model: Model, folder: Path) -> str:
    """The family of the checkpoint in `folder`. Raises CheckpointError where it could not be loaded."""
    if isinstance(model, Diffusion):
        return adapter_class(folder).__name__
    checkpoint.single_weights_file(folder, OPEN_CLIP_WEIGHTS if isinstance(model, Clip) else TIMM_WEIGHTS)
    config = "config.json" if isinstance(model, Supervised) else None if model.named else "open_clip_config.json"
    if config and not (folder / config).is_file():
        raise CheckpointError(f"{folder}: found no {config}, expected it beside the weights.")
    return "open_clip" if isinstance(model, Clip) else "timm"

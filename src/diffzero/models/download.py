"""Locate the weights of a model: in a local folder, or in the first of its repositories that has them."""

import logging
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from diffzero.config import Clip, Diffusion, Model, Supervised
from diffzero.download.errors import DownloadError, DownloadSpaceError
from diffzero.download.http import RetryPolicy
from diffzero.download.hub import HubRepo, is_offline
from diffzero.models import checkpoint
from diffzero.models.checkpoint import (
    OPEN_CLIP_WEIGHTS,
    PICKLE_SUFFIXES,
    TIMM_WEIGHTS,
    adapter_class,
    checkpoint_digests,
    combine_digests,
    is_needed,
    list_files,
    read_family,
)
from diffzero.models.errors import CheckpointError
from diffzero.models.registry import network_folders, weight_folders
from diffzero.models.resolution import require_divisible
from diffzero.models.verification.baselines import verify_clip, verify_timm
from diffzero.models.verification.listing import MODEL_INDEX, find_missing_file
from diffzero.models.verification.parts import read_index, verify_checkpoint, verify_configurations

log = logging.getLogger(__name__)
ALL_WEIGHTS = "weights"


def list_repositories(model: Model) -> list[HubRepo]:
    """Return the repositories of a model in the order in which they are tried."""
    places = [(model.hub, model.revision), *((mirror.hub, mirror.revision) for mirror in model.mirrors)]
    return [HubRepo(hub, revision, "model") for hub, revision in places if hub and revision]


def require_safetensors(model: Model, names: Iterable[str], repo: HubRepo) -> None:
    """Refuse a repository that lacks safetensors weights, before anything is downloaded.

    Parameters
    ----------
    model : Model
        The model.
    names : iterable of str
        Files of the repository.
    repo : HubRepo
        The repository, for the message.

    Raises
    ------
    CheckpointError
        Names what is missing and, if there are pickled weights instead, how to convert them.
    """
    names = list(names)
    missing = _find_missing(model, names)
    if not missing:
        return
    pickles = [name for name in names if name.endswith(PICKLE_SUFFIXES)]
    if missing not in (ALL_WEIGHTS, " or ".join(network_folders())):
        pickles = [name for name in pickles if name.startswith(f"{missing}/")]
    if pickles:
        found, expected = f"only pickled weights ({pickles[0]})", "safetensors; loading a pickle can execute any code"
    else:
        found = f"no safetensors in {missing}" if missing in weight_folders() else f"no {missing}"
        expected = "it there, and safetensors of every part"
    advice = _conversion_advice(model, repo, pickles[0]) if pickles else ""
    raise CheckpointError(f"{repo}: found {found}, expected {expected}.{advice}")


def _conversion_advice(model: Model, repo: HubRepo, pickle: str) -> str:
    if isinstance(model, Diffusion):
        command = checkpoint.conversion_command(repo.repo_id, repo.revision)
        return f" If you trust them, convert them and set `path` to the new folder: {command}"
    name = (OPEN_CLIP_WEIGHTS if isinstance(model, Clip) else TIMM_WEIGHTS)[0]
    return f" Download {pickle}, save it as {name} and set `path` to its folder."


def _find_missing(model: Model, names: list[str]) -> str:
    """Return the file or the part that a repository with these files lacks; an empty string if it lacks nothing."""
    needed = [name for name in names if is_needed(model, name)]
    with_weights = {name.rpartition("/")[0] for name in needed if name.endswith(".safetensors")}
    if not isinstance(model, Diffusion):
        return "" if with_weights else ALL_WEIGHTS
    if not with_weights & set(network_folders()):
        return " or ".join(network_folders())
    if MODEL_INDEX not in needed:
        return MODEL_INDEX
    present = {name.rpartition("/")[0] for name in names}
    return next((part for part in weight_folders() if part in present - with_weights), "")


def require_usable(model: Model, sizes: Iterable[str], repo: HubRepo, retry_policy: RetryPolicy | None = None) -> None:
    """Refuse a repository that cannot be used, before its weights are downloaded.

    The list of files must be complete. Of a diffusion model the configuration files, some kilobytes, are downloaded and verified.

    Parameters
    ----------
    model : Model
        The model.
    sizes : iterable of str
        Files of the repository.
    repo : HubRepo
        The repository.
    retry_policy : RetryPolicy, optional
        When to give up on the server.

    Raises
    ------
    CheckpointError
        If a file or a part is missing, or a configuration is not supported.
    DownloadError
    """
    names = list(sizes)
    require_safetensors(model, names, repo)
    config = required_config(model)
    if config and config not in names:
        raise CheckpointError(f"{repo}: found no {config}, expected it beside the weights.")
    if not isinstance(model, Diffusion) or is_offline():
        return
    adapter = read_family(repo.download_file(MODEL_INDEX, retry_policy))
    parts = read_index(repo.snapshot_dir, adapter)
    if problem := find_missing_file(names, parts, adapter):
        raise CheckpointError(f"{repo}: {problem}")
    loaded = [part for part in (*adapter.weight_folders(), *adapter.SCHEDULERS) if parts.get(part)]
    for name in names:
        part, _, file = name.rpartition("/")
        if part in loaded and file in ("config.json", "scheduler_config.json"):
            repo.download_file(name, retry_policy)
    verify_configurations(repo.snapshot_dir, adapter)


def locate_checkpoint(model: Model, root: Path, retry_policy: RetryPolicy | None = None) -> Path:
    """Return the folder of a model's checkpoint; a local one, or downloaded from the first repository that has a whole one.

    Parameters
    ----------
    model : Model
        The model.
    root : Path
        Root of the repository, to which a local path is relative.
    retry_policy : RetryPolicy, optional
        When to give up on a server.

    Raises
    ------
    CheckpointError
        No repository has a whole checkpoint; the message says why for each.
    DownloadSpaceError
        The disk is too small. No further repository is tried, because its files have the same size.
    """
    if model.local_dir:
        return root / model.local_dir
    failures: list[str] = []
    wanted = partial(is_needed, model)
    for repo in list_repositories(model):
        try:
            sizes = repo.file_sizes(wanted, retry_policy)
            require_safetensors(model, sizes, repo)
            repo.require_space_for(size for name, size in sizes.items() if wanted(name) and not repo.cached_file(name))
            require_usable(model, sizes, repo, retry_policy)
            checkpoint_dir = repo.download_files(wanted, retry_policy)
            require_complete(model, checkpoint_dir)
            return checkpoint_dir
        except DownloadSpaceError:
            raise
        except (DownloadError, CheckpointError) as error:
            log.warning("%s: %s", model.title, error)
            failures.append(f"{len(failures) + 1}. {error}")
    raise CheckpointError(
        f"{model.title}: no repository has the weights. Tried: {' '.join(failures)} Or download them by hand and set `path` in its YAML."
    )


def inspect_checkpoint(model: Model, root: Path) -> dict[str, object]:
    """Locate a checkpoint and return its record for other jobs: `folder`, `family`, `digest`, and the digests of its `files`.

    Raises CheckpointError or DownloadError.
    """
    checkpoint_dir = locate_checkpoint(model, root)
    files = checkpoint_digests(checkpoint_dir, list_files(checkpoint_dir, partial(is_needed, model)))
    return {
        "folder": str(checkpoint_dir),
        "family": family_name(model, checkpoint_dir),
        "digest": combine_digests(files),
        "files": files,
    }


def require_complete(model: Model, checkpoint_dir: Path) -> None:
    """Raise CheckpointError if a checkpoint is not whole or not supported, from its configuration and the headers of its weights."""
    config = required_config(model)
    if isinstance(model, Diffusion):
        verify_checkpoint(checkpoint_dir, adapter_class(checkpoint_dir))
        require_divisible(model, checkpoint_dir)
        return
    weights = checkpoint.single_weights_file(
        checkpoint_dir, OPEN_CLIP_WEIGHTS if isinstance(model, Clip) else TIMM_WEIGHTS
    )
    if config and not (checkpoint_dir / config).is_file():
        raise CheckpointError(f"{checkpoint_dir}: found no {config}, expected it beside the weights.")
    if isinstance(model, Clip):
        verify_clip(model.open_clip_name, weights)
    else:
        verify_timm(weights)


def required_config(model: Model) -> str | None:
    """Return the configuration file that a baseline's weights must have beside them."""
    if isinstance(model, Supervised):
        return "config.json"
    return "open_clip_config.json" if isinstance(model, Clip) and not model.open_clip_name else None


def family_name(model: Model, checkpoint_dir: Path) -> str:
    """Return the name of the adapter or the library that loads the checkpoint."""
    if isinstance(model, Diffusion):
        return adapter_class(checkpoint_dir).__name__
    return "open_clip" if isinstance(model, Clip) else "timm"

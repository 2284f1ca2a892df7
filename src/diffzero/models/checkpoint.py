"""Checkpoint folders: which files are read, their digests, and the family. Nothing is loaded and nothing is unpickled."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from diffzero.config import Clip, Model, Supervised
from diffzero.models.base import Denoiser
from diffzero.models.errors import CheckpointError
from diffzero.models.registry import checkpoint_folders, families
from diffzero.models.verification.headers import read_config
from diffzero.models.verification.listing import MODEL_INDEX
from diffzero.utils.io import sha256_of
from diffzero.utils.result_files import read_record

TEXT_SUFFIXES = (".json", ".txt", ".model")  # configurations and tokenizers
OPEN_CLIP_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
TIMM_WEIGHTS = ("model.safetensors",)
PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt")


def adapter_class(checkpoint_dir: Path) -> type[Denoiser]:
    """Return the adapter of a diffusion model's checkpoint, from the pipeline that its model_index.json names.

    Raises
    ------
    CheckpointError
        If there is no checkpoint, its pipeline is not supported, or a part has no safetensors weights.
    """
    path = checkpoint_dir / MODEL_INDEX
    if not path.is_file():
        raise CheckpointError(
            f"{checkpoint_dir}: no checkpoint there (found no model_index.json). Expected a diffusers folder with safetensors "
            "weights; set `path` in config/models/ to it, or train the mini models with `snakemake --cores all train_mini`."
        )
    adapter = read_family(path)
    require_safetensors_in(checkpoint_dir, adapter)
    return adapter


def read_family(index: Path) -> type[Denoiser]:
    """Return the adapter of the pipeline that a model_index.json names. Raises CheckpointError if there is none."""
    pipeline, known = read_config(index).get("_class_name"), ", ".join(families())
    if pipeline is None:
        raise CheckpointError(
            f"{index}: found no _class_name, expected one of {known}. Copy or download the file again."
        )
    adapter = families().get(str(pipeline))
    if adapter is None:
        raise CheckpointError(f"{index}: found pipeline {pipeline!r}, expected one of {known}.")
    return adapter


def require_safetensors_in(checkpoint_dir: Path, adapter: type[Denoiser]) -> None:
    """Raise CheckpointError if the network is missing, or if a part that the family reads has no safetensors weights.

    Other parts, such as a safety checker, may have any format, as they are never opened.
    """
    if not (checkpoint_dir / adapter.NETWORK).is_dir():
        raise CheckpointError(
            f"{checkpoint_dir}: found no {adapter.NETWORK} folder, expected one with safetensors weights."
        )
    for part in (checkpoint_dir / name for name in adapter.weight_folders()):
        if part.is_dir() and not list(part.glob("*.safetensors")):
            raise CheckpointError(
                f"{part}: found no safetensors weights. Weights in pickled `.bin` files are refused, as they can run any code. "
                f"If you trust them, convert them and set `path` to the new folder: {conversion_command(checkpoint_dir)}"
            )


def conversion_command(source: Path | str, revision: str | None = None) -> str:
    """Return the command that saves a checkpoint with `.bin` weights (a folder, or a repository at a commit) as safetensors."""
    at = f", revision={revision!r}" if revision else ""
    target = f"{Path(source).name if revision else source}-safetensors"
    code = (
        f"from diffusers import DiffusionPipeline as P; P.from_pretrained({str(source)!r}{at}, safety_checker=None)"
        f".save_pretrained({target!r})"
    )
    return f'python -c "{code}"'


def single_weights_file(checkpoint_dir: Path, names: tuple[str, ...]) -> Path:
    """Return the first of these safetensors files in a folder whose weights are one file.

    Raises
    ------
    CheckpointError
        If there is none, also where there are pickled weights.
    """
    found = [checkpoint_dir / name for name in names if (checkpoint_dir / name).is_file()]
    if found:
        return found[0]
    if not checkpoint_dir.is_dir():
        raise CheckpointError(
            f"{checkpoint_dir}: no checkpoint there, expected a folder with {names[0]}. Set `path` or `hub` in its YAML."
        )
    pickled = sorted(path for path in checkpoint_dir.iterdir() if path.suffix in PICKLE_SUFFIXES)
    if not pickled:
        raise CheckpointError(f"{checkpoint_dir}: found no weights, expected {names[0]}.")
    code = (
        "import torch; from safetensors.torch import save_file; "
        f"s = torch.load({str(pickled[0])!r}, map_location='cpu', weights_only=True); s = s.get('state_dict', s); "
        f"save_file({{k: v.clone().contiguous() for k, v in s.items()}}, {str(checkpoint_dir / names[0])!r})"
    )
    raise CheckpointError(
        f"{checkpoint_dir}: found {pickled[0].name} and no {names[0]}. Pickled weights are refused, as they can run any code. "
        f'If you trust them, convert them: python -c "{code}"'
    )


def is_read(name: str) -> bool:
    """Return whether a diffusion model is loaded from this file of its folder or repository, named relative to it.

    Published repositories also hold other precisions and parts that no family reads.
    """
    subfolder, _, file = name.rpartition("/")
    if not subfolder:
        return name == MODEL_INDEX
    if subfolder not in checkpoint_folders():
        return False
    if file.endswith(".safetensors"):
        return "." not in file.removesuffix(".safetensors")  # not model.fp16.safetensors, model.non_ema.safetensors
    return file.endswith(TEXT_SUFFIXES)


def is_needed(model: Model, name: str) -> bool:
    """Return whether the model is loaded from this file. These files are downloaded, and the model's digest covers them."""
    if isinstance(model, Clip):
        return "/" not in name and (name in OPEN_CLIP_WEIGHTS or name.endswith(TEXT_SUFFIXES))
    if isinstance(model, Supervised):
        return name in (*TIMM_WEIGHTS, "config.json")
    return is_read(name)


def list_files(checkpoint_dir: Path, wanted: Callable[[str], bool] = is_read) -> list[str]:
    """Return the sorted names, relative to `checkpoint_dir`, of the wanted files of a checkpoint; none if there is no such folder."""
    paths = (path for pattern in ("*", "*/*") for path in checkpoint_dir.glob(pattern) if path.is_file())
    return sorted(name for name in (path.relative_to(checkpoint_dir).as_posix() for path in paths) if wanted(name))


def file_stamps(model: Model, root: Path) -> list[tuple[str, int, int]]:
    """Return name, size in bytes and modification time in ns of each file of a model in a local folder.

    Snakemake repeats what depends on the model when this list changes. For a repository the list is empty: its commit identifies
    the files.
    """
    if not model.local_dir:
        return []
    checkpoint_dir = root / model.local_dir
    stats = [
        (name, (checkpoint_dir / name).stat())
        for name in list_files(checkpoint_dir, lambda name: is_needed(model, name))
    ]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def checkpoint_digests(checkpoint_dir: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of these files of a checkpoint, by name."""
    return {name: sha256_of(checkpoint_dir / name) for name in names}


def combine_digests(files: dict[str, str]) -> str:
    """Return one SHA-256 over the names and digests of a checkpoint's files."""
    return hashlib.sha256("".join(f"{name} {files[name]}\n" for name in sorted(files)).encode()).hexdigest()


@dataclass(frozen=True)
class CheckpointRecord:
    """A diffusion model's checkpoint as recorded in the file `record` before anything was computed with it.

    Attributes
    ----------
    record : Path
        The file, written from the result of `inspect_checkpoint`.
    checkpoint_dir : Path
        The checkpoint.
    digest : str
        SHA-256 over all files, a part of every score's key.
    files : dict of str to str
        SHA-256 of each file, by its name relative to `checkpoint_dir`.
    """

    record: Path
    checkpoint_dir: Path
    digest: str
    files: dict[str, str]

    @classmethod
    def read(cls, record: Path) -> "CheckpointRecord":
        """Read a record. Raises CheckpointError if it has no digests of files."""
        content = read_record(record)
        if "files" not in content:
            raise CheckpointError(
                f"{record}: found {', '.join(content)}, expected also the files' digests. Delete it and re-run the same command."
            )
        return cls(record, Path(content["folder"]), content["digest"], content["files"])

    def adapter(self) -> type[Denoiser]:
        """Return the adapter of the checkpoint's family."""
        return adapter_class(self.checkpoint_dir)

    def verified_path(self, subfolders: Iterable[str] | None = None) -> Path:
        """Return the checkpoint's path after its files' digests have been compared with the recorded ones.

        Parameters
        ----------
        subfolders : iterable of str, optional
            The sub-folders that the caller reads; files of others, which are often larger, are not compared. Default: all files.

        Raises
        ------
        CheckpointError
            If a file is missing, added or changed.
        """
        prefixes = ("",) if subfolders is None else (MODEL_INDEX, *(f"{subfolder}/" for subfolder in subfolders))
        expected = {name: value for name, value in self.files.items() if name.startswith(prefixes)}
        found = checkpoint_digests(
            self.checkpoint_dir, [name for name in list_files(self.checkpoint_dir) if name.startswith(prefixes)]
        )
        differing = sorted(name for name in found.keys() | expected if found.get(name) != expected.get(name))
        if differing:
            name = differing[0]
            now, then = (files[name][:16] if name in files else "no such file" for files in (found, expected))
            raise CheckpointError(
                f"{self.checkpoint_dir / name}: found sha256 {now}, expected {then} as recorded in {self.record} ({len(differing)} of "
                f"{len(expected)} files differ). Nothing was computed with it. Delete {self.record} and re-run the same command: outputs "
                "are then rebuilt with the current weights; stored scores of the old weights are kept."
            )
        return self.checkpoint_dir

"""A checkpoint folder before anything is loaded from it: whole, of a known family, and its digest. Needs no torch."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from diffzero.config import Clip, Model, Supervised
from diffzero.utils.io import read_json, sha256_of

# Parts that hold weights and are used; a safety checker, say, may be in any format, as nobody opens it.
NETWORKS = ("unet", "transformer")
PARTS = (*NETWORKS, "vae", "text_encoder", "text_encoder_2", "text_encoder_3")
MODEL_INDEX = "model_index.json"
TEXT_SUFFIXES = (".json", ".txt", ".model")  # configurations and tokenizers
OPEN_CLIP_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
TIMM_WEIGHTS = ("model.safetensors",)
# The folders that scores, text embeddings and latents are computed from; the beginnings of their names.
SCORING_PARTS = (*NETWORKS, "scheduler", "image_noising_scheduler")
TEXT_PARTS, LATENT_PARTS = ("text_encoder", "tokenizer"), ("vae",)


class CheckpointError(ValueError):
    """A checkpoint folder that is not there, not whole or of an unknown family."""


def refuse_pickles(folder: Path) -> None:
    """Raise CheckpointError for a part without safetensors weights; nothing is ever unpickled."""
    present = [folder / part for part in PARTS if (folder / part).is_dir()]
    if not any(part.name in NETWORKS for part in present):
        raise CheckpointError(f"{folder}: found no unet or transformer folder, expected one with safetensors weights.")
    for part in present:
        if not list(part.glob("*.safetensors")):
            raise CheckpointError(
                f"{part}: found no safetensors weights. Weights in pickled `.bin` files are refused, as they can run any code. "
                f"Convert them where you trust them, then set `path` to the new folder: {conversion_command(folder)}"
            )


def conversion_command(source: Path | str, revision: str | None = None) -> str:
    """The command that writes a checkpoint with `.bin` weights (a folder, or a repository at a commit) again as safetensors."""
    at = f", revision={revision!r}" if revision else ""
    target = f"{Path(source).name if revision else source}-safetensors"
    code = (
        f"from diffusers import DiffusionPipeline as P; P.from_pretrained({str(source)!r}{at}, safety_checker=None)"
        f".save_pretrained({target!r})"
    )
    return f'python -c "{code}"'


def single_weights_file(folder: Path, names: tuple[str, ...]) -> Path:
    """The first of these safetensors files in a folder whose weights are one file. Raises CheckpointError, also for pickles alone."""
    found = [folder / name for name in names if (folder / name).is_file()]
    if found:
        return found[0]
    if not folder.is_dir():
        raise CheckpointError(
            f"{folder}: no checkpoint there, expected a folder with {names[0]}. Set `path` or `hub` in its YAML."
        )
    pickled = sorted(path for path in folder.iterdir() if path.suffix in (".bin", ".pt", ".pth", ".ckpt"))
    if not pickled:
        raise CheckpointError(f"{folder}: found no weights, expected {names[0]}.")
    code = (
        "import torch; from safetensors.torch import save_file; "
        f"s = torch.load({str(pickled[0])!r}, map_location='cpu', weights_only=True); s = s.get('state_dict', s); "
        f"save_file({{k: v.clone().contiguous() for k, v in s.items()}}, {str(folder / names[0])!r})"
    )
    raise CheckpointError(
        f"{folder}: found {pickled[0].name} and no {names[0]}. Pickled weights are refused, as they can run any code. Convert them where "
        f'you trust them: python -c "{code}"'
    )


def is_used(name: str) -> bool:
    """Whether a diffusion model is loaded from this file of its folder or repository, which may hold other precisions and extras."""
    folder, _, file = name.rpartition("/")
    if not folder:
        return name == MODEL_INDEX
    numbered = "/" not in folder and folder.startswith(("tokenizer", "scheduler"))  # tokenizer_2, ...
    if not numbered and folder not in (*PARTS, "image_noising_scheduler"):
        return False
    if file.endswith(".safetensors"):
        return "." not in file.removesuffix(".safetensors")  # model.fp16.safetensors, model.non_ema.safetensors
    return file.endswith(TEXT_SUFFIXES)


def is_needed(model: Model, name: str) -> bool:
    """Whether the model is loaded from this file: what is downloaded of a repository, and what its digest is made of."""
    if isinstance(model, Clip):
        return "/" not in name and (name in OPEN_CLIP_WEIGHTS or name.endswith(TEXT_SUFFIXES))
    if isinstance(model, Supervised):
        return name in (*TIMM_WEIGHTS, "config.json")
    return is_used(name)


def list_files(folder: Path, wanted: Callable[[str], bool] = is_used) -> list[str]:
    """The wanted files of a checkpoint, by their names relative to `folder`, sorted. None where there is no such folder."""
    there = (path for pattern in ("*", "*/*") for path in folder.glob(pattern) if path.is_file())
    return sorted(name for name in (path.relative_to(folder).as_posix() for path in there) if wanted(name))


def file_stamps(model: Model, root: Path) -> list[tuple[str, int, int]]:
    """Name, bytes and time of change of each file of a model that lies in a local folder: another list, other weights.

    Of a repository none: its commit says what it holds.
    """
    if not model.local:
        return []
    folder = root / model.local
    facts = [(name, (folder / name).stat()) for name in list_files(folder, lambda name: is_needed(model, name))]
    return [(name, fact.st_size, fact.st_mtime_ns) for name, fact in facts]


def file_digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of these files of a checkpoint, by name."""
    return {name: sha256_of(folder / name) for name in names}


def combine_digests(files: dict[str, str]) -> str:
    """One SHA-256 over the names and digests of a checkpoint's files."""
    return hashlib.sha256("".join(f"{name} {files[name]}\n" for name in sorted(files)).encode()).hexdigest()


@dataclass(frozen=True)
class CheckpointRecord:
    """A diffusion model's checkpoint as `rule weights` found it, on record in the file `record`."""

    record: Path
    folder: Path
    digest: str
    files: dict[str, str]  # SHA-256 by name

    @classmethod
    def read(cls, record: Path) -> "CheckpointRecord":
        """What `weights.inspect` wrote. Raises CheckpointError for the record of an earlier version."""
        found = read_json(record)
        if "files" not in found:
            raise CheckpointError(
                f"{record}: found {', '.join(found)}, expected also the files' digests. Delete it and type the same command again."
            )
        return cls(record, Path(found["folder"]), found["digest"], found["files"])

    def verified_path(self, parts: tuple[str, ...] = ("",)) -> Path:
        """The folder. Raises CheckpointError where its files are not those on record, by their bytes.

        `parts`: beginnings of the names that matter to the caller; those of the other files, often the larger ones, are not read.
        """
        parts = (*parts, "model_index.json")
        expected = {name: value for name, value in self.files.items() if name.startswith(parts)}
        found = file_digests(self.folder, [name for name in list_files(self.folder) if name.startswith(parts)])
        differing = sorted(name for name in found.keys() | expected if found.get(name) != expected.get(name))
        if differing:
            name = differing[0]
            now, then = (files[name][:16] if name in files else "no such file" for files in (found, expected))
            raise CheckpointError(
                f"{self.folder / name}: found sha256 {now}, expected {then}, as on record in {self.record} ({len(differing)} of "
                f"{len(expected)} files differ). Nothing was computed with it. Delete {self.record} and type the same command again: "
                "everything is then made with the weights that are there now; stored scores of the old ones stay theirs."
            )
        return self.folder

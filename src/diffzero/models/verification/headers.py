"""Names and shapes of the tensors of one part of a checkpoint, from the headers of its safetensors files; no weights are read."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from diffzero.models.errors import CheckpointError

Shapes = dict[str, tuple[int, ...]]

DIFFUSERS_STEM: Final = "diffusion_pytorch_model"  # stem of the weight files of networks and VAEs
TRANSFORMERS_STEM: Final = "model"  # of text encoders
WEIGHTS, INDEX = ".safetensors", ".safetensors.index.json"
LFS_POINTER: Final = b"version https://git-lfs"
FLOATS: Final = ("F64", "F32", "F16", "BF16")
COPY_AGAIN: Final = "Copy or download the file again."
INTEGER_BUFFERS: Final = ("position_ids", "num_batches_tracked", "relative_position_index", "attn_mask")
ADAPTER: Final = re.compile(r"lora.*\.safetensors$|^adapter_(model|config)\.")
LORA_ADVICE: Final = (
    "diffzero reads no LoRA: merge it with diffusers (load_lora_weights, fuse_lora, unload_lora_weights, save_pretrained) and set "
    "`path` to the new folder, or remove it."
)


def read_shapes(part_dir: Path, stem: str) -> Shapes:
    """Return the shape of each tensor in the weight files of a part, by name.

    Parameters
    ----------
    part_dir : Path
        Folder of the part.
    stem : str
        Stem of the weight files that the part's library loads.

    Raises
    ------
    CheckpointError
        If a file is missing, truncated, a Git LFS pointer, or not in safetensors format.
    """
    if problem := describe_adapter(str(part_dir), (path.name for path in part_dir.glob("*"))):
        raise CheckpointError(problem)
    single, index = part_dir / f"{stem}{WEIGHTS}", part_dir / f"{stem}{INDEX}"
    if stem == TRANSFORMERS_STEM and single.is_file():  # transformers prefers the single file, diffusers the index
        return read_header(single)
    if index.is_file():
        return _read_shards(index)
    if single.is_file():
        return read_header(single)
    raise CheckpointError(describe_missing_weights(str(part_dir), stem, (path.name for path in part_dir.glob("*"))))


def describe_missing_weights(part: str, stem: str, names: Iterable[str]) -> str:
    """Return the message for a part whose files `names` do not contain the weights that its library loads."""
    names = sorted(names)
    shards = [name for name in names if name.startswith(f"{stem}-") and name.endswith(WEIGHTS)]
    others = [name for name in names if name.endswith(WEIGHTS) and name not in shards]
    variants = [name for name in others if name.startswith((f"{stem}.", f"{stem}-"))]
    expected = f"expected {stem}{WEIGHTS}, or {stem}{INDEX} and the files that it lists"
    if shards:
        return (
            f"{part}: found {len(shards)} of several files with weights ({shards[0]}) without their index, {expected}."
        )
    if variants:
        return (
            f"{part}: found no safetensors weights but another variant ({', '.join(variants)}), {expected}. To use this variant, "
            f"copy it to {stem}{WEIGHTS} in a folder of your own and set `path` to that folder."
        )
    found = f"found no safetensors weights but {others[0]}" if others else "found no safetensors weights"
    return f"{part}: {found}, {expected}."


def describe_adapter(part: str, names: Iterable[str]) -> str | None:
    """Return the message for a part with a LoRA or another PEFT adapter beside its weights; None if there is none."""
    found = sorted(name for name in names if ADAPTER.search(name.lower()))
    return (
        f"{part}: found a LoRA or another adapter ({found[0]}), expected the part's own weights. {LORA_ADVICE}"
        if found
        else None
    )


def _read_shards(index: Path) -> Shapes:
    """Return the shapes of the tensors in the files that an index lists."""
    content = read_json_file(index)
    weight_map = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index}: found no `weight_map`, expected the file of each tensor. {COPY_AGAIN}")
    files = sorted(set(map(str, weight_map.values())))
    foreign = [name for name in files if "/" in name or "." in name.removesuffix(WEIGHTS) or not name.endswith(WEIGHTS)]
    if foreign:  # such a file is neither downloaded nor part of the digest
        raise CheckpointError(
            f"{index}: found the file {foreign[0]}, expected files like NAME-00001-of-00002{WEIGHTS} beside it."
        )
    missing = [name for name in files if not (index.parent / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{index.parent}: found {len(files) - len(missing)} of {len(files)} files of weights, expected also {', '.join(missing)} "
            f"(listed in {index.name}). {COPY_AGAIN}"
        )
    found = {name: read_header(index.parent / name) for name in files}
    for tensor, file in weight_map.items():
        if tensor not in found[str(file)]:
            raise CheckpointError(
                f"{index.parent / str(file)}: found no tensor {tensor}, expected it as {index.name} lists it. {COPY_AGAIN}"
            )
    return {tensor: shape for shapes in found.values() for tensor, shape in shapes.items()}


def read_header(path: Path) -> Shapes:
    """Return the shape of each tensor in a safetensors file. The file's size is compared with its header."""
    from safetensors import SafetensorError, safe_open

    require_no_pointer(path)
    try:
        with safe_open(path, framework="np") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (the file is not iterable)
            types = {name: str(tensor.get_dtype()) for name, tensor in slices.items()}
            shapes = {name: tuple(tensor.get_shape()) for name, tensor in slices.items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: found {path.stat().st_size} bytes that do not match the file's header ({error}), expected a whole safetensors "
            f"file; it is truncated or damaged. {COPY_AGAIN}"
        ) from None
    quantised = sorted(
        name for name, kind in types.items() if kind not in FLOATS and not name.endswith(INTEGER_BUFFERS)
    )
    if quantised:
        raise CheckpointError(
            f"{path}: found tensor {quantised[0]} of type {types[quantised[0]]}, expected one of {', '.join(FLOATS)}: quantised weights "
            "are not read. Use the repository with the original weights."
        )
    return shapes


def require_no_pointer(path: Path) -> None:
    """Raise CheckpointError if the file is a Git LFS pointer."""
    with path.open("rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            raise CheckpointError(
                f"{path}: found a Git LFS pointer, expected the file itself. Run `git lfs pull` in the clone it was copied from."
            )


def read_json_file(path: Path) -> object:
    """Return the content of a JSON file of a checkpoint. Raises CheckpointError if it is missing or cannot be read."""
    if not path.is_file():
        raise CheckpointError(f"{path}: not found, expected a part of the checkpoint. {COPY_AGAIN}")
    require_no_pointer(path)
    try:
        content: object = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_refuse_repeated_keys)
    except (ValueError, RecursionError) as error:  # JSON, UTF-8, a repeated key, or brackets in brackets without end
        raise CheckpointError(f"{path}: cannot be read as JSON ({error}). {COPY_AGAIN}") from None
    return content


def _refuse_repeated_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)} is given twice")
    return content


def read_config(path: Path) -> dict[str, object]:
    """Return a JSON file that holds keys and values. Raises CheckpointError."""
    content = read_json_file(path)
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: found {type(content).__name__}, expected keys and values. {COPY_AGAIN}")
    return content

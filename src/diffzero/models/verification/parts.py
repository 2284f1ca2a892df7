"""Verify a checkpoint in diffusers' layout: the parts that its family reads, each by itself and against each other."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from diffzero.models.errors import CheckpointError
from diffzero.models.verification.configuration import (
    PRIVATE,
    class_defaults,
    require_scheduler,
    require_supported_keys,
)
from diffzero.models.verification.headers import read_config
from diffzero.models.verification.key_tables import Values
from diffzero.models.verification.listing import MODEL_INDEX, find_missing_file
from diffzero.models.verification.tensors import import_class, require_tensors
from diffzero.models.verification.tokenizers import TOKENIZER_OF, require_tokenizer

if TYPE_CHECKING:
    from diffzero.models.base import Denoiser

Configs = dict[str, dict[str, Any]]
OTHER: Final = (
    "docs/models.md lists the families that are read; use a checkpoint of one of them, or copy the file again."
)
# Parts of pipelines that the scores do not depend on.
UNUSED_PARTS: Final = ("safety_checker", "feature_extractor", "watermarker", "image_encoder")
UNUSED_SETTINGS: Final = (
    "requires_safety_checker",
    "force_zeros_for_empty_prompt",
)  # the second is about negative prompts
# Classes of parts by the first word of their name, where the family does not name one.
DEFAULT_CLASSES: Final[Mapping[str, tuple[str, ...]]] = {
    "text": tuple(TOKENIZER_OF),
    "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast", "T5Tokenizer", "T5TokenizerFast"),
}


def verify_checkpoint(checkpoint_dir: Path, adapter: type["Denoiser"]) -> None:
    """Raise CheckpointError if a part of a checkpoint is missing, not whole, not supported, or does not fit another part.

    Parameters
    ----------
    checkpoint_dir : Path
        The checkpoint.
    adapter : type
        The adapter of its family.
    """
    files = [path.relative_to(checkpoint_dir).as_posix() for path in checkpoint_dir.glob("*/*") if path.is_file()]
    index = read_index(checkpoint_dir, adapter)
    if problem := find_missing_file(files, index, adapter):
        raise CheckpointError(f"{checkpoint_dir}: {problem}")
    verify_configurations(checkpoint_dir, adapter)
    for part in adapter.weight_folders():
        if name := index[part]:
            require_tensors(checkpoint_dir / part, import_class(name))
    for part in adapter.TEXT_ENCODERS:
        if name := index[part]:
            require_tokenizer(checkpoint_dir, part.replace("text_encoder", "tokenizer"), import_class(name))


def read_index(checkpoint_dir: Path, adapter: type["Denoiser"]) -> dict[str, str | None]:
    """Return the class of each part that the family reads, None for an optional part that the checkpoint does without.

    Raises
    ------
    CheckpointError
        If model_index.json lists a part of another class, lacks one, or lists one that no adapter reads.
    """
    path = checkpoint_dir / MODEL_INDEX
    content = read_config(path)
    listed = {key: value for key, value in content.items() if isinstance(value, list)}
    without = {part for part in adapter.OPTIONAL_PARTS if not any(listed.get(part, ()))}
    without |= {part.replace("text_encoder", "tokenizer") for part in without}
    classes = adapter.part_classes()
    found: dict[str, str | None] = {}
    for part in adapter.folders():
        if part in without:
            found[part] = None
            continue
        name = (listed.get(part) or [None])[-1]
        accepted = classes.get(part, DEFAULT_CLASSES.get(part.partition("_")[0], ()))
        if name is None:
            raise CheckpointError(
                f"{path}: found no {part}, expected the class of each part of a {adapter.PIPELINE}. {OTHER}"
            )
        if accepted and name not in accepted:
            raise CheckpointError(f"{path}: found {part} of class {name}, expected {' or '.join(accepted)}. {OTHER}")
        found[part] = accepted[0] if accepted and part in classes else str(name)
    known = {*found, *UNUSED_PARTS, *UNUSED_SETTINGS, *PRIVATE}
    for key, value in content.items():
        if key not in known and (any(value) if isinstance(value, list) else value):
            raise CheckpointError(f"{path}: found {key}: {value}, which {adapter.__name__} does not read. {OTHER}")
    return found


def verify_configurations(checkpoint_dir: Path, adapter: type["Denoiser"]) -> None:
    """Raise CheckpointError if a configuration file has a key that is not supported, or if two parts do not fit. Reads no weights."""
    index, configs = read_index(checkpoint_dir, adapter), Configs()
    for part in adapter.weight_folders():
        if name := index[part]:
            configs[part] = require_part_configuration(
                checkpoint_dir / part, import_class(name), adapter.CONFIG_VALUES.get(part)
            )
    for part in adapter.SCHEDULERS:
        require_scheduler(checkpoint_dir / part / "scheduler_config.json", index[part])
    for problem in adapter.find_conflicts(configs):
        raise CheckpointError(f"{checkpoint_dir}: {problem}. The parts are of different models. {OTHER}")


def require_part_configuration(
    part_dir: Path, part_class: type[Any], values: Mapping[str, Values] | None = None
) -> dict[str, Any]:
    """Return the configuration of a part, with the class's defaults, after its keys have been looked up."""
    config = require_supported_keys(part_dir / "config.json", part_class, values)
    return {**class_defaults(part_class), **config}


def require_part(
    checkpoint_dir: Path, part: str, part_class: type[Any], values: Mapping[str, Values] | None = None
) -> None:
    """Raise CheckpointError if one part of a checkpoint is not whole or not supported; loaders call it before they load."""
    require_part_configuration(checkpoint_dir / part, part_class, values)
    require_tensors(checkpoint_dir / part, part_class)

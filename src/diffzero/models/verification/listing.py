"""Find out from a list of file names, of a folder or a repository, whether a checkpoint has every file that is read."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from diffzero.models.verification.headers import (
    DIFFUSERS_STEM,
    INDEX,
    TRANSFORMERS_STEM,
    WEIGHTS,
    describe_adapter,
    describe_missing_weights,
)
from diffzero.models.verification.tokenizers import TOKENIZER_OF, describe_missing_vocabulary

if TYPE_CHECKING:
    from diffzero.models.base import Denoiser

MODEL_INDEX: Final = "model_index.json"
SHARD: Final = re.compile(r"(?P<stem>[^.]+)-\d{5}-of-(?P<count>\d{5})\.safetensors")


def find_missing_file(files: Iterable[str], index: Mapping[str, str | None], adapter: type["Denoiser"]) -> str | None:
    """Return what a checkpoint with these files lacks; None if it lacks nothing.

    Parameters
    ----------
    files : iterable of str
        Names of its files, relative to its folder.
    index : mapping of str to str
        Class of each part that is read, None for a part that the checkpoint does without.
    adapter : type
        The adapter of its family.
    """
    by_part: dict[str, list[str]] = {part: [] for part, name in index.items() if name}
    for file in files:
        part, _, name = file.rpartition("/")
        by_part.get(part, []).append(name)
    for part, names in by_part.items():
        if not names:
            expected = ", ".join(by_part)
            return f"found no {part} folder, expected the parts that {MODEL_INDEX} lists and {adapter.__name__} reads: {expected}."
        if part in adapter.weight_folders():
            stem = TRANSFORMERS_STEM if part in adapter.TEXT_ENCODERS else DIFFUSERS_STEM
            problem = describe_adapter(part, names) or _find_missing_weights(part, stem, names)
            problem = problem or _find_missing_name(part, "config.json", names)
        elif part in adapter.SCHEDULERS:
            problem = _find_missing_name(part, "scheduler_config.json", names)
        else:
            encoder = index.get(part.replace("tokenizer", "text_encoder"))
            problem = (
                describe_missing_vocabulary(part, TOKENIZER_OF[encoder], names) if encoder in TOKENIZER_OF else None
            )
            problem = problem or _find_missing_name(part, "tokenizer_config.json", names)
        if problem:
            return problem
    return None


def _find_missing_name(part: str, name: str, names: list[str]) -> str | None:
    return (
        None
        if name in names
        else f"{part}: found {', '.join(sorted(names))}, expected also {name}. Copy or download it again."
    )


def _find_missing_weights(part: str, stem: str, names: list[str]) -> str | None:
    """Return what a part lacks: its weights, their index, or some of the files that the index lists."""
    shards = {name: match for name in names if (match := SHARD.fullmatch(name)) and match["stem"] == stem}
    is_single, is_sharded = f"{stem}{WEIGHTS}" in names, f"{stem}{INDEX}" in names
    if is_single and (not is_sharded or stem == TRANSFORMERS_STEM):
        return None
    if not is_sharded:
        return describe_missing_weights(part, stem, names)
    count = max((int(match["count"]) for match in shards.values()), default=0)
    missing = {f"{stem}-{k:05d}-of-{count:05d}{WEIGHTS}" for k in range(1, count + 1)} - shards.keys()
    if missing or (not shards and not is_single):
        lost = ", ".join(sorted(missing)) or "the files that it lists"
        return f"{part}: found {len(shards)} of {count} files of weights beside {stem}{INDEX}, expected also {lost}."
    return None

"""Refuse configuration files with a key that would be ignored, by the tables of `key_tables`."""

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from diffzero.diffusion.schedule import read_schedule
from diffzero.diffusion.schedulers import FLOW_SCHEDULER, VP_SCHEDULERS, require_known_scheduler
from diffzero.models.errors import CheckpointError
from diffzero.models.verification.headers import COPY_AGAIN, read_config
from diffzero.models.verification.key_tables import KEY_TABLES, REQUIRED_KEYS, KeyTable, Values
from diffzero.models.verification.ranges import find_unfit
from diffzero.models.verification.tensors import is_transformers_class

NO_DEFAULT: Final = object()
# Other classes that a published configuration may name: diffusers loads the file with the class in model_index.json.
ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "PixArtTransformer2DModel": ("Transformer2DModel",),
    **dict.fromkeys(VP_SCHEDULERS, VP_SCHEDULERS),
}
OTHER_CHECKPOINT: Final = "Use another checkpoint."
PRIVATE: Final = ("_class_name", "_diffusers_version", "_name_or_path", "_commit_hash")  # they describe the file
OFF: Final = (None, False)  # values of a key that the class does not know, which switch nothing on


def require_supported_keys(
    path: Path, part_class: type[Any], family_values: Mapping[str, Values] | None = None
) -> dict[str, object]:
    """Return a configuration file after each of its keys has been looked up.

    Parameters
    ----------
    path : Path
        The file.
    part_class : type
        The class of diffusers or transformers that reads it.
    family_values : mapping of str to tuple, optional
        The values of some keys that the model's family supports; they replace those of the table.

    Raises
    ------
    CheckpointError
        If a key has a value that is not supported, or if it is unknown and does not have the class's default.
    """
    config, name = read_config(path), part_class.__name__
    stated = config.get("_class_name")
    if stated not in (None, name) and stated not in ALIASES.get(name, ()):
        raise CheckpointError(f"{path}: found a {stated}, expected a {name}. Use a checkpoint of a supported family.")
    table, defaults = KEY_TABLES.get(name), class_defaults(part_class)
    for key, value in config.items():
        default = defaults.get(key, NO_DEFAULT)
        if key in PRIVATE or (
            default is not NO_DEFAULT and is_same(value, default) and key not in (family_values or {})
        ):
            continue
        if table is not None and (
            problem := _find_problem(key, value, table, family_values or {}, key in defaults or not defaults)
        ):
            raise CheckpointError(f"{path}: found {key}: {json.dumps(value)}, {problem}")
    _require_ranges(path, config, table)
    _require_written_keys(path, config, name)
    for key, values in (family_values or {}).items():
        if key not in config and not _is_among(defaults.get(key), values):
            raise CheckpointError(
                f"{path}: found no {key}, expected {_format(values)} as in other checkpoints of the family."
            )
    return config


def _require_ranges(path: Path, config: Mapping[str, object], table: KeyTable | None) -> None:
    """Raise CheckpointError if a value that changes the output is of another type than its key, or out of its range."""
    honoured = table.honoured if table is not None else frozenset()
    if problem := find_unfit({key: value for key, value in config.items() if key in honoured}):
        raise CheckpointError(f"{path}: {problem}. {COPY_AGAIN}")


def _require_written_keys(path: Path, config: Mapping[str, object], name: str) -> None:
    """Raise CheckpointError if a key is lost without which the class `name` would use its default in silence."""
    needless: tuple[str, ...] = ()
    if config.get("trained_betas") is not None:
        needless = ("beta_schedule", "beta_start", "beta_end")
    elif config.get("beta_schedule") == "squaredcos_cap_v2":
        needless = ("beta_start", "beta_end")
    lost = [key for key in REQUIRED_KEYS.get(name, ()) if key not in config and key not in needless]
    if lost:
        raise CheckpointError(
            f"{path}: found no {', '.join(lost)}, expected every key that a {name} is saved with: defaults would be used in silence. "
            f"{COPY_AGAIN}"
        )


def _find_problem(
    key: str, value: object, table: KeyTable, family_values: Mapping[str, Values], in_class: bool
) -> str | None:
    """Return what is wrong with a value that is not the class's default; None if it is supported."""
    if key in family_values:
        supported = _is_among(value, family_values[key])
        reason = table.restricted[key][1] if key in table.restricted else "this family's pipeline does not use it"
        return None if supported else f"expected {_format(family_values[key])}: {reason}. {OTHER_CHECKPOINT}"
    if key in table.restricted:
        values, reason = table.restricted[key]
        return None if _is_among(value, values) else f"expected {_format(values)}: {reason}. {OTHER_CHECKPOINT}"
    if key in table.without_effect or any(value is off for off in OFF) or (key in table.honoured and in_class):
        return None
    if key in table.honoured:
        return "which its class does not read, expected it absent. Remove it, or set `_class_name` to a class that reads it."
    return (
        "expected it absent or at its default: diffzero does not know this key and would ignore it. If it changes nothing that is "
        "computed, add it to diffzero.models.verification.key_tables."
    )


def class_defaults(part_class: type[Any]) -> dict[str, object]:
    """Return the default of each key that the class reads."""
    if hasattr(part_class, "config_class") and is_transformers_class(part_class):
        return {**part_class.config_class().to_dict(), "use_attention_mask": False}
    if is_transformers_class(part_class):  # tokenizers: any key is read, and there is no default to compare with
        return {}
    parameters = inspect.signature(part_class.__init__).parameters
    return {key: p.default for key, p in parameters.items() if p.default is not inspect.Parameter.empty}


def is_same(value: object, other: object) -> bool:
    """Return whether two values are equal as JSON: a list equals a tuple, but 1 is not true."""
    return json.dumps(value, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)


def _is_among(value: object, values: Values) -> bool:
    return any(is_same(value, other) for other in values)


def _format(values: Values) -> str:
    return " or ".join(json.dumps(value) for value in values)


def require_scheduler(path: Path, listed: str | None) -> None:
    """Raise CheckpointError if the scheduler of a checkpoint is not supported.

    Parameters
    ----------
    path : Path
        Its scheduler_config.json.
    listed : str or None
        The scheduler's class in model_index.json, with which diffusers reads the file.
    """
    import diffusers

    config, checkpoint_dir = read_config(path), path.parent.parent
    try:
        read_schedule(checkpoint_dir, path.parent.name)
    except Exception as error:  # any error of a configuration with values of another type
        reason = str(error) if isinstance(error, ValueError) else f"{path}: cannot be read ({error!r})"
        raise CheckpointError(reason) from None
    try:
        require_known_scheduler(listed or FLOW_SCHEDULER)
    except ValueError as error:
        raise CheckpointError(f"{checkpoint_dir / 'model_index.json'}: {error}") from None
    name = str(config.get("_class_name", listed or "DDPMScheduler"))
    if listed is not None and (listed == FLOW_SCHEDULER) != (name == FLOW_SCHEDULER):
        raise CheckpointError(
            f"{path}: found {name}, expected {listed} as model_index.json lists it. Correct one of them."
        )
    require_supported_keys(path, getattr(diffusers, listed or name))

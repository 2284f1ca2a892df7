"""Compare the tensors in the files of a part with those that the part's configuration describes."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from diffzero.models.errors import CheckpointError
from diffzero.models.verification.headers import DIFFUSERS_STEM, LORA_ADVICE, TRANSFORMERS_STEM, Shapes, read_shapes

if TYPE_CHECKING:
    import torch

LORA: Final = re.compile(r"(^|[._])lora([._]|$)")

# Tensors that published files hold and the class does not, by class: they have no part in what diffzero computes.
CLIP_EXTRAS: Final = r"position_ids$|^(vision_model|visual_projection)\.|^logit_scale$"
EXTRAS: Final[Mapping[str, str]] = {
    "CLIPTextModel": rf"{CLIP_EXTRAS}|^text_projection\.",
    "CLIPTextModelWithProjection": CLIP_EXTRAS,
    "T5EncoderModel": r"^decoder\.|^lm_head\.",
}
# Names of one tensor of which a file holds at least one.
TIED: Final[Mapping[str, tuple[str, ...]]] = {"T5EncoderModel": ("shared.weight", "encoder.embed_tokens.weight")}
DEPRECATED_ATTENTION: Final = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def import_class(name: str) -> type[Any]:
    """Return a class of diffusers or transformers. Raises CheckpointError if neither has it."""
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        if hasattr(library, name):
            found: type[Any] = getattr(library, name)
            return found
    raise CheckpointError(
        f"{name}: no class of diffusers {diffusers.__version__} or transformers {transformers.__version__}."
    )


def is_transformers_class(part_class: type[Any]) -> bool:
    """Return whether the class belongs to transformers, which names files and tensors in its own way."""
    return part_class.__module__.startswith("transformers.")


def weights_stem(part_class: type[Any]) -> str:
    """Return the stem of the weight files that the class loads."""
    return TRANSFORMERS_STEM if is_transformers_class(part_class) else DIFFUSERS_STEM


def build_on_meta(build: Callable[[], "torch.nn.Module"], where: str) -> "torch.nn.Module":
    """Build a network without memory for its weights. Raises CheckpointError if its configuration describes no network."""
    import torch

    try:
        with torch.device("meta"):
            return build()
    except Exception as error:  # any error of the class's constructor
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise CheckpointError(
            f"{where}: describes no network ({type(error).__name__}: {reason}). Correct the configuration."
        ) from None


def shapes_of(network: "torch.nn.Module") -> Shapes:
    """Return the shape of each tensor that the network loads, by name."""
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def require_tensors(part_dir: Path, part_class: type[Any]) -> None:
    """Raise CheckpointError if the files of a part do not hold exactly the tensors that its config.json describes."""
    found = read_shapes(part_dir, weights_stem(part_class))
    config_path = part_dir / "config.json"
    network = build_on_meta(lambda: _build(part_class, part_dir), str(config_path))
    expected, name = shapes_of(network), part_class.__name__
    if is_transformers_class(part_class):
        found, expected = (
            {_without_prefix(key): shape for key, shape in shapes.items()} for shapes in (found, expected)
        )
    else:
        found = _with_current_names(found, network)
    present = [key for key in TIED.get(name, ()) if key in found]
    for key in TIED.get(name, ()) if present else ():
        found.setdefault(key, found[present[0]])
    extras = re.compile(EXTRAS.get(name, r"(?!)"))
    found = {key: shape for key, shape in found.items() if key in expected or not extras.search(key)}
    require_equal_shapes(found, expected, str(part_dir), f"{name} with {config_path}")


def _build(part_class: type[Any], part_dir: Path) -> Any:
    if is_transformers_class(part_class):
        return part_class(part_class.config_class.from_pretrained(part_dir))
    return part_class.from_config(part_class.load_config(part_dir))


def _without_prefix(name: str) -> str:
    return name.removeprefix("text_model.")


def _with_current_names(found: Shapes, network: "torch.nn.Module") -> Shapes:
    """Return the shapes under current names: diffusers converts those of old attention blocks (`query` for `to_q`)."""
    paths = [path for path, module in network.named_modules() if getattr(module, "_from_deprecated_attn_block", False)]
    names = {f"{path}.{old}.": f"{path}.{new}." for path in paths for old, new in DEPRECATED_ATTENTION.items()}

    def current(name: str) -> str:
        stem, dot, kind = name.rpartition(".")
        return names.get(f"{stem}.", f"{stem}{dot}") + kind

    return {current(name): shape for name, shape in found.items()}


def require_equal_shapes(found: Shapes, expected: Shapes, where: str, described_by: str) -> None:
    """Raise CheckpointError with the first differences between the tensors found and expected.

    Parameters
    ----------
    found, expected : dict
        Shape of each tensor, by name.
    where : str
        Folder or file of the tensors found.
    described_by : str
        Class and configuration that describe the expected ones.
    """
    loras = sorted(name for name in found if LORA.search(name) and name not in expected)
    if loras:
        raise CheckpointError(
            f"{where}: found a LoRA (tensor {loras[0]}), expected the network's own weights. {LORA_ADVICE}"
        )
    missing, unexpected = sorted(expected.keys() - found), sorted(found.keys() - expected)
    wrong = sorted(name for name in found.keys() & expected if found[name] != expected[name])
    problems = [f"found no {_shorten(missing)}"] if missing else []
    problems += [f"found {_shorten(unexpected)}, which the configuration does not describe"] if unexpected else []
    problems += [
        f"found {name} of shape {_format(found[name])}, expected {_format(expected[name])}" for name in wrong[:1]
    ]
    problems += [f"{len(wrong) - 1} more tensors of another shape"] if len(wrong) > 1 else []
    if problems:
        raise CheckpointError(
            f"{where}: {'; '.join(problems)}. Expected the {len(expected)} tensors of {described_by}; nothing is filled in or left out. "
            "Copy or download the whole part again, configuration and weights from one source."
        )


def _shorten(names: list[str]) -> str:
    return (
        f"tensor {names[0]}"
        if len(names) == 1
        else f"{len(names)} tensors ({', '.join(names[:2])}{', ...' * (len(names) > 2)})"
    )


def _format(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"

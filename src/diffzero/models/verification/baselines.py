"""Verify the checkpoints of baselines: tensors against the architecture, keys of the configuration, and the tokenizer of a CLIP."""

from pathlib import Path
from typing import Any, Final

from diffzero.models.errors import CheckpointError
from diffzero.models.verification.configuration import OFF
from diffzero.models.verification.headers import Shapes, read_config, read_header
from diffzero.models.verification.tensors import build_on_meta, require_equal_shapes, shapes_of

# Keys of open_clip_config.json and of its `preprocess_cfg`. Those of `model_cfg` are arguments of open_clip's model, which refuses others.
CLIP_KEYS: Final = {"model_cfg", "preprocess_cfg"}
PREPROCESSING_KEYS: Final = {
    *("mean", "std"),  # honoured
    # Without effect: a CLIP sees the same crops as the diffusion models, at the size of its architecture (docs/models.md).
    *("size", "mode", "interpolation", "resize_mode", "fill_color"),
}
# Keys of timm's config.json. timm honours the first; the others describe the file or the outputs.
TIMM_KEYS: Final = {
    *("architecture", "num_classes", "global_pool", "model_args", "pretrained_cfg"),
    *("num_features", "label_names", "label_descriptions", "license", "tags", "library_name", "citation"),
}


def verify_clip(architecture: str | None, weights: Path) -> None:
    """Raise CheckpointError if the weights of a CLIP do not fit its architecture.

    Parameters
    ----------
    architecture : str or None
        Name of the architecture in open_clip; None if open_clip_config.json beside the weights describes it.
    weights : Path
        The safetensors file.
    """
    import open_clip
    from open_clip.model import convert_to_custom_text_state_dict

    config_path = weights.with_name("open_clip_config.json")
    if config_path.is_file():
        config = read_config(config_path)
        _require_known_keys(config_path, config, CLIP_KEYS)
        _require_known_keys(config_path, config.get("preprocess_cfg") or {}, PREPROCESSING_KEYS)
    if architecture is not None and open_clip.get_model_config(architecture) is None:
        raise CheckpointError(
            f"architecture {architecture!r}: unknown to open_clip. open_clip.list_models() lists the known names."
        )
    found, source = read_header(weights), architecture or f"local-dir:{weights.parent}"
    options = {"load_weights": False, "pretrained_text": False, "device": "meta"}
    network = build_on_meta(lambda: open_clip.create_model(source, **options), architecture or str(config_path))
    expected = shapes_of(network)
    if "positional_embedding" in found and "positional_embedding" not in expected:  # the layout of OpenAI's CLIP
        found = convert_to_custom_text_state_dict(found)
    # open_clip reshapes the first, and fills in the second, on which no similarity depends; newer versions do without the third.
    for name in expected.keys() & {"logit_scale", "logit_bias"}:
        expected[name] = (
            found.setdefault(name, expected[name]) if name == "logit_bias" else found.get(name, expected[name])
        )
    found = {name: shape for name, shape in found.items() if name in expected or not name.endswith("position_ids")}
    require_equal_shapes(found, expected, str(weights), f"architecture {source}")


def verify_timm(weights: Path) -> None:
    """Raise CheckpointError if the weights of a supervised network do not fit the config.json beside them."""
    import timm

    config_path = weights.with_name("config.json")
    config = read_config(config_path)
    if "pretrained_cfg" in config:  # in files of old versions, its keys are at the top
        _require_known_keys(config_path, config, TIMM_KEYS)
    network = build_on_meta(
        lambda: timm.create_model(f"local-dir:{weights.parent}", pretrained=False), str(config_path)
    )
    found, expected = read_header(weights), shapes_of(network)
    counters: Shapes = {name: () for name in expected if name.endswith("num_batches_tracked")}  # PyTorch fills them in
    require_equal_shapes(counters | found, expected, str(weights), f"the network in {config_path}")


def _require_known_keys(path: Path, config: Any, known: set[str]) -> None:
    """Raise CheckpointError if a configuration has a key that nothing reads, unless it switches nothing on."""
    unknown = sorted(
        key for key, value in dict(config).items() if key not in known and not any(value is off for off in OFF)
    )
    if unknown:
        raise CheckpointError(
            f"{path}: found the key {unknown[0]}, expected only {', '.join(sorted(known))}: it would be ignored. If it changes "
            "nothing that is computed, add it to diffzero.models.verification.baselines."
        )

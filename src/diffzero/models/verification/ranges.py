"""The types and ranges of keys that the shapes of tensors do not settle: a value outside would end in a wrong number or a late error."""

import math
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeGuard


class Range(NamedTuple):
    """The values that a key accepts: a test of one value, and its description in messages."""

    accepts: Callable[[object], bool]
    expected: str


def _is_number(value: object) -> TypeGuard[int | float]:
    """Return whether the value is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _or_none(found: Range) -> Range:
    return Range(lambda value: value is None or found.accepts(value), f"{found.expected}, or null")


def _or_list(found: Range) -> Range:
    """Return the range of a key with one value for all blocks or a list with one value per block."""

    def accepts(value: object) -> bool:  # lists in lists: the layers of each transformer in a block
        return all(map(accepts, value)) if isinstance(value, list) and value else found.accepts(value)

    return Range(accepts, f"{found.expected}, or a list of such values")


POSITIVE: Final = Range(lambda value: _is_number(value) and value > 0, "a finite number above 0")
NUMBER: Final = Range(_is_number, "a finite number")
INTEGER: Final = Range(
    lambda value: isinstance(value, int) and _is_number(value) and value > 0, "a whole number above 0"
)
SWITCH: Final = Range(lambda value: value is None or isinstance(value, bool), "true or false")
ZERO_OR_ONE: Final = Range(lambda value: _is_number(value) and value in (0, 1), "0 or 1")
NON_EMPTY: Final = Range(lambda value: isinstance(value, str) and bool(value), "a text that is not empty")
FRACTION: Final = Range(lambda value: _is_number(value) and 0 < value < 1, "a number above 0 and below 1")

RANGES: Final[Mapping[str, Range]] = {
    **dict.fromkeys(("norm_eps", "layer_norm_eps", "layer_norm_epsilon", "beta_start", "beta_end"), FRACTION),
    **dict.fromkeys(("resnet_out_scale_factor", "mid_block_scale_factor", "scaling_factor", "shift"), POSITIVE),
    "shift_factor": _or_none(NUMBER),
    "interpolation_scale": _or_none(POSITIVE),
    **dict.fromkeys(("freq_shift", "downsample_padding"), ZERO_OR_ONE),
    **dict.fromkeys(
        (
            *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "max_position_embeddings"),
            *("d_model", "d_kv", "d_ff", "num_heads", "relative_attention_num_buckets"),
            *("relative_attention_max_distance", "latent_channels", "patch_size", "num_train_timesteps"),
            *("num_layers", "in_channels", "projection_dim", "pos_embed_max_size"),
            *("joint_attention_dim", "pooled_projection_dim"),
        ),
        INTEGER,
    ),
    **dict.fromkeys(("norm_num_groups", "addition_embed_type_num_heads", "out_channels"), _or_none(INTEGER)),
    **dict.fromkeys(("addition_time_embed_dim", "projection_class_embeddings_input_dim"), _or_none(INTEGER)),
    **dict.fromkeys(
        (
            *("num_attention_heads", "attention_head_dim", "layers_per_block", "block_out_channels"),
            *("cross_attention_dim", "transformer_layers_per_block", "reverse_transformer_layers_per_block"),
        ),
        _or_none(_or_list(INTEGER)),
    ),
    **dict.fromkeys(("act_fn", "hidden_act", "activation_fn", "dense_act_fn", "feed_forward_proj"), NON_EMPTY),
    **dict.fromkeys(
        (
            *("flip_sin_to_cos", "center_input_sample", "upcast_attention", "use_linear_projection"),
            *("resnet_skip_time_act", "mid_block_only_cross_attention", "use_quant_conv", "use_post_quant_conv"),
            *("mid_block_add_attention", "attention_bias", "norm_elementwise_affine", "is_gated_act"),
            *("use_attention_mask", "rescale_betas_zero_snr"),
        ),
        SWITCH,
    ),
    "only_cross_attention": _or_list(SWITCH),
}


def find_unfit(config: Mapping[str, object]) -> str | None:
    """Return the first value of a configuration that is of another type or out of range, and what is expected; None if all fit."""
    for key, value in config.items():
        if key in RANGES and not RANGES[key].accepts(value):
            return f"found {key}: {value!r}, expected {RANGES[key].expected}"
    return None

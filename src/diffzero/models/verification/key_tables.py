"""The keys of configuration files, by the class that reads them: honoured, without effect here, or accepted with some values only.

A key that is in no table is refused unless it has the class's default (see `configuration`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from diffzero.diffusion.schedulers import FLOW_SCHEDULER, VP_SCHEDULERS

Values = tuple[object, ...]


@dataclass(frozen=True)
class KeyTable:
    """The keys of one class.

    Attributes
    ----------
    honoured : frozenset of str
        Keys that change the output as they do in diffusers' pipeline.
    without_effect : mapping of str to str
        Keys that change nothing that diffzero computes, and why.
    restricted : mapping of str to (tuple, str)
        Keys of which only some values are supported: these values, and why others are refused.
    """

    honoured: frozenset[str]
    without_effect: Mapping[str, str] = field(default_factory=dict)
    restricted: Mapping[str, tuple[Values, str]] = field(default_factory=dict)


def _keys(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _because(reason: str, text: str) -> dict[str, str]:
    return dict.fromkeys(text.split(), reason)


QUANTISED = ((None,), "quantised weights are not read")
TRAINING = "it acts in training only"
GENERATED_SIZE = "it is the default size of generated images"

UNET: Final = KeyTable(
    _keys(
        "act_fn addition_embed_type_num_heads addition_time_embed_dim attention_head_dim block_out_channels center_input_sample "
        "conv_in_kernel conv_out_kernel cross_attention_dim cross_attention_norm down_block_types downsample_padding encoder_hid_dim "
        "flip_sin_to_cos freq_shift in_channels layers_per_block mid_block_only_cross_attention mid_block_scale_factor mid_block_type "
        "norm_eps norm_num_groups num_attention_heads only_cross_attention out_channels projection_class_embeddings_input_dim "
        "resnet_out_scale_factor resnet_skip_time_act resnet_time_scale_shift reverse_transformer_layers_per_block time_embedding_act_fn "
        "time_embedding_dim time_embedding_type timestep_post_act transformer_layers_per_block up_block_types upcast_attention "
        "use_linear_projection"
    ),
    {"sample_size": GENERATED_SIZE, "dropout": TRAINING},
    {
        "time_cond_proj_dim": (
            (None,),
            "the network is distilled with an embedding of the guidance scale (LCM), which scores lack",
        ),
        "class_embed_type": ((None,), "the network is conditioned on class labels, which this pipeline does not give"),
        "num_class_embeds": ((None,), "the network is conditioned on class labels, which this pipeline does not give"),
        "class_embeddings_concat": (
            (False,),
            "the network is conditioned on class labels, which this pipeline does not give",
        ),
        "addition_embed_type": ((None, "text"), "the network reads further inputs, which this pipeline does not give"),
        "encoder_hid_dim_type": ((None, "text_proj"), "the network reads image embeddings, which scores lack"),
        "dual_cross_attention": ((False,), "the network reads two conditions, and scores have one prompt"),
        "attention_type": (("default",), "the network reads boxes or other conditions (GLIGEN), which scores lack"),
        "quantization_config": QUANTISED,
    },
)

SD3_TRANSFORMER: Final = KeyTable(
    _keys(
        "sample_size patch_size in_channels num_layers attention_head_dim num_attention_heads joint_attention_dim caption_projection_dim "
        "pooled_projection_dim out_channels pos_embed_max_size dual_attention_layers qk_norm"
    ),
    restricted={"quantization_config": QUANTISED},
)

PIXART_TRANSFORMER: Final = KeyTable(
    _keys(
        "num_attention_heads attention_head_dim in_channels out_channels num_layers norm_num_groups cross_attention_dim attention_bias "
        "sample_size patch_size activation_fn num_embeds_ada_norm upcast_attention norm_type norm_elementwise_affine norm_eps "
        "interpolation_scale caption_channels"
    ),
    {"dropout": TRAINING},
    {
        "use_additional_conditions": (
            (None, False),
            "the network reads resolution and aspect ratio (PixArt-Alpha at 1024 pixels)",
        ),
        "attention_type": (("default",), "the network reads boxes or other conditions (GLIGEN), which scores lack"),
        "quantization_config": QUANTISED,
    },
)

VAE: Final = KeyTable(
    _keys(
        "down_block_types up_block_types block_out_channels layers_per_block act_fn latent_channels norm_num_groups scaling_factor "
        "shift_factor use_quant_conv use_post_quant_conv mid_block_add_attention"
    ),
    {"sample_size": "it is the tile size of very large images", "force_upcast": "VAEs always run in float32"},
    {
        "in_channels": ((3,), "images have three channels"),
        "out_channels": ((3,), "images have three channels"),
        "latents_mean": ((None,), "statistics per channel are not supported; they belong into diffzero.models.latent"),
        "latents_std": ((None,), "statistics per channel are not supported; they belong into diffzero.models.latent"),
        "quantization_config": QUANTISED,
    },
)

# Keys that transformers writes into the configuration of any model.
TRANSFORMERS_COMMON: Final = {
    **_because("it describes the file", "architectures transformers_version model_type torch_dtype dtype name_or_path torchscript"),
    **_because(TRAINING, "dropout gradient_checkpointing initializer_range initializer_factor attention_dropout"),
    **_because("it changes what a call returns, which diffzero states", (
        "return_dict use_return_dict output_attentions output_hidden_states"
    )),
    **_because("it acts on generated text, heads or losses", (
        "use_cache id2label label2id problem_type num_labels task_specific_params finetuning_task classifier_dropout max_length "
        "chunk_size_feed_forward tie_word_embeddings tie_encoder_decoder is_encoder_decoder bos_token_id decoder_start_token_id"
    )),
}  # fmt: skip
ENCODER_RESTRICTIONS: Final[Mapping[str, tuple[Values, str]]] = {
    "quantization_config": QUANTISED,
    "is_decoder": ((False,), "a text encoder is no decoder"),
    "add_cross_attention": ((False,), "a text encoder is no decoder"),
    "pruned_heads": (({}, None), "heads are not pruned"),
}

CLIP_ENCODER: Final = KeyTable(
    _keys(
        "vocab_size hidden_size intermediate_size projection_dim num_hidden_layers num_attention_heads max_position_embeddings hidden_act "
        "layer_norm_eps eos_token_id use_attention_mask"
    ),
    {**TRANSFORMERS_COMMON, "pad_token_id": "the tokenizer pads"},
    {**ENCODER_RESTRICTIONS, "model_type": (("clip_text_model",), "the text encoder is CLIP's text model alone")},
)

T5_ENCODER: Final = KeyTable(
    _keys(
        "vocab_size d_model d_kv d_ff num_layers num_heads relative_attention_num_buckets relative_attention_max_distance "
        "layer_norm_epsilon feed_forward_proj dense_act_fn is_gated_act"
    ),
    {
        **TRANSFORMERS_COMMON,
        **_because(TRAINING, "dropout_rate"),
        **_because(
            "it describes the decoder, which is not used", "num_decoder_layers scale_decoder_outputs output_past"
        ),
        **_because("T5 has relative positions", "n_positions"),
        **_because("the tokenizer ends and pads prompts", "pad_token_id eos_token_id"),
    },
    {
        **ENCODER_RESTRICTIONS,
        "model_type": (("t5",), "the text encoder is T5"),
        "use_attention_mask": ((None, False), "the pipelines of T5 give their own mask"),
    },
)

NOT_THE_IDS = "it changes how tokens are decoded or how the tokenizer is stored"
TOKENIZER_COMMON: Final = KeyTable(
    _keys(
        "bos_token eos_token unk_token pad_token model_max_length added_tokens_decoder additional_special_tokens extra_special_tokens "
        "extra_ids padding_side cls_token sep_token mask_token"
    ),
    {
        **_because(NOT_THE_IDS, (
            "errors clean_up_tokenization_spaces spaces_between_special_tokens name_or_path special_tokens_map_file tokenizer_file "
            "from_slow use_fast is_local local_files_only backend processor_class model_input_names legacy chat_template"
        )),
        **_because("prompts are padded and never truncated", (
            "max_length stride truncation_side truncation_strategy pad_to_multiple_of pad_token_type_id"
        )),
    },
    {
        "split_special_tokens": ((False,), "special tokens are not split"),
        "sp_model_kwargs": (({}, None), "sampled segmentations are not supported"),
        "auto_map": ((None,), "code of a repository is not run"),
    },
)  # fmt: skip
CLIP_TOKENIZER: Final = KeyTable(
    TOKENIZER_COMMON.honoured,
    TOKENIZER_COMMON.without_effect,
    {
        **TOKENIZER_COMMON.restricted,
        "do_lower_case": ((True,), "CLIPTokenizer always lower-cases"),
        "add_prefix_space": ((False,), "CLIPTokenizer adds no space"),
        "tokenizer_class": (("CLIPTokenizer", "CLIPTokenizerFast"), "CLIP encoders need CLIP's tokenizer"),
    },
)
T5_TOKENIZER: Final = KeyTable(
    TOKENIZER_COMMON.honoured,
    {**TOKENIZER_COMMON.without_effect, "add_prefix_space": "T5Tokenizer always adds a space"},
    {
        **TOKENIZER_COMMON.restricted,
        "tokenizer_class": (("T5Tokenizer", "T5TokenizerFast"), "T5 encoders need T5's tokenizer"),
    },
)

SAMPLER = "it changes the steps of the sampler, not alpha, sigma or the timestep of a noise level"
SAMPLER_KEYS: Final = _because(
    SAMPLER,
    "set_alpha_to_one skip_prk_steps steps_offset timestep_spacing clip_sample clip_sample_range thresholding dynamic_thresholding_ratio "
    "sample_max_value variance_type interpolation_type use_karras_sigmas use_exponential_sigmas use_beta_sigmas use_lu_lambdas sigma_min "
    "sigma_max final_sigmas_type solver_order algorithm_type solver_type lower_order_final euler_at_final lambda_min_clipped "
    "time_shift_type predict_x0 disable_corrector solver_p base_shift max_shift base_image_seq_len max_image_seq_len stochastic_sampling "
    "original_inference_steps timestep_scaling flow_shift use_flow_sigmas use_dynamic_shifting invert_sigmas shift_terminal",
)
# The keys that diffzero.diffusion.schedule honours, or refuses with some values.
VP_KEYS: Final = KeyTable(
    _keys(
        "num_train_timesteps beta_start beta_end beta_schedule trained_betas prediction_type rescale_betas_zero_snr timestep_type"
    ),
    SAMPLER_KEYS,
    {"shift": ((1.0,), "it belongs to a flow schedule, and this scheduler has betas")},
)
FLOW_KEYS: Final = KeyTable(
    _keys("num_train_timesteps shift"),
    {**SAMPLER_KEYS, **_because("a flow schedule has no betas", "beta_start beta_end beta_schedule trained_betas")},
    {
        "prediction_type": ((None, "epsilon", "flow_prediction"), "a flow schedule predicts eps - x"),
        "rescale_betas_zero_snr": ((False,), "a flow schedule has no betas"),
        "timestep_type": (("discrete",), "the network gets the timestep T sigma"),
    },
)

KEY_TABLES: Final[Mapping[str, KeyTable]] = {
    "UNet2DConditionModel": UNET,
    "SD3Transformer2DModel": SD3_TRANSFORMER,
    "PixArtTransformer2DModel": PIXART_TRANSFORMER,
    "AutoencoderKL": VAE,
    "CLIPTextModel": CLIP_ENCODER,
    "CLIPTextModelWithProjection": CLIP_ENCODER,
    "T5EncoderModel": T5_ENCODER,
    "CLIPTokenizer": CLIP_TOKENIZER,
    "T5Tokenizer": T5_TOKENIZER,
    FLOW_SCHEDULER: FLOW_KEYS,
    **dict.fromkeys(VP_SCHEDULERS, VP_KEYS),
}

# Keys that save_pretrained always writes and that no tensor's shape settles: without one, the class's default would be used in silence.
CLIP_REQUIRED: Final = ("num_attention_heads", "hidden_act", "layer_norm_eps")
REQUIRED_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "CLIPTextModel": CLIP_REQUIRED,
    "CLIPTextModelWithProjection": CLIP_REQUIRED,
    "T5EncoderModel": ("num_heads", "feed_forward_proj", "layer_norm_epsilon"),
    "UNet2DConditionModel": (
        "attention_head_dim",
        "act_fn",
        "norm_eps",
        "norm_num_groups",
        "flip_sin_to_cos",
        "freq_shift",
    ),
    FLOW_SCHEDULER: ("_class_name", "shift"),
    **dict.fromkeys(VP_SCHEDULERS, ("_class_name", "beta_start", "beta_end", "beta_schedule")),
}

"""The untrained mini models: Stable Diffusion v1, DeepFloyd IF-I and CLIP with a few channels."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from diffusers import AutoencoderKL, DDPMScheduler, PNDMScheduler, UNet2DConditionModel
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel, T5Tokenizer

TOKENS = 24  # length of padded prompts; the longest caption has 20
WIDTH = 128  # hidden size of both text encoders
LATENT_CHANNELS = 8
SD_PIXELS = 32
IF_PIXELS = 24  # smaller than Stable Diffusion's, as in the large models (64 and 512)


def clip_tokenizer(corpus: Iterable[str]) -> CLIPTokenizer:
    """Fit CLIP's byte-level BPE to captions.

    Parameters
    ----------
    corpus : iterable of str
        Captions; each of their words becomes one token.

    Returns
    -------
    CLIPTokenizer
        A tokenizer that is the same in every process. Words that are not in the captions are split into bytes.
    """
    alphabet, texts = sorted(pre_tokenizers.ByteLevel.alphabet()), [text.lower() for text in corpus]
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    # Equally frequent merges are ordered by the ids of their parts. Unless listed, last letters get ids in random order.
    words = {word for text in texts for word, _ in bpe.pre_tokenizer.pre_tokenize_str(text)}
    ends = dict.fromkeys(word[-1] + "</w>" for word in sorted(words))
    trainer = trainers.BpeTrainer(
        vocab_size=2048,
        special_tokens=[*alphabet, *ends],
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    merges = [tuple(merge) for merge in json.loads(bpe.to_str())["model"]["merges"]]
    letters = [*alphabet, *(letter + "</w>" for letter in alphabet)]
    pieces = dict.fromkeys([*letters, *map("".join, merges), "<|startoftext|>", "<|endoftext|>"])
    return CLIPTokenizer(vocab={p: i for i, p in enumerate(pieces)}, merges=merges, model_max_length=TOKENS)


def t5_tokenizer(corpus: Iterable[str]) -> T5Tokenizer:
    """Return T5's unigram tokenizer with the words of captions.

    Parameters
    ----------
    corpus : iterable of str
        Captions; each of their words is one token.

    Returns
    -------
    T5Tokenizer
        The tokenizer. Words that are not in the captions are split into characters.

    Notes
    -----
    A digit is always a character. As a word it would be one token in `the digit 7` and another in `the number: "7"`, and the model would
    learn each from a part of the captions.
    """
    words = Counter(word for text in corpus for word in re.findall(r"[a-z-]+", text.lower()))
    total = sum(words.values())
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    vocab += [("▁" + word, math.log(count / total)) for word, count in sorted(words.items())]
    vocab += [(piece, -20.0) for piece in ["▁", *map(chr, range(33, 127))]]
    return T5Tokenizer(vocab=vocab, extra_ids=0, model_max_length=TOKENS)


def clip_text_model(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Return a two-layer CLIP text encoder."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=TOKENS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def t5_encoder(tokenizer: T5Tokenizer) -> T5EncoderModel:
    """Return a two-layer T5 v1.1 encoder."""
    return T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=WIDTH,
            d_kv=WIDTH // 4,
            d_ff=2 * WIDTH,
            num_layers=2,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
            dropout_rate=0.0,
        )
    )


def autoencoder() -> AutoencoderKL:
    """Return a VAE from 32 x 32 pixels to 8 x 8 x 8 latents (Stable Diffusion: 512 x 512 to 64 x 64 x 4)."""
    return AutoencoderKL(
        block_out_channels=(32, 48, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=LATENT_CHANNELS,
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=SD_PIXELS,
    )


def sd_unet() -> UNet2DConditionModel:
    """Return a small U-Net of Stable Diffusion: cross-attention, and no attention at the lowest resolution."""
    return UNet2DConditionModel(
        sample_size=SD_PIXELS // 4,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=(64, 128),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=8,
    )


def if_unet() -> UNet2DConditionModel:
    """Return a small U-Net of IF: ResNet down- and upsampling, added-key attention, pooled text, and variance in the output."""
    return UNet2DConditionModel(
        sample_size=IF_PIXELS,
        in_channels=3,
        out_channels=6,
        block_out_channels=(24, 48, 96),
        layers_per_block=1,
        down_block_types=("ResnetDownsampleBlock2D", "ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D", "ResnetUpsampleBlock2D"),
        cross_attention_dim=WIDTH,
        encoder_hid_dim=WIDTH,
        encoder_hid_dim_type="text_proj",
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
        attention_head_dim=16,
        cross_attention_norm="group_norm",
        resnet_time_scale_shift="scale_shift",
        resnet_skip_time_act=True,
        act_fn="gelu",
        norm_num_groups=8,
    )


def sd_scheduler() -> PNDMScheduler:
    """Return a scheduler with the configuration of Stable Diffusion v1.4."""
    return PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        set_alpha_to_one=False,
        skip_prk_steps=True,
        steps_offset=1,
    )


def if_scheduler() -> DDPMScheduler:
    """Return a scheduler with the configuration of IF-I: cosine schedule, learned variance, dynamic thresholding while sampling."""
    return DDPMScheduler(
        beta_schedule="squaredcos_cap_v2",
        variance_type="learned_range",
        thresholding=True,
        dynamic_thresholding_ratio=0.95,
        sample_max_value=1.5,
    )


CLIP_CONFIG: dict[str, dict[str, Any]] = {
    "model_cfg": {
        "embed_dim": WIDTH,
        "vision_cfg": {"image_size": SD_PIXELS, "layers": 4, "width": WIDTH, "head_width": 32, "patch_size": 4},
        "text_cfg": {"context_length": TOKENS, "vocab_size": 49408, "width": 96, "heads": 4, "layers": 3},
    },
    # OpenAI's statistics, so that the preprocessing differs from ViT-L/14's only in size.
    "preprocess_cfg": {
        "mean": [0.48145466, 0.4578275, 0.40821073],
        "std": [0.26862954, 0.26130258, 0.27577711],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    },
}

"""The text encoders of the families: prompts in, float32 states out. A scoring job does not import this module."""

from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor
from transformers import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    T5EncoderModel,
    T5Tokenizer,
)
from transformers.utils import ModelOutput

from diffzero.models.base import batch_slices, check_length
from diffzero.models.checkpoint import adapter_class
from diffzero.models.verification.parts import read_index, require_part
from diffzero.models.verification.tensors import import_class
from diffzero.models.verification.tokenizers import TOKENIZER_OF, require_tokenizer

TEXT_BATCH = 16
Tokenizer = TypeVar("Tokenizer", bound=PreTrainedTokenizerBase)


def first_equal_rows(ids: Tensor) -> Tensor:
    """Return for each row of token ids [prompt, token] the first row that is equal.

    Prompts with the same tokens get the states of the first: the last bits of a row depend on its position in a batch.
    """
    first: dict[tuple[int, ...], int] = {}
    return torch.tensor([first.setdefault(tuple(row), k) for k, row in enumerate(ids.tolist())])


def load_encoder(
    encoder_class: type[PreTrainedModel], checkpoint_dir: Path, part: str, device: torch.device | str
) -> PreTrainedModel:
    """Load the encoder in the sub-checkpoint_dir `part` in float32, regardless of the dtype of its file.

    Raises CheckpointError if its files are not whole, or its configuration is not supported.
    """
    require_part(checkpoint_dir, part, encoder_class)
    encoder = encoder_class.from_pretrained(checkpoint_dir, subfolder=part, dtype=torch.float32, use_safetensors=True)
    return encoder.eval().to(device)


def load_tokenizer(
    tokenizer_class: type[Tokenizer], encoder_class: type[PreTrainedModel], checkpoint_dir: Path, suffix: str
) -> Tokenizer:
    """Load the tokenizer of an encoder. Raises CheckpointError if its vocabulary is not whole or does not fit the encoder."""
    require_tokenizer(checkpoint_dir, f"tokenizer{suffix}", encoder_class)
    return tokenizer_class.from_pretrained(checkpoint_dir, subfolder=f"tokenizer{suffix}")


def tokenize_prompts(
    tokenizer: PreTrainedTokenizerBase, prompts: list[str], limit: int, name: str
) -> dict[str, Tensor]:
    """Return token ids and mask [prompt, limit], padded. Raises PromptTooLongError rather than truncate."""
    check_length(prompts, [len(ids) for ids in tokenizer(prompts)["input_ids"]], limit, name)
    return tokenizer(prompts, padding="max_length", max_length=limit, return_tensors="pt")


def require_prompts_fit(checkpoint_dir: Path, prompts: list[str], dataset: str = "") -> None:
    """Raise PromptTooLongError if a text encoder of a checkpoint would truncate a prompt; `dataset` is for the message.

    Only the tokenizers are loaded. Everything that is computed from prompts calls this before it loads a network.
    """
    adapter = adapter_class(checkpoint_dir)
    classes, cleaned = read_index(checkpoint_dir, adapter), adapter.clean_prompts(prompts)
    for part in adapter.TEXT_ENCODERS:
        encoder_name = classes[part]
        if encoder_name is None:  # a checkpoint of Stable Diffusion 3 without T5
            continue
        suffix = part.removeprefix("text_encoder")
        tokenizer_class = T5Tokenizer if TOKENIZER_OF[encoder_name] == "T5Tokenizer" else CLIPTokenizer
        tokenizer = load_tokenizer(tokenizer_class, import_class(encoder_name), checkpoint_dir, suffix)
        lengths = [len(ids) for ids in tokenizer(cleaned, verbose=False)["input_ids"]]
        name = f"{'T5' if tokenizer_class is T5Tokenizer else 'CLIP'} tokenizer{suffix}"
        limit = adapter.token_limit(f"tokenizer{suffix}", int(tokenizer.model_max_length))
        check_length(prompts, lengths, limit, name, dataset)


@torch.inference_mode()
def encode_clip_last(checkpoint_dir: Path, prompts: list[str], device: torch.device | str) -> Tensor:
    """Return CLIP's last hidden state [prompt, token, width], padded as in StableDiffusionPipeline."""
    tokenizer = load_tokenizer(CLIPTokenizer, CLIPTextModel, checkpoint_dir, "")
    encoder = load_encoder(CLIPTextModel, checkpoint_dir, "text_encoder", device)
    tokens = tokenize_prompts(tokenizer, prompts, tokenizer.model_max_length, "CLIP tokenizer")
    ids, mask = tokens["input_ids"].to(device), tokens["attention_mask"].to(device)
    # As in the pipeline, which masks the padding only for encoders with this key.
    masked = bool(getattr(encoder.config, "use_attention_mask", False))
    states = [
        encoder(ids[rows], attention_mask=mask[rows] if masked else None).last_hidden_state.cpu()
        for rows in batch_slices(len(ids), TEXT_BATCH)
    ]
    return torch.cat(states)[first_equal_rows(ids)]


@torch.inference_mode()
def encode_clip_penultimate(
    checkpoint_dir: Path, prompts: list[str], suffix: str, device: torch.device | str
) -> Tensor:
    """Return the penultimate hidden state [prompt, token, width] of a CLIP encoder without projection."""
    outputs, first = _clip_outputs(CLIPTextModel, checkpoint_dir, prompts, suffix, device)
    return torch.cat([output.hidden_states[-2].cpu() for output in outputs])[first]


@torch.inference_mode()
def encode_clip_projected(
    checkpoint_dir: Path, prompts: list[str], suffix: str, device: torch.device | str
) -> tuple[Tensor, Tensor]:
    """Return the penultimate hidden state [prompt, token, width] and the projected pooled state [prompt, width]."""
    outputs, first = _clip_outputs(CLIPTextModelWithProjection, checkpoint_dir, prompts, suffix, device)
    states = torch.cat([output.hidden_states[-2].cpu() for output in outputs])
    return states[first], torch.cat([output.text_embeds.cpu() for output in outputs])[first]


def _clip_outputs(
    encoder_class: type[PreTrainedModel],
    checkpoint_dir: Path,
    prompts: list[str],
    suffix: str,
    device: torch.device | str,
) -> tuple[list[ModelOutput], Tensor]:
    """Return the outputs of each batch of prompts, and `first_equal_rows` of the prompts."""
    tokenizer = load_tokenizer(CLIPTokenizer, encoder_class, checkpoint_dir, suffix)
    encoder = load_encoder(encoder_class, checkpoint_dir, f"text_encoder{suffix}", device)
    name = f"CLIP tokenizer{suffix}"
    ids = tokenize_prompts(tokenizer, prompts, tokenizer.model_max_length, name)["input_ids"].to(device)
    outputs = [encoder(ids[rows], output_hidden_states=True) for rows in batch_slices(len(ids), TEXT_BATCH)]
    return outputs, first_equal_rows(ids)


@torch.inference_mode()
def encode_t5(
    checkpoint_dir: Path,
    prompts: list[str],
    limit: int,
    device: torch.device | str,
    suffix: str = "",
    masked: bool = True,
) -> tuple[Tensor, Tensor]:
    """Return T5's last hidden state [prompt, limit, width] and its mask [prompt, limit].

    `masked` says whether the encoder gets the mask: it does in IF and PixArt, but not in Stable Diffusion 3.
    """
    tokenizer = load_tokenizer(T5Tokenizer, T5EncoderModel, checkpoint_dir, suffix)
    encoder = load_encoder(T5EncoderModel, checkpoint_dir, f"text_encoder{suffix}", device)
    tokens = tokenize_prompts(tokenizer, prompts, limit, f"T5 tokenizer{suffix}")
    ids, mask = tokens["input_ids"].to(device), tokens["attention_mask"].to(device)
    states = [
        encoder(ids[rows], attention_mask=mask[rows] if masked else None).last_hidden_state.cpu()
        for rows in batch_slices(len(ids), TEXT_BATCH)
    ]
    return torch.cat(states)[first_equal_rows(ids)], tokens["attention_mask"]


def t5_max_tokens(checkpoint_dir: Path, limit: int) -> int:
    """Return `limit`, or the length that the checkpoint's tokenizer allows where that is less (in mini checkpoints)."""
    tokenizer = load_tokenizer(T5Tokenizer, T5EncoderModel, checkpoint_dir, "")
    return min(limit, int(tokenizer.model_max_length))

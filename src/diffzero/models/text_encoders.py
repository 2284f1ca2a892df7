"""The text encoders of the families, one prompt list in, fp32 states out. A scoring job never imports this module."""

from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer, T5EncoderModel, T5Tokenizer

from diffzero.models.base import check_length, in_batches

ENCODE_BATCH = 16


def load_encoder(kind: type, folder: Path, part: str, device: torch.device):
    """The encoder `part` of a checkpoint in fp32, whatever the dtype of its file: text is encoded once."""
    return kind.from_pretrained(folder, subfolder=part, dtype=torch.float32, use_safetensors=True).eval().to(device)


def tokenize(tokenizer, prompts: list[str], limit: int, name: str) -> dict[str, Tensor]:
    """Token numbers and mask [prompt, limit]. Raises PromptTooLongError instead of cutting."""
    check_length(prompts, [len(ids) for ids in tokenizer(prompts)["input_ids"]], limit, name)
    return tokenizer(prompts, padding="max_length", max_length=limit, return_tensors="pt")


@torch.inference_mode()
def encode_clip_last(folder: Path, prompts: list[str], device: torch.device) -> Tensor:
    """CLIP's last hidden state [prompt, token, width], padded to the tokenizer's length, as in StableDiffusionPipeline."""
    tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer")
    encoder = load_encoder(CLIPTextModel, folder, "text_encoder", device)
    ids = tokenize(tokenizer, prompts, tokenizer.model_max_length, "CLIP tokenizer")["input_ids"].to(device)
    return torch.cat([encoder(ids[rows]).last_hidden_state.cpu() for rows in in_batches(len(ids), ENCODE_BATCH)])


@torch.inference_mode()
def encode_clip_penultimate(
    folder: Path, prompts: list[str], suffix: str, device: torch.device, projected: bool = True
) -> tuple[Tensor, Tensor | None]:
    """The last but one hidden state [prompt, token, width], and the pooled, projected one [prompt, width] where there is a projection."""
    tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder=f"tokenizer{suffix}")
    kind = CLIPTextModelWithProjection if projected else CLIPTextModel
    encoder = load_encoder(kind, folder, f"text_encoder{suffix}", device)
    ids = tokenize(tokenizer, prompts, tokenizer.model_max_length, f"CLIP tokenizer{suffix}")["input_ids"].to(device)
    outputs = [encoder(ids[rows], output_hidden_states=True) for rows in in_batches(len(ids), ENCODE_BATCH)]
    states = torch.cat([output.hidden_states[-2].cpu() for output in outputs])
    return states, torch.cat([output.text_embeds.cpu() for output in outputs]) if projected else None


@torch.inference_mode()
def encode_t5(
    folder: Path, prompts: list[str], limit: int, device: torch.device, suffix: str = "", masked: bool = True
) -> tuple[Tensor, Tensor]:
    """T5's last hidden state [prompt, limit, width] and its mask [prompt, limit].

    `masked`: whether the encoder itself gets the mask, as it does in IF and PixArt but not in Stable Diffusion 3.
    """
    tokenizer = T5Tokenizer.from_pretrained(folder, subfolder=f"tokenizer{suffix}")
    encoder = load_encoder(T5EncoderModel, folder, f"text_encoder{suffix}", device)
    tokens = tokenize(tokenizer, prompts, limit, f"T5 tokenizer{suffix}")
    ids, mask = tokens["input_ids"].to(device), tokens["attention_mask"].to(device)
    states = [
        encoder(ids[rows], attention_mask=mask[rows] if masked else None).last_hidden_state.cpu()
        for rows in in_batches(len(ids), ENCODE_BATCH)
    ]
    return torch.cat(states), tokens["attention_mask"]


def t5_max_tokens(folder: Path, limit: int) -> int:
    """`limit` tokens, or fewer where a (mini) checkpoint's tokenizer says so."""
    return min(limit, T5Tokenizer.from_pretrained(folder, subfolder="tokenizer").model_max_length)

"""DeepFloyd IF, stage I: a pixel U-Net under a T5 encoder; the open stand-in for Imagen's 64 x 64 model (Saharia et al. 2022)."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import T5EncoderModel, T5Tokenizer

from diffzero.denoisers.base import Arrays, Tensors, check_length, in_batches, to_pixels
from diffzero.denoisers.unet import UNetDenoiser

ENCODE_BATCH = 16
TEXT_TOKENS = 77  # IFPipeline.encode_prompt pads T5 to CLIP's length, on which IF was trained


class DeepFloydIF(UNetDenoiser):
    """x is the image itself in [-1, 1]; the network's output holds eps and a learned variance, of which eps is used."""

    FAMILY_VERSION = 2  # 2: the prediction is clipped

    def x0(self, x_t: Tensor, t: NDArray[np.float64], text: Tensors) -> Tensor:
        """The prediction of x, clipped to the range of pixels (Saharia et al. 2022, Section 2.3: static thresholding).

        As x lies in [-1, 1], clipping can only bring x_hat closer. Without it the score has no usable mean: IF's cosine
        schedule ends at alpha = 5e-5, where (x_t - sigma eps) / alpha turns an eps error of 0.001 into 20 at each pixel,
        and one draw in a thousand outweighs all others whatever `exp(-7t)` says.
        """
        return super().x0(x_t, t, text).clamp(-1, 1)

    def predict(self, x_t: Tensor, timestep: Tensor, text: Tensors) -> Tensor:
        return self.unet(x_t, timestep, text["states"]).sample[:, : x_t.shape[1]]

    @classmethod
    def encode_text(cls, folder: Path, prompts: list[str]) -> Arrays:
        """T5 reads lower-cased prompts with their mask; the U-Net gets all positions without one, as in IFPipeline."""
        tokenizer = T5Tokenizer.from_pretrained(folder, subfolder="tokenizer")
        encoder = T5EncoderModel.from_pretrained(
            folder, subfolder="text_encoder", dtype=torch.float32, use_safetensors=True
        ).eval()
        texts, limit = [prompt.lower().strip() for prompt in prompts], min(TEXT_TOKENS, tokenizer.model_max_length)
        check_length(prompts, [len(ids) for ids in tokenizer(texts)["input_ids"]], limit, "T5 tokenizer")
        tokens = tokenizer(texts, padding="max_length", max_length=limit, return_tensors="pt")
        states = []
        with torch.inference_mode():
            for rows in in_batches(len(texts), ENCODE_BATCH):
                ids, mask = tokens["input_ids"][rows], tokens["attention_mask"][rows]
                states.append(encoder(ids, attention_mask=mask).last_hidden_state)
        return {"states": torch.cat(states).numpy()}

    @classmethod
    def encode_images(cls, folder: Path, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).astype(np.float32) / 127.5 - 1

    def decode(self, x: Tensor) -> NDArray[np.uint8]:
        return to_pixels(x)

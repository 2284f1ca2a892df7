"""CLIP zero-shot, through open_clip (Radford et al. 2021): the class whose prompt lies nearest to the image."""

import numpy as np
import open_clip
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffzero.config import Clip
from diffzero.images import crops

BATCH = 64


def similarities(
    clip: Clip, table: pd.DataFrame, prompts: list[str], via: int | None, device: torch.device
) -> NDArray[np.float64]:
    """Cosine similarity [image, prompt] of each image with each prompt.

    Images go through the protocol's own crop (central square, then bicubic, over `via` pixels first where given), so
    that CLIP sees what the diffusion models see; open_clip's own normalisation follows.
    """
    model, _, _ = open_clip.create_model_and_transforms(clip.architecture, pretrained=clip.pretrained, device=device)
    tokenizer = open_clip.get_tokenizer(clip.architecture)
    size = model.visual.image_size
    pixels = crops(table, size[0] if isinstance(size, tuple) else size, via)
    mean, std = (torch.tensor(getattr(model.visual, name)).view(1, 3, 1, 1) for name in ("image_mean", "image_std"))
    x = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - mean) / std
    model.eval()
    with torch.inference_mode():
        tokens = tokenizer(prompts)
        text = encode(lambda rows: model.encode_text(rows, normalize=True), tokens, device)
        image = encode(lambda rows: model.encode_image(rows, normalize=True), x, device)
    return (image @ text.T).numpy()


def encode(function, inputs: Tensor, device: torch.device) -> Tensor:
    """`function` over batches of `inputs`, float64 on the CPU."""
    return torch.cat([function(rows.to(device)).double().cpu() for rows in inputs.split(BATCH)])


def predictions(items: pd.DataFrame, images: list[str], similarity: NDArray[np.float64]) -> pd.DataFrame:
    """One row an item with the columns of replay.predictions; a tie goes to the lowest label. `calls` is NaN: no denoiser ran."""
    row = {name: index for index, name in enumerate(images)}
    scores = [similarity[row[item.image], list(item.candidates)] for item in items.itertuples()]
    kept = items.drop(columns=["candidates", "classes"]).reset_index(drop=True)
    kept["prediction"] = [int(classes[s.argmax()]) for classes, s in zip(items["classes"], scores, strict=True)]
    kept["correct"] = kept["prediction"] == kept["label"]
    ties = [int((s == s.max()).sum()) > 1 for s in scores]
    return kept.assign(calls=np.nan, draws=0, undecided=False, tied=ties)

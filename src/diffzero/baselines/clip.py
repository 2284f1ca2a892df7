"""CLIP zero-shot, through open_clip (Radford et al. 2021): the class whose prompt lies nearest to the image."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from diffzero.baselines.base import normalise, prediction_table, run_in_batches
from diffzero.config import Clip
from diffzero.data.transforms import crop_images
from diffzero.models.checkpoint import OPEN_CLIP_WEIGHTS, CheckpointError, single_weights_file


def load(clip: Clip, folder: Path, device: torch.device) -> tuple[nn.Module, Callable[[list[str]], Tensor]]:
    """The model and its tokenizer, from the safetensors file in `folder`. Raises CheckpointError.

    open_clip builds the architecture and reads the weights; which file that is, it is not left to choose, as it would take pickles.
    """
    weights, config = single_weights_file(folder, OPEN_CLIP_WEIGHTS), folder / "open_clip_config.json"
    own = json.loads(config.read_text()) if config.is_file() else {}
    _refuse_other_activation(clip.named, own, folder)
    source = clip.named or f"local-dir:{folder}"
    # What the images were normalise by stands beside the weights; open_clip's default is OpenAI's.
    normalise = {key: own["preprocess_cfg"][key] for key in ("mean", "std") if key in own.get("preprocess_cfg", {})}
    model = open_clip.create_model(
        source, load_weights=False, pretrained_text=False, force_preprocess_cfg=normalise, device=device
    )
    try:
        open_clip.load_checkpoint(model, str(weights))
    except RuntimeError as error:
        raise CheckpointError(f"{weights}: does not fit {source}. {str(error).splitlines()[-1].strip()}") from None
    return model.eval(), open_clip.get_tokenizer(f"local-dir:{folder}" if own else source)


def _refuse_other_activation(named: str | None, own: dict, folder: Path) -> None:
    """Weights trained with QuickGELU run under another activation without complaint, and worse."""
    if named is None:
        return
    builtin = open_clip.get_model_config(named)
    if builtin is None:
        raise CheckpointError(
            f"architecture {named!r}: unknown to open_clip, whose open_clip.list_models() lists its names."
        )
    if own.get("model_cfg", {}).get("quick_gelu") and not builtin.get("quick_gelu"):
        raise CheckpointError(
            f"{folder}: weights of a model with QuickGELU, found architecture {named!r}. Write '{named}-quickgelu'."
        )


def image_text_similarities(
    clip: Clip, folder: Path, table: pd.DataFrame, prompts: list[str], downsample_to: int | None, device: torch.device
) -> NDArray[np.float64]:
    """Cosine similarity [image, prompt] of each image with each prompt.

    Images go through the protocol's own crop (central square, then bicubic, over `downsample_to` pixels first where given), so
    that CLIP sees what the diffusion models see; open_clip's own normalisation follows.
    """
    model, tokenizer = load(clip, folder, device)
    size = model.visual.image_size
    pixels = crop_images(table, size[0] if isinstance(size, tuple) else size, downsample_to)
    mean, std = (getattr(model.visual, name) for name in ("image_mean", "image_std"))
    with torch.inference_mode():
        tokens = tokenizer(prompts)
        text = run_in_batches(lambda rows: model.encode_text(rows, normalize=True), tokens, device)
        image = run_in_batches(
            lambda rows: model.encode_image(normalise(rows, mean, std), normalize=True),
            torch.from_numpy(pixels),
            device,
        )
    return (image @ text.T).numpy()


def clip_predictions(items: pd.DataFrame, images: list[str], similarity: NDArray[np.float64]) -> pd.DataFrame:
    """One row an item with the columns of replay_items; a tie goes to the lowest label."""
    row = {name: index for index, name in enumerate(images)}
    scores = [similarity[row[item.image], list(item.candidates)] for item in items.itertuples()]
    return prediction_table(items, list(items["classes"]), scores)

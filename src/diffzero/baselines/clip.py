"""CLIP as a zero-shot classifier (Radford et al. 2021), through open_clip: the class whose prompt is most similar to the image."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffzero.baselines.base import normalise, prediction_table, run_in_batches
from diffzero.config import Clip
from diffzero.data.equal_prompts import find_equal_prompts, merge_equal_prompts
from diffzero.data.transforms import crop_images
from diffzero.models.base import check_length
from diffzero.models.checkpoint import OPEN_CLIP_WEIGHTS, single_weights_file
from diffzero.models.errors import CheckpointError

if TYPE_CHECKING:
    import open_clip

PromptTokenizer: TypeAlias = Callable[[list[str]], Tensor]


def load_clip(clip: Clip, checkpoint_dir: Path, device: torch.device) -> tuple[open_clip.CLIP, PromptTokenizer]:
    """Load the model and its tokenizer from the safetensors file in `checkpoint_dir`.

    open_clip builds the architecture and reads the weights, but does not choose the file: it would also take pickles.

    Raises
    ------
    CheckpointError
        If there are no safetensors weights, or they do not fit the architecture.
    """
    import open_clip

    weights, config_path = (
        single_weights_file(checkpoint_dir, OPEN_CLIP_WEIGHTS),
        checkpoint_dir / "open_clip_config.json",
    )
    config = json.loads(config_path.read_text()) if config_path.is_file() else {}
    if clip.open_clip_name is not None:
        _require_fitting_activation(clip.open_clip_name, config, checkpoint_dir)
    source = clip.open_clip_name or f"local-dir:{checkpoint_dir}"
    # The statistics that the images were normalised with are in the configuration; open_clip's default is OpenAI's.
    preprocess = {
        key: config["preprocess_cfg"][key] for key in ("mean", "std") if key in config.get("preprocess_cfg", {})
    }
    model = open_clip.create_model(
        source, load_weights=False, pretrained_text=False, force_preprocess_cfg=preprocess, device=device
    )
    try:
        open_clip.load_checkpoint(model, str(weights))
    except RuntimeError as error:
        raise CheckpointError(f"{weights}: does not fit {source}. {str(error).splitlines()[-1].strip()}") from None
    return model.eval(), load_clip_tokenizer(clip, checkpoint_dir)


def load_clip_tokenizer(clip: Clip, checkpoint_dir: Path) -> PromptTokenizer:
    """Load the tokenizer of a model."""
    import open_clip

    has_config = (checkpoint_dir / "open_clip_config.json").is_file()
    source = f"local-dir:{checkpoint_dir}" if has_config else clip.open_clip_name
    tokenizer: PromptTokenizer = open_clip.get_tokenizer(source)
    return tokenizer


def require_clip_prompts_fit(clip: Clip, checkpoint_dir: Path, prompts: list[str], dataset: str = "") -> None:
    """Raise PromptTooLongError if the text encoder would not read all tokens of a prompt; open_clip truncates without a warning."""
    tokenizer: Any = load_clip_tokenizer(clip, checkpoint_dir)
    if hasattr(tokenizer, "encode"):  # open_clip's own, which adds a start and an end token
        lengths = [len(tokenizer.encode(prompt)) + 2 for prompt in prompts]
    else:
        texts = [tokenizer.clean_fn(prompt) for prompt in prompts]
        lengths = [len(ids) for ids in tokenizer.tokenizer(texts, verbose=False)["input_ids"]]
    check_length(prompts, lengths, tokenizer.context_length, "CLIP tokenizer", dataset)


def _require_fitting_activation(architecture: str, config: dict[str, Any], checkpoint_dir: Path) -> None:
    """Refuse weights trained with QuickGELU for an architecture without it: they load without an error and classify worse."""
    import open_clip

    builtin = open_clip.get_model_config(architecture)
    if builtin is None:
        raise CheckpointError(
            f"architecture {architecture!r}: unknown to open_clip. open_clip.list_models() lists the known names."
        )
    if config.get("model_cfg", {}).get("quick_gelu") and not builtin.get("quick_gelu"):
        raise CheckpointError(
            f"{checkpoint_dir}: found architecture {architecture!r} for weights of a model with QuickGELU, expected "
            f"'{architecture}-quickgelu'. Write it as `architecture` in the model's YAML."
        )


def image_text_similarities(
    clip: Clip,
    checkpoint_dir: Path,
    table: pd.DataFrame,
    prompts: list[str],
    downsample_to: int | None,
    device: torch.device,
) -> NDArray[np.float64]:
    """Return the cosine similarity [image, prompt] of each image and prompt.

    CLIP sees the same crops as the diffusion models: the central square, resized bicubically, and not open_clip's preprocessing.

    Parameters
    ----------
    clip : Clip
        Settings of the model.
    checkpoint_dir : Path
        Its checkpoint.
    table : DataFrame
        Images, with a column `bytes`.
    prompts : list of str
        The class prompts.
    downsample_to : int or None
        Size in pixels to which crops are downsampled first; None: no downsampling.
    device : torch.device
        Where the network runs.
    """
    require_clip_prompts_fit(clip, checkpoint_dir, prompts)
    model, tokenizer = load_clip(clip, checkpoint_dir, device)
    size = model.visual.image_size
    pixels = crop_images(table, size[0] if isinstance(size, tuple) else size, downsample_to)
    mean, std = model.visual.image_mean, model.visual.image_std
    with torch.inference_mode():
        tokens = tokenizer(prompts)
        text = run_in_batches(lambda rows: model.encode_text(rows, normalize=True), tokens, device)
        image = run_in_batches(
            lambda rows: model.encode_image(normalise(rows, mean, std), normalize=True),
            torch.from_numpy(pixels),
            device,
        )
    similarity: NDArray[np.float64] = (image @ text.T).numpy()
    # The last bits of a column depend on its position: prompts with the same tokens get the first one's.
    for row, first in find_equal_prompts([tokens.numpy()]).items():
        similarity[:, row] = similarity[:, first]
    return similarity


def clip_predictions(items: pd.DataFrame, images: Sequence[str], similarity: NDArray[np.float64]) -> pd.DataFrame:
    """Predict for each item the class whose prompt is most similar to the image; prompts with the same tokens are one candidate.

    Parameters
    ----------
    items : DataFrame
        The items of a data set.
    images : sequence of str
        Names of the rows of `similarity`.
    similarity : ndarray
        [image, prompt] float64.

    Returns
    -------
    DataFrame
        As `prediction_table`.
    """
    items = merge_equal_prompts(items, find_equal_prompts([similarity.T]))
    row = {name: index for index, name in enumerate(images)}
    pairs = zip(items["image"], items["candidates"], strict=True)
    scores = [similarity[row[image], list(candidates)] for image, candidates in pairs]
    return prediction_table(items, list(items["classes"]), scores)

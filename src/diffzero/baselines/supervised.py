"""Networks trained on labels (ResNet-50 on ImageNet), through timm (Wightman 2019)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from diffzero.baselines.base import normalise, prediction_table, run_in_batches
from diffzero.data.transforms import crop_images
from diffzero.models.checkpoint import TIMM_WEIGHTS, single_weights_file
from diffzero.models.errors import CheckpointError

TOP = 5


def load_classifier(checkpoint_dir: Path) -> torch.nn.Module:
    """Load the network that config.json describes, with the weights of model.safetensors.

    Raises
    ------
    CheckpointError
        If there are no safetensors weights, or they do not fit the configuration.
    """
    import timm
    from safetensors.torch import load_file

    path = single_weights_file(checkpoint_dir, TIMM_WEIGHTS)
    # Not `pretrained=True`: timm would take a pickle where it finds one.
    model = timm.create_model(f"local-dir:{checkpoint_dir}", pretrained=False)
    try:
        model.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise CheckpointError(
            f"{path}: does not fit the config.json beside it. {str(error).splitlines()[-1].strip()}"
        ) from None
    return model.eval()


def predict_probabilities(
    checkpoint_dir: Path, table: pd.DataFrame, downsample_to: int | None, device: torch.device
) -> NDArray[np.float64]:
    """Return the softmax output [image, output] for each image.

    Images are cropped as for the diffusion models, at the network's input size, and normalised with the network's statistics.
    """
    from timm.data import resolve_model_data_config

    model = load_classifier(checkpoint_dir).to(device)
    data = resolve_model_data_config(model)
    pixels = crop_images(table, data["input_size"][-1], downsample_to)
    with torch.inference_mode():
        outputs = run_in_batches(
            lambda rows: model(normalise(rows, data["mean"], data["std"])), torch.from_numpy(pixels), device
        )
    return outputs.softmax(dim=1).numpy()


def class_outputs(
    classes: Literal["outputs"] | Mapping[str, Sequence[int]], names: Sequence[str]
) -> list[list[int]] | None:
    """Return the network's outputs that belong to each class, in the order of `names`; None if the outputs are the labels.

    Raises
    ------
    ValueError
        If `classes` has other class names than the data set.
    """
    if classes == "outputs":
        return None
    if set(classes) != set(names):
        raise ValueError(
            f"'classes' of the supervised model: found {sorted(set(classes) ^ set(names))} on one side only, expected the data set's "
            "class names. Write them as in its YAML."
        )
    return [list(classes[name]) for name in names]


def class_probabilities(
    probability: NDArray[np.float64], outputs: Sequence[Sequence[int]] | None
) -> NDArray[np.float64]:
    """Return the mean probability [image, class] of the outputs that belong to each class (Geirhos et al. 2019)."""
    if outputs is None:
        return probability
    largest = max(max(listed) for listed in outputs)
    if largest >= probability.shape[1]:
        raise ValueError(
            f"'classes' names output {largest}, found a network with {probability.shape[1]} outputs, counted from 0."
        )
    return np.stack([probability[:, listed].mean(axis=1) for listed in outputs], axis=1)


def supervised_predictions(
    items: pd.DataFrame, images: Sequence[str], probability: NDArray[np.float64]
) -> pd.DataFrame:
    """Predict the most probable class of each item.

    Parameters
    ----------
    items : DataFrame
        The items of a data set.
    images : sequence of str
        Names of the rows of `probability`.
    probability : ndarray
        [image, class] float64.

    Returns
    -------
    DataFrame
        As `prediction_table`, with a column `top5`: whether the label is among the five most probable classes; missing if there are
        no more than five.
    """
    row = {name: index for index, name in enumerate(images)}
    chosen = probability[[row[image] for image in items["image"]]]
    largest_label = items["label"].max() if len(items) else 0
    if largest_label >= chosen.shape[1]:
        raise ValueError(
            f"found label {largest_label}, expected 0..{chosen.shape[1] - 1}: the network has no such class. List the outputs of every "
            "class under `classes` in the model's YAML."
        )
    labels = list(range(chosen.shape[1]))
    # A stable sort: a tie goes to the lower label.
    best = np.argsort(-chosen, axis=1, kind="stable")[:, :TOP]
    table = prediction_table(items, [labels] * len(items), list(chosen))
    if len(labels) > TOP:
        table["top5"] = (best == items["label"].to_numpy()[:, None]).any(axis=1)
    else:
        table["top5"] = pd.NA
    return table

"""The training set of all three mini models: digits, fashion photographs and rendered scenes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from diffzero.data import transforms
from diffzero.data.sources.digits import encode_digit, test_rows
from diffzero.training.captions import DIGIT_FORMS, FASHION, FASHION_FORMS, class_caption, scene_caption
from diffzero.training.recipe import SIZE, DataMix

EMPTY_CAPTIONS = 0.1  # share of empty captions, for classifier-free guidance in sampling


@dataclass(frozen=True)
class TrainingSet:
    """All training images with the facts that their captions are made from."""

    x: Any  # pixels [image, SIZE, SIZE, 3] uint8, or latents [image, *x] as a tensor
    facts: list[Any]  # (forms, name) of a class, or the two objects of a scene, per image
    domains: dict[str, NDArray[np.int64]]  # row numbers by domain
    mix: DataMix

    def batch(self, seed: int, step: int, size: int) -> tuple[Any, list[str]]:
        """Return x [size, ...] and the captions of one training step.

        They are a function of (seed, step), so that an interrupted training can resume anywhere.
        """
        rng = np.random.Generator(np.random.Philox(key=[seed, step]))
        shares = self.mix.domains
        domains = rng.choice(list(shares), size, p=list(shares.values()))
        rows = np.array([rng.choice(self.domains[domain]) for domain in domains])
        return self.x[rows], [self.caption(row, rng) for row in rows]

    def caption(self, row: int, rng: np.random.Generator) -> str:
        """Sample a caption of image `row`; a tenth of them are empty."""
        if rng.random() < EMPTY_CAPTIONS:
            return ""
        fact = self.facts[row]
        if isinstance(fact[0], dict):
            return scene_caption(fact, self.mix, rng)
        forms, name = fact
        return class_caption(forms[rng.integers(len(forms))], name)


def scene_objects(row: pd.Series) -> tuple[dict[str, str], dict[str, str]]:
    """Return the two objects of a row of a scene table, each with position, shape, colour and size."""
    names = ("shape", "colour", "size")
    left, right = ({"position": side} | {name: row[f"{side}_{name}"] for name in names} for side in ("left", "right"))
    return left, right


def load_training_set(fashion: Path, scenes: list[Path], mix: DataMix) -> TrainingSet:
    """Load the training set: scikit-learn's digits without the test rows, the fashion images, and rendered scenes."""
    digits = load_digits()
    rows = np.setdiff1d(np.arange(len(digits.target)), test_rows())
    fashion_table, scene_table = pd.read_parquet(fashion), pd.concat([pd.read_parquet(path) for path in scenes])
    if scene_table["held_out"].any():
        raise ValueError(
            f"{scenes}: found scenes with held-out pairs, expected none. Render them with `snakemake train_mini`."
        )
    sources: dict[str, tuple[list[bytes], list[Any]]] = {
        "digits": (
            [encode_digit(digits.images[i]) for i in rows],
            [(DIGIT_FORMS, str(digits.target[i])) for i in rows],
        ),
        "fashion": (
            list(fashion_table["bytes"]),
            [(FASHION_FORMS, FASHION[label]) for label in fashion_table["label"]],
        ),
        "scenes": (list(scene_table["image"]), [scene_objects(row) for _, row in scene_table.iterrows()]),
    }
    pixels: list[NDArray[np.uint8]] = []
    facts: list[Any] = []
    domains: dict[str, NDArray[np.int64]] = {}
    for domain, (pngs, domain_facts) in sources.items():
        domains[domain] = np.arange(len(facts), len(facts) + len(domain_facts))
        pixels += [transforms.crop_image(data, f"{domain} {i}", SIZE) for i, data in enumerate(pngs)]
        facts += domain_facts
    return TrainingSet(np.stack(pixels), facts, domains, mix)

"""The training set of all three mini models: digits, fashion photographs and rendered scenes."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from diffzero.data import transforms
from diffzero.data.sources.digits import encode_digit, test_rows
from diffzero.training.captions import DIGIT_FORMS, FASHION, FASHION_FORMS, class_caption, scene_caption
from diffzero.training.recipe import SIZE, DataMix
from diffzero.typing import Ints, Pixels
from diffzero.utils.commands import snakemake_command

EMPTY_CAPTIONS = 0.1  # share of empty captions, for classifier-free guidance in sampling


class ClassFact(NamedTuple):
    """The class of an image, and the forms of its captions."""

    forms: tuple[str, ...]
    name: str


SceneFact: TypeAlias = tuple[dict[str, str], dict[str, str]]  # position, shape, colour and size of both objects


@dataclass(frozen=True)
class TrainingSet:
    """All training images with the labels from which their captions are made."""

    pixels: Pixels  # [image, SIZE, SIZE, 3]
    facts: list[ClassFact | SceneFact]  # one per image
    domains: dict[str, Ints]  # row numbers by domain
    mix: DataMix

    def batch(self, seed: int, step: int, size: int) -> tuple[Pixels, list[str]]:
        """Return the pixels [size, SIZE, SIZE, 3] and the captions of one training step, as `sample_rows`."""
        rows, captions = self.sample_rows(seed, step, size)
        return self.pixels[rows], captions

    def sample_rows(self, seed: int, step: int, size: int) -> tuple[Ints, list[str]]:
        """Sample the images and captions of one training step.

        Parameters
        ----------
        seed, step : int
            The result is a function of both, so that an interrupted training can resume at any step.
        size : int
            Number of images.

        Returns
        -------
        ndarray
            [size] int64, the row numbers of the images.
        list of str
            Their captions.
        """
        rng = np.random.Generator(np.random.Philox(key=[seed, step]))
        shares = self.mix.domains
        domains = rng.choice(list(shares), size, p=list(shares.values()))
        rows = np.array([rng.choice(self.domains[domain]) for domain in domains])
        return rows, [self.sample_caption(row, rng) for row in rows]

    def sample_caption(self, row: int, rng: np.random.Generator) -> str:
        """Sample a caption of image `row`; a tenth of them are empty."""
        if rng.random() < EMPTY_CAPTIONS:
            return ""
        fact = self.facts[row]
        if isinstance(fact, ClassFact):
            return class_caption(fact.forms[rng.integers(len(fact.forms))], fact.name)
        return scene_caption(fact, self.mix, rng)


def scene_objects(row: pd.Series) -> SceneFact:
    """Return the two objects of a row of a scene table, each with position, shape, colour and size."""
    names = ("shape", "colour", "size")
    left, right = ({"position": side} | {name: row[f"{side}_{name}"] for name in names} for side in ("left", "right"))
    return left, right


def load_training_set(fashion: Path, scenes: list[Path], mix: DataMix) -> TrainingSet:
    """Load the training set: scikit-learn's digits without the test rows, the fashion images, and rendered scenes.

    Parameters
    ----------
    fashion : Path
        Parquet file of Fashion-MNIST's training images, with the columns `bytes` (PNG) and `label` (int).
    scenes : list of Path
        Scene tables, as `render_scenes` makes them.
    mix : DataMix
        Shares of the domains and of the kinds of scene captions.

    Raises
    ------
    ValueError
        If a scene has a held-out pair.
    """
    digits = load_digits()
    rows = np.setdiff1d(np.arange(len(digits.target)), test_rows())
    fashion_table, scene_table = pd.read_parquet(fashion), pd.concat([pd.read_parquet(path) for path in scenes])
    if scene_table["held_out"].any():
        raise ValueError(
            f"{', '.join(map(str, scenes))}: found scenes with held-out pairs, expected none. Delete these files and render them again "
            f"with `{snakemake_command('--cores all train_mini')}`."
        )
    sources: dict[str, tuple[list[bytes], list[ClassFact | SceneFact]]] = {
        "digits": (
            [encode_digit(digits.images[i]) for i in rows],
            [ClassFact(DIGIT_FORMS, str(digits.target[i])) for i in rows],
        ),
        "fashion": (
            list(fashion_table["bytes"]),
            [ClassFact(FASHION_FORMS, FASHION[label]) for label in fashion_table["label"]],
        ),
        "scenes": (list(scene_table["image"]), [scene_objects(row) for _, row in scene_table.iterrows()]),
    }
    pixels: list[Pixels] = []
    facts: list[ClassFact | SceneFact] = []
    domains: dict[str, Ints] = {}
    for domain, (pngs, domain_facts) in sources.items():
        domains[domain] = np.arange(len(facts), len(facts) + len(domain_facts))
        pixels += [transforms.crop_image(data, f"{domain} {i}", SIZE) for i, data in enumerate(pngs)]
        facts += domain_facts
    return TrainingSet(np.stack(pixels), facts, domains, mix)

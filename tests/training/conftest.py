"""Tokenizers and a small training set of the mini models."""

import io

import pandas as pd
import pytest
from PIL import Image
from transformers import CLIPTokenizer, T5Tokenizer

from diffzero.binding.render import render_scenes
from diffzero.binding.scenes import SEEN_PAIRS
from diffzero.training import nets
from diffzero.training.captions import corpus
from diffzero.training.data import TrainingSet, load_training_set
from diffzero.training.recipe import DATA_MIXES


@pytest.fixture(scope="module")
def clip_tokenizer() -> CLIPTokenizer:
    return nets.clip_tokenizer(corpus())


@pytest.fixture(scope="module")
def t5_tokenizer() -> T5Tokenizer:
    return nets.t5_tokenizer(corpus())


@pytest.fixture(scope="module")
def training_set(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    """Return a training set of the real digits, ten grey squares as fashion images, and three scenes in two files."""
    data_dir = tmp_path_factory.mktemp("mini")
    squares = []
    for label in range(10):
        stream = io.BytesIO()
        Image.new("L", (28, 28), 20 * label).save(stream, format="PNG")
        squares.append({"bytes": stream.getvalue(), "label": label})
    pd.DataFrame(squares).to_parquet(data_dir / "fashion.parquet")
    for shard in (0, 1):
        indices = range(shard, 3, 2)
        render_scenes(0, indices, 32, 1, SEEN_PAIRS).to_parquet(data_dir / f"scenes-{shard}.parquet")
    scenes = [data_dir / "scenes-0.parquet", data_dir / "scenes-1.parquet"]
    return load_training_set(data_dir / "fashion.parquet", scenes, DATA_MIXES["broad"])

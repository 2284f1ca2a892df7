"""The training set of the mini models: reproducible batches, shares of the domains, and no test image."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from diffzero.binding.render import render_scenes
from diffzero.binding.scenes import sample_scene
from diffzero.data.sources.digits import load_digit_table
from diffzero.data.transforms import crop_image
from diffzero.training.captions import FASHION
from diffzero.training.data import load_training_set
from diffzero.training.recipe import DATA_MIXES


def test_a_batch_is_a_function_of_seed_and_step(training_set):
    pixels, captions = training_set.batch(3, 7, 64)
    training_set.batch(3, 8, 64)
    again = training_set.batch(3, 7, 64)
    assert np.array_equal(pixels, again[0]) and captions == again[1]
    for other in (training_set.batch(3, 8, 64), training_set.batch(4, 7, 64)):
        assert not np.array_equal(pixels, other[0]) and captions != other[1]
    assert pixels.shape == (64, 32, 32, 3) and pixels.dtype == np.uint8


def test_a_batch_mixes_the_domains_and_a_tenth_of_its_captions_are_empty(training_set):
    captions = [caption for step in range(20) for caption in training_set.batch(0, step, 100)[1]]
    shares = pd.Series([domain_of(caption) for caption in captions]).value_counts(normalize=True)
    # 2000 captions: a standard deviation of about 1 point
    for name, share in {"empty": 0.1, "digits": 0.225, "fashion": 0.27, "scenes": 0.405}.items():
        assert shares[name] == pytest.approx(share, abs=0.045)


def domain_of(caption: str) -> str:
    if not caption:
        return "empty"
    if re.search(r"\d", caption):
        return "digits"
    return "fashion" if any(name in caption for name in FASHION) else "scenes"


def test_test_digits_are_never_trained_on(training_set):
    trained = training_set.pixels[training_set.domains["digits"]]
    table = load_digit_table()
    assert len(trained) + len(table) == len(load_digits().target) == 1797
    seen = {picture.tobytes() for picture in trained}
    tested = [crop_image(data, "digit", 32).tobytes() for data in table["bytes"]]
    assert len(tested) == 500 and not seen & set(tested)
    assert (np.bincount(table["label"]) > 30).all()


def test_images_keep_their_captions(training_set):
    rows = training_set.domains["fashion"]
    for label, row in enumerate(rows):
        assert training_set.facts[row].name == FASHION[label]
        assert (training_set.pixels[row] == 20 * label).all()
    all_rows = np.concatenate(list(training_set.domains.values()))
    assert np.array_equal(np.sort(all_rows), np.arange(len(training_set.pixels)))
    assert len(training_set.facts) == len(training_set.pixels)


def test_scenes_with_held_out_pairs_are_refused(tmp_path):
    fashion = Path(tmp_path / "fashion.parquet")
    pd.DataFrame({"bytes": [], "label": []}).to_parquet(fashion)
    held_out = next(index for index in range(100) if sample_scene(0, index).held_out)
    render_scenes(0, [held_out], 8, 1).to_parquet(tmp_path / "scenes.parquet")
    with pytest.raises(ValueError, match="held-out pairs"):
        load_training_set(fashion, [tmp_path / "scenes.parquet"], DATA_MIXES["broad"])

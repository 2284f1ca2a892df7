"""The CLIP baseline: open_clip's own numbers on square images, the protocol's crop on others."""

import json
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from diffzero.baselines import clip
from diffzero.config import Clip
from diffzero.images import png
from diffzero.mini.architectures import CLIP_CONFIG
from diffzero.weights import locate

PROMPTS = ["a photo of a bag.", "the number 3.", "a red cube."]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory) -> Clip:
    folder = tmp_path_factory.mktemp("tiny-clip")
    (folder / "open_clip_config.json").write_text(json.dumps(CLIP_CONFIG))
    torch.manual_seed(3)
    model = open_clip.CLIP(**CLIP_CONFIG["model_cfg"])
    state = {name: values.contiguous() for name, values in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    return Clip(kind="clip", title="tiny", licence="MIT", architecture=f"local-dir:{folder}")


def folder_of(settings: Clip) -> Path:
    return locate(settings, Path())


def pictures(*sizes: tuple[int, int]) -> pd.DataFrame:
    """Random pictures of these heights and widths."""
    rng = np.random.default_rng(4)
    data = [png(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)) for height, width in sizes]
    return pd.DataFrame({"image": [f"picture {k}" for k in range(len(data))], "bytes": data})


def test_similarities_of_square_images_are_open_clips_own(tiny_clip, tmp_path):
    table = pictures((32, 32), (50, 50), (97, 97), (20, 20))
    model, _, preprocess = open_clip.create_model_and_transforms(tiny_clip.architecture)
    tokens, files = open_clip.get_tokenizer(tiny_clip.architecture)(PROMPTS), []
    for row in table.itertuples():
        files.append(tmp_path / f"{row.image}.png")
        files[-1].write_bytes(row.bytes)
    with torch.inference_mode():
        model.eval()
        images = model.encode_image(torch.stack([preprocess(Image.open(file)) for file in files]))
        text = model.encode_text(tokens)
        expected = torch.nn.functional.cosine_similarity(images[:, None], text[None], dim=-1)
    found = clip.similarities(tiny_clip, folder_of(tiny_clip), table, PROMPTS, None, CPU)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
    assert np.ptp(found) > 1e-3  # the images and prompts are told apart at all


def test_via_changes_the_result_and_is_the_reduced_image(tiny_clip):
    table, rng = pictures((64, 64), (64, 64)), np.random.default_rng(8)
    direct, reduced = (
        clip.similarities(tiny_clip, folder_of(tiny_clip), table, PROMPTS, via, CPU) for via in (None, 8)
    )
    assert np.abs(direct - reduced).max() > 1e-4
    small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    already = pd.DataFrame({"image": ["small"], "bytes": [png(small)]})
    one, other = (clip.similarities(tiny_clip, folder_of(tiny_clip), already, PROMPTS, via, CPU) for via in (None, 8))
    np.testing.assert_array_equal(one, other)


def test_an_oblong_image_is_its_central_square(tiny_clip):
    rng = np.random.default_rng(6)
    pixels = rng.integers(0, 256, (40, 80, 3), dtype=np.uint8)
    table = pd.DataFrame({"image": ["a", "b"], "bytes": [png(pixels), png(np.ascontiguousarray(pixels[:, 20:60]))]})
    oblong, square = clip.similarities(tiny_clip, folder_of(tiny_clip), table, PROMPTS, None, CPU)
    np.testing.assert_allclose(oblong, square, atol=1e-6)


def test_more_images_than_a_batch_give_the_same_similarities(tiny_clip):
    table = pictures(*[(32, 32)] * (clip.BATCH + 3))
    found = clip.similarities(tiny_clip, folder_of(tiny_clip), table, PROMPTS, None, CPU)
    np.testing.assert_allclose(
        found[-2:], clip.similarities(tiny_clip, folder_of(tiny_clip), table.tail(2), PROMPTS, None, CPU), atol=1e-5
    )


def test_the_nearest_prompt_wins_and_a_tie_goes_to_the_lowest_label():
    items = pd.DataFrame(
        {
            "item": ["i", "j", "k"],
            "task": "classify",
            "image": ["b", "a", "b"],
            "label": [5, 7, 7],
            "candidates": [[0, 1, 2], [0, 1, 2], [2, 1]],
            "classes": [[4, 5, 7], [4, 5, 7], [6, 7]],
        }
    )
    similarity = np.array([[0.1, 0.2, 0.3], [0.1, 0.4, 0.4]])  # of images a, b
    found = clip.predictions(items, ["a", "b"], similarity)
    assert list(found["prediction"]) == [5, 7, 6]
    assert list(found["tied"]) == [True, False, True]
    assert list(found["correct"]) == [True, True, False]
    assert found["calls"].isna().all() and (found["draws"] == 0).all() and not found["undecided"].any()

"""Generated images equal those of diffusers' pipeline, and each depends only on its prompt, number and seed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import IFPipeline, StableDiffusionPipeline

from diffzero.models.base import PromptTooLongError
from diffzero.models.sampling import SamplingSettings, sample

PROMPTS = ["a photo of a bag", "a photo of a coat"]


def pictures(
    checkpoint_dir: Path, size: int, images: int = 2, prompts: list[str] = PROMPTS, seed: int = 0
) -> np.ndarray:
    return sample(
        checkpoint_dir, prompts, SamplingSettings(images, 2, 3.0, seed, size), torch.float32, torch.device("cpu")
    )


@pytest.mark.parametrize(("name", "size"), [("tiny_sd", 32), ("tiny_if", 24)])
def test_an_image_does_not_depend_on_the_others(name: str, size: int, request: pytest.FixtureRequest) -> None:
    checkpoint_dir = request.getfixturevalue(name)
    many, few = pictures(checkpoint_dir, size), pictures(checkpoint_dir, size, images=1, prompts=PROMPTS[:1])
    assert many.shape == (2, 2, size, size, 3) and many.dtype == np.uint8
    assert np.abs(many[0, 0].astype(int) - few[0, 0].astype(int)).max() <= 1
    assert (many[0, 0] != many[0, 1]).any() and (many != pictures(checkpoint_dir, size, seed=1)).any()


def test_images_equal_those_of_diffusers(tiny_sd: Path, tiny_if: Path) -> None:
    for checkpoint_dir, pipeline_class, size in ((tiny_sd, StableDiffusionPipeline, 32), (tiny_if, IFPipeline, 24)):
        pipeline = pipeline_class.from_pretrained(checkpoint_dir, safety_checker=None, requires_safety_checker=False)
        made = pipeline(
            PROMPTS[0], height=size, width=size, num_inference_steps=2, guidance_scale=3.0, output_type="np",
            generator=torch.Generator().manual_seed(0),
        ).images[0]  # fmt: skip
        expected = np.rint(255 * np.clip(made, 0, 1)).astype(int)
        assert np.abs(expected - pictures(checkpoint_dir, size, images=1, prompts=PROMPTS[:1])[0, 0]).max() <= 1


@pytest.mark.parametrize(("name", "size"), [("tiny_sd", 32), ("tiny_if", 24)])
def test_nothing_is_drawn_for_a_prompt_that_would_be_truncated(
    name: str, size: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint_dir = request.getfixturevalue(name)
    monkeypatch.setattr("diffzero.models.sampling.load_pipeline", None)  # the networks are not even loaded
    with pytest.raises(PromptTooLongError, match=r"'a dress .*': found \d+ tokens, expected at most 24"):
        pictures(checkpoint_dir, size, prompts=[*PROMPTS, "a " + "dress " * 40])

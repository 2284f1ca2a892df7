"""Denoisers compute the same as diffusers' pipelines and schedulers from the same folder."""

import functools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, IFPipeline, StableDiffusionPipeline
from PIL import Image

from checkpoints import checkpoint_digest
from diffzero.models import CheckpointError, adapter_class, load
from diffzero.models.base import Denoiser, PromptTooLongError
from diffzero.models.families.deepfloyd_if import DeepFloydIF
from diffzero.models.families.stable_diffusion import StableDiffusion

TIMES = (0.0, 0.001, 0.25, 0.5, 0.75, 0.999, 1.0)
TIMESTEPS = (0, 1, 250, 500, 750, 999, 999)
PROMPTS = ["a photo of a sneaker.", 'a photo of the number: "7".', "", "On the left is a small red sphere."]
SHAPES = {"tiny_sd": (8, 8, 8), "tiny_if": (3, 24, 24)}
both = pytest.mark.parametrize("name", SHAPES)


@pytest.fixture
def checkpoint_dir(name: str, request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(name)


@pytest.fixture
def denoiser(checkpoint_dir: Path) -> Denoiser:
    return load(checkpoint_dir, "float32", "cpu")


@functools.cache
def pipeline(checkpoint_dir: Path) -> StableDiffusionPipeline | IFPipeline:
    """Return the pipeline that diffusers loads from the folder."""
    pipeline_class = StableDiffusionPipeline if (checkpoint_dir / "vae").is_dir() else IFPipeline
    loaded = pipeline_class.from_pretrained(checkpoint_dir)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def inputs(name: str, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random x_t [batch, *x] and text states [batch, token, width]."""
    generator = torch.Generator().manual_seed(4)
    return torch.randn(batch, *SHAPES[name], generator=generator), torch.randn(batch, 24, 128, generator=generator)


def assert_close(ours: torch.Tensor, theirs: torch.Tensor, rtol: float) -> None:
    """Assert equality to `rtol` of the largest value."""
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= rtol * theirs.abs().max()


@both
def test_x0_equals_the_schedulers_predicted_original_sample(name, checkpoint_dir, denoiser):
    unet, config = pipeline(checkpoint_dir).unet, pipeline(checkpoint_dir).scheduler.config
    x_t, states = inputs(name, len(TIMES))
    # Compared without clipping: near t = 1 it hides most of the difference and magnifies the rest.
    plain = {"clip_sample": False, "thresholding": False}
    ddpm, ddim = DDPMScheduler.from_config(config, **plain), DDIMScheduler.from_config(config, **plain)
    ddim.set_timesteps(1000)
    with torch.inference_mode():
        ours = Denoiser.x0(denoiser, x_t, np.array(TIMES), {"states": states})
        for row, timestep in enumerate(TIMESTEPS):
            output = unet(x_t[row : row + 1], timestep, states[row : row + 1]).sample
            eps = output[:, : x_t.shape[1]]
            one = x_t[row : row + 1]
            # 2e-4: in the schedulers, alpha_bar is fp32 and off by up to 6e-5 where beta is 0.999, as is 1 - alpha_bar near t = 0
            assert_close(ours[row : row + 1], ddpm.step(output, timestep, one).pred_original_sample, 2e-4)
            assert_close(ours[row : row + 1], ddim.step(eps, timestep, one).pred_original_sample, 2e-4)
    assert ours.dtype == torch.float32


def test_the_last_timesteps_of_a_pixel_model_cannot_outweigh_all_others(tiny_if):
    """Unclipped, the error at t = 1 is about 1e8 times that at t = 0.5; clipped, no error exceeds that of a wrong pixel."""
    denoiser, pixels = load(tiny_if, "float32", "cpu"), torch.full((2, 3, 24, 24), 0.3)
    times, eps = np.array([0.5, 1.0]), torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    alpha, sigma = denoiser.alpha_sigma(times, 4)
    x_t, states = alpha * pixels + sigma * eps, inputs("tiny_if", 2)[1]
    with torch.inference_mode():
        clipped = (denoiser.x0(x_t, times, {"states": states}) - pixels).square()
        unclipped = (Denoiser.x0(denoiser, x_t, times, {"states": states}) - pixels).square()
    assert unclipped[1].mean() > 1e6 * unclipped[0].mean()
    assert clipped.max() <= 1.3**2 + 1e-6 and (clipped <= unclipped).all()


@both
@pytest.mark.parametrize("prediction_type", ["v_prediction", "sample"])
def test_x0_follows_the_prediction_type_of_the_checkpoint(name, checkpoint_dir, prediction_type, tmp_path):
    copy = shutil.copytree(checkpoint_dir, tmp_path / "copy")
    path = copy / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"prediction_type": prediction_type}))
    unet, config = pipeline(copy).unet, pipeline(copy).scheduler.config
    scheduler = DDPMScheduler.from_config(config, clip_sample=name == "tiny_if", thresholding=False)
    x_t, states = inputs(name, 2)
    with torch.inference_mode():
        ours = load(copy, "float32", "cpu").x0(x_t, np.array([0.25, 0.75]), {"states": states})
        for row, timestep in enumerate((250, 750)):
            one, text = x_t[row : row + 1], states[row : row + 1]
            theirs = scheduler.step(unet(one, timestep, text).sample, timestep, one).pred_original_sample
            assert_close(ours[row : row + 1], theirs, 2e-4)


@both
def test_a_batch_of_mixed_timesteps_equals_single_calls(name, denoiser):
    x_t, states = inputs(name, len(TIMES))
    with torch.inference_mode():
        together = Denoiser.x0(denoiser, x_t, np.array(TIMES), {"states": states})
        for row, t in enumerate(TIMES):
            rows = slice(row, row + 1)
            assert_close(
                Denoiser.x0(denoiser, x_t[rows], np.array([t]), {"states": states[rows]}), together[rows], 1e-5
            )


@both
def test_half_precision_affects_only_the_network(name, checkpoint_dir, denoiser):
    x_t, states = inputs(name, 3)
    with torch.inference_mode():
        half = load(checkpoint_dir, "bfloat16", "cpu").x0(x_t, np.array([0.0, 0.3, 0.7]), {"states": states})
        full = denoiser.x0(x_t, np.array([0.0, 0.3, 0.7]), {"states": states})
    assert half.dtype == torch.float32
    # At t = 0 x_hat is almost x_t, which must not be rounded: bf16 would leave an error of 4e-3.
    assert_close(half[:1], full[:1], 1e-3)
    assert_close(half[1:], full[1:], 0.1)


def test_text_of_stable_diffusion_equals_the_pipelines(tiny_sd):
    with torch.inference_mode():
        theirs, _ = pipeline(tiny_sd).encode_prompt(PROMPTS, "cpu", 1, do_classifier_free_guidance=False)
    ours = torch.from_numpy(StableDiffusion.encode_text(tiny_sd, PROMPTS)["states"])
    assert_close(ours, theirs, 1e-5)


def test_text_of_if_equals_the_pipelines_within_the_prompt(tiny_if):
    """The pipeline pads to 77 tokens whatever the tokenizer allows; the adapter pads to the tokenizer's limit of 24.

    Only states of prompt tokens are compared. Padding does not change them, as T5's positions are relative and padding is masked.
    """
    pipe = pipeline(tiny_if)
    with torch.inference_mode():
        theirs, _ = pipe.encode_prompt(PROMPTS, do_classifier_free_guidance=False, device="cpu", clean_caption=False)
    ours = torch.from_numpy(DeepFloydIF.encode_text(tiny_if, PROMPTS)["states"])
    assert ours.shape[1] == 24 and theirs.shape[1] == 77
    for row, prompt in enumerate(PROMPTS):
        length = len(pipe.tokenizer(prompt.lower())["input_ids"])
        assert_close(ours[row, :length], theirs[row, :length], 1e-5)


def test_text_of_if_equals_the_pipelines_at_every_position_if_the_tokenizer_allows_77(tiny_if, tmp_path):
    """IF's own tokenizer allows more than 77 tokens. Its U-Net also reads the padding, so states of padding must agree, too."""
    checkpoint_dir = shutil.copytree(tiny_if, tmp_path / "copy")
    path = checkpoint_dir / "tokenizer" / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": 512}))
    with torch.inference_mode():
        theirs, _ = pipeline(checkpoint_dir).encode_prompt(PROMPTS, do_classifier_free_guidance=False, device="cpu")
    assert_close(torch.from_numpy(DeepFloydIF.encode_text(checkpoint_dir, PROMPTS)["states"]), theirs, 1e-5)


def test_latents_equal_the_scaled_mean_of_the_pipelines_vae(tiny_sd):
    pixels = np.random.default_rng(0).integers(0, 256, (19, 32, 32, 3), dtype=np.uint8)  # more than one batch
    pipe = pipeline(tiny_sd)
    with torch.inference_mode():
        x = pipe.image_processor.preprocess([Image.fromarray(picture) for picture in pixels])
        theirs = pipe.vae.encode(x).latent_dist.mean * pipe.vae.config.scaling_factor
    ours = StableDiffusion.encode_images(tiny_sd, pixels)
    assert ours.dtype == np.float32
    assert_close(torch.from_numpy(ours), theirs, 1e-5)


def test_x_of_if_is_the_image_scaled_to_minus_1_to_1(tiny_if):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 24, 24, 3), dtype=np.uint8)
    pixels[0, 0, 0] = (0, 255, 51)
    x = DeepFloydIF.encode_images(tiny_if, pixels)
    assert x.shape == (3, 3, 24, 24) and x.dtype == np.float32
    np.testing.assert_allclose(x[0, :, 0, 0], [-1, 1, -0.6], rtol=1e-6)
    assert np.array_equal(((x + 1) * 127.5).round().astype(np.uint8).transpose(0, 2, 3, 1), pixels)


def test_decoding_inverts_if_encoding_and_equals_the_vaes(tiny_sd, tiny_if):
    pixels = np.random.default_rng(1).integers(0, 256, (2, 24, 24, 3), dtype=np.uint8)
    x = torch.from_numpy(DeepFloydIF.encode_images(tiny_if, pixels))
    assert np.array_equal(load(tiny_if, "float32", "cpu").decode(x), pixels)
    latents, pipe = torch.randn(2, *SHAPES["tiny_sd"], generator=torch.Generator().manual_seed(0)), pipeline(tiny_sd)
    with torch.inference_mode():
        values = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
    theirs = np.stack([np.asarray(picture) for picture in pipe.image_processor.postprocess(values)])
    assert np.abs(load(tiny_sd, "float32", "cpu").decode(latents).astype(int) - theirs).max() <= 1


@both
def test_a_prompt_that_would_be_truncated_is_refused(checkpoint_dir):
    adapter, longest = adapter_class(checkpoint_dir), " ".join(["dress"] * 22)
    assert adapter.encode_text(checkpoint_dir, ["a bag", longest])["states"].shape[:2] == (2, 24)
    too_long = " ".join(["dress"] * 40)
    with pytest.raises(PromptTooLongError, match=rf"'{too_long}': found 4\d tokens, expected at most 24"):
        adapter.encode_text(checkpoint_dir, ["a bag", too_long, "a coat"])


@both
def test_the_family_follows_from_the_checkpoint(name, checkpoint_dir):
    assert adapter_class(checkpoint_dir) is {"tiny_sd": StableDiffusion, "tiny_if": DeepFloydIF}[name]


def test_the_error_for_a_missing_folder_says_what_to_do(tmp_path):
    with pytest.raises(CheckpointError, match=r"no-model: no checkpoint there .*set `path`.*train_mini"):
        adapter_class(tmp_path / "no-model")


def test_an_unknown_pipeline_is_refused_with_the_known_ones(tmp_path):
    (tmp_path / "model_index.json").write_text('{"_class_name": "KandinskyPipeline"}')
    with pytest.raises(
        CheckpointError, match="'KandinskyPipeline', expected one of IFPipeline, .*StableDiffusionXLPipeline"
    ):
        adapter_class(tmp_path)


def test_pickled_weights_are_refused_with_a_command_that_converts_them(tiny_sd, tmp_path):
    checkpoint_dir = shutil.copytree(tiny_sd, tmp_path / "copy")
    weights = checkpoint_dir / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(CheckpointError, match=r"unet: found no safetensors.*from_pretrained.*save_pretrained"):
        load(checkpoint_dir, "float32", "cpu")


@both
def test_the_digest_covers_every_used_weight_and_configuration_and_nothing_else(checkpoint_dir, tmp_path):
    copy = shutil.copytree(checkpoint_dir, tmp_path / "elsewhere")
    original = checkpoint_digest(checkpoint_dir)
    assert checkpoint_digest(copy) == original
    # Other files of published repositories.
    for name in ("README.md", "training.jsonl", "unet/notes.md", "unet/model.fp16.safetensors", "unet/model.non_ema.safetensors",
                 "safety_checker/config.json", "safety_checker/model.safetensors", "feature_extractor/preprocessor_config.json",
                 "v1-4.safetensors", "unet/onnx/config.json"):  # fmt: skip
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text("{}")
    assert checkpoint_digest(copy) == original
    seen = {original}
    parts = [path for path in sorted(checkpoint_dir.rglob("*")) if path.suffix in (".safetensors", ".json")]
    assert len({path.parent for path in parts}) >= 5
    for path in (copy / part.relative_to(checkpoint_dir) for part in parts if part.name != "model_index.json"):
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        seen.add(checkpoint_digest(copy))
        path.write_bytes(data)
    index = copy / "model_index.json"
    index.write_text(index.read_text() + " ")
    seen.add(checkpoint_digest(copy))
    assert len(seen) == 1 + len(parts)

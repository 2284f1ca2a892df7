"""Every family gives the results of its diffusers pipeline, on tiny random checkpoints in the published layout."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import IFSuperResolutionPipeline, UNet2DConditionModel
from PIL import Image
from safetensors.torch import save_file

from deviations import deviations, encode_text, relative_difference
from diffzero.data import transforms
from diffzero.diffusion.draws import sample_draw
from diffzero.models import adapter_class, load
from diffzero.models.base import Denoiser, PromptTooLongError
from diffzero.models.checkpoint import CheckpointError, conversion_command
from diffzero.models.families.deepfloyd_if import NOISE_LEVEL, DeepFloydIFSuperResolution, crop_noise
from diffzero.models.latent import VAE_BATCH, encode_batch_size
from diffzero.models.registry import families, network_folders, weight_folders
from diffzero.models.text_encoders import require_prompts_fit
from diffzero.pruning.policies import Full
from diffzero.scoring.engine import Engine
from diffzero.scoring.problem import Item, Problem
from families import FAMILIES, write_checkpoint

ROOT = Path(__file__).resolve().parents[2]
all_families = pytest.mark.parametrize("name", FAMILIES)
# diffusers' tables of alpha_bar are fp32 and off by up to 6e-5 where IF's beta is 0.999. Measured: 6.6e-6 for IF, 5.4e-7 for the others.
BOUNDS = {"x0": 2e-5, "x0 clipped": 2e-5, "text": 1e-6, "latents": 1e-6}


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("families")
    return {name: write_checkpoint(name, root / str(number)) for number, name in enumerate(FAMILIES)}


def inputs(denoiser: Denoiser, batch: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Return random x_t and the text of `batch` prompts."""
    generator = torch.Generator().manual_seed(1)
    shape = (8, 8, 8) if denoiser.LATENT_ENCODERS else (3, 24, 24)
    text = encode_text(denoiser, ["a photo of a bag.", "a red cube.", "the number 3."][:batch])
    for condition in denoiser.encode_conditions(denoiser.checkpoint_dir, np.zeros((1, 24, 24, 3), np.uint8)):
        text[condition] = torch.randn(batch, *shape, generator=generator)
    return torch.randn(batch, *shape, generator=generator), text


def test_every_family_has_a_tiny_checkpoint(folders):
    pipelines = {
        json.loads((checkpoint_dir / "model_index.json").read_text())["_class_name"]
        for checkpoint_dir in folders.values()
    }
    assert pipelines == set(families()), "write a builder in tests/support/families.py, as docs/extending.md says"


def test_docs_list_every_family_with_its_file():
    rows = re.findall(r"^\| `(\w+)` \| `(\w+\.py)` \|", (ROOT / "docs" / "models.md").read_text(), flags=re.MULTILINE)
    expected = {(pipeline, f"{adapter.__module__.rpartition('.')[2]}.py") for pipeline, adapter in families().items()}
    assert set(rows) == expected, "docs/models.md, Families"


def test_docs_list_the_deviations_of_every_tiny_checkpoint():
    text = (ROOT / "docs" / "models.md").read_text()
    assert [name for name in FAMILIES if f"\n| {name} | " not in text] == []


def test_importing_the_families_does_not_import_pytorch():
    code = "import sys; from diffzero.models.registry import families; families(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@all_families
def test_predictions_texts_and_latents_equal_the_pipelines(name, folders):
    for output, deviation in deviations(name, folders[name]).items():
        assert deviation <= BOUNDS[output], output


@all_families
def test_predictions_depend_on_text_time_and_condition(name, folders):
    """A wrong input changes the output by more than the bounds, although the networks are small and random."""
    denoiser = load(folders[name], "float32", "cpu")
    x_t, text = inputs(denoiser, 2)
    with torch.inference_mode():
        right = Denoiser.x0(denoiser, x_t, np.array([0.4, 0.4]), text)
        timestep = torch.from_numpy(denoiser.schedule.timestep(np.array([0.4, 0.4]))).float()
        output = denoiser.network_output(x_t, timestep, text)
        changed = {"time": relative_difference(denoiser.network_output(x_t, timestep + 1, text), output)}
        for part, values in text.items():
            other = {part: torch.ones_like(values) if part == "mask" else values.flip(0)}
            changed[part] = relative_difference(Denoiser.x0(denoiser, x_t, np.array([0.4, 0.4]), text | other), right)
    assert {part: share for part, share in changed.items() if share < 10 * BOUNDS["x0"]} == {}


@all_families
def test_x_does_not_depend_on_other_images_of_the_batch(name, folders):
    checkpoint_dir = folders[name]
    pixels = np.random.default_rng(4).integers(0, 256, (VAE_BATCH + 3, 24, 24, 3), dtype=np.uint8)
    together = adapter_class(checkpoint_dir).encode_images(checkpoint_dir, pixels)
    alone = np.concatenate(
        [adapter_class(checkpoint_dir).encode_images(checkpoint_dir, pixels[k : k + 1]) for k in range(len(pixels))]
    )
    assert together.dtype == np.float32
    assert relative_difference(torch.from_numpy(together), torch.from_numpy(alone)) < 1e-5


def test_large_images_are_encoded_a_few_at_a_time():
    assert [encode_batch_size(side, side) for side in (32, 512, 1024, 2048)] == [VAE_BATCH, 4, 1, 1]


def test_sdxl_gets_the_size_of_the_crop(folders):
    denoiser = load(folders["Stable Diffusion XL"], "float32", "cpu")
    assert denoiser.time_ids(torch.zeros(2, 8, 8, 8)).tolist() == [[32, 32, 0, 0, 32, 32]] * 2


@all_families
def test_a_batch_of_mixed_times_equals_single_calls(name, folders):
    denoiser, times = load(folders[name], "float32", "cpu"), np.array([0.0, 0.5, 1.0])
    x_t, text = inputs(denoiser, 3)
    with torch.inference_mode():
        together = Denoiser.x0(denoiser, x_t, times, text)
        for row in range(3):
            rows = slice(row, row + 1)
            single = Denoiser.x0(denoiser, x_t[rows], times[rows], {part: v[rows] for part, v in text.items()})
            assert relative_difference(single, together[rows]) < 1e-5


@all_families
def test_half_precision_affects_only_the_network(name, folders):
    full = load(folders[name], "float32", "cpu")
    x_t, text = inputs(full, 2)
    with torch.inference_mode():
        half = load(folders[name], "bfloat16", "cpu").x0(x_t, np.array([0.0, 0.3]), text)
        assert half.dtype == torch.float32
        assert relative_difference(half, full.x0(x_t, np.array([0.0, 0.3]), text)) < 0.05


@all_families
def test_decoding_gives_pictures_and_inverts_the_encoding_of_pixels(name, folders):
    denoiser = load(folders[name], "float32", "cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    x = torch.from_numpy(denoiser.encode_images(folders[name], pixels))
    pictures = denoiser.decode(x)
    assert pictures.shape == pixels.shape and pictures.dtype == np.uint8
    if not denoiser.LATENT_ENCODERS:
        assert np.array_equal(pictures, pixels)


def test_scoring_reads_only_the_network(folders, tmp_path):
    """Neither text encoders nor the VAE are imported or read: their files are deleted, and their modules are not loaded."""
    work = []
    for number, checkpoint_dir in enumerate(folders.values()):
        copy = shutil.copytree(checkpoint_dir, tmp_path / str(number))
        x_t, text = inputs(load(copy, "float32", "cpu"), 1)
        save_file({"x_t": x_t, **text}, tmp_path / f"{number}.safetensors")
        for part in weight_folders():
            if part in network_folders():
                continue
            for file in (copy / part).glob("*.safetensors"):
                file.write_bytes(b"")
        for tokenizer in copy.glob("tokenizer*"):
            shutil.rmtree(tokenizer)
        work.append((str(copy), str(tmp_path / f"{number}.safetensors")))
    code = (
        "import sys, numpy; from pathlib import Path; from safetensors.torch import load_file\n"
        "from diffzero import models\nfrom diffzero.scoring import job\n"
        f"for folder, file in {work!r}:\n"
        "    text = load_file(file); x_t = text.pop('x_t')\n"
        "    x = models.load(Path(folder), 'float32', 'cpu').x0(x_t, numpy.array([0.3]), text)\n"
        "    assert x.shape == x_t.shape and x.isfinite().all()\n"
        "print(*(m for m in sys.modules if 'modeling_clip' in m or 'modeling_t5' in m or m == 'diffzero.models.text_encoders'"
        " or 'autoencoder_kl' in m))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr[-2000:]


def test_if_2_gets_the_small_image_as_the_pipeline_prepares_it(folders):
    """The expected condition is prepared by the pipeline, with the noise of `crop_noise` in place of its generator's."""
    pipe = IFSuperResolutionPipeline.from_pretrained(folders["DeepFloyd IF-II"])
    pixels = np.random.default_rng(2).integers(0, 256, (2, 256, 256, 3), dtype=np.uint8)
    found = DeepFloydIFSuperResolution.encode_conditions(folders["DeepFloyd IF-II"], pixels)["small"]
    small = [Image.fromarray(transforms.downsample(crop, 64)) for crop in pixels]
    upscaled = torch.nn.functional.interpolate(
        pipe.preprocess_image(small, 1, "cpu"), (256, 256), mode="bilinear", align_corners=True
    )
    noise = torch.from_numpy(np.stack([crop_noise(crop) for crop in pixels]))
    level = torch.tensor([NOISE_LEVEL] * 2)
    assert found.dtype == np.float32
    assert (
        relative_difference(torch.from_numpy(found), pipe.image_noising_scheduler.add_noise(upscaled, noise, level))
        < 1e-5
    )


def test_the_noise_of_a_small_image_is_a_function_of_its_crop():
    one, other = np.random.default_rng(2).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    assert np.array_equal(crop_noise(one), crop_noise(one.copy()))
    assert abs(np.corrcoef(crop_noise(one).ravel(), crop_noise(other).ravel())[0, 1]) < 0.05
    assert abs(crop_noise(one).std() - 1) < 0.02


@pytest.mark.parametrize("part", ["unet", "text_encoder", "vae"])
def test_a_checkpoint_with_pickled_weights_is_refused_with_a_command_that_converts_it(part, folders, tmp_path):
    checkpoint_dir = shutil.copytree(folders["Stable Diffusion 1.x"], tmp_path / "copy")
    (weights,) = (checkpoint_dir / part).glob("*.safetensors")
    if part == "unet":
        torch.save(
            UNet2DConditionModel.from_pretrained(checkpoint_dir, subfolder=part).state_dict(),
            weights.with_suffix(".bin"),
        )
    weights.unlink()
    with pytest.raises(CheckpointError, match=rf"{part}: found no safetensors.*\.bin.*save_pretrained") as refusal:
        adapter_class(checkpoint_dir)
    assert conversion_command(checkpoint_dir) in str(refusal.value)
    if part == "unet":
        code = conversion_command(checkpoint_dir).removeprefix('python -c "').removesuffix('"')
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        load(Path(f"{checkpoint_dir}-safetensors"), "float32", "cpu")


def test_a_safety_checker_in_any_format_is_ignored(folders, tmp_path):
    checkpoint_dir = shutil.copytree(folders["Stable Diffusion 1.x"], tmp_path / "copy")
    (checkpoint_dir / "safety_checker").mkdir()
    (checkpoint_dir / "safety_checker" / "pytorch_model.bin").write_bytes(b"never opened")
    assert adapter_class(checkpoint_dir).__name__ == "StableDiffusion"


def test_a_checkpoint_without_a_network_is_refused(folders, tmp_path):
    checkpoint_dir = shutil.copytree(folders["PixArt-Sigma"], tmp_path / "copy")
    shutil.rmtree(checkpoint_dir / "transformer")
    with pytest.raises(CheckpointError, match="found no transformer folder"):
        adapter_class(checkpoint_dir)


@pytest.mark.parametrize("family", FAMILIES)
def test_prompts_are_refused_before_encoding_if_and_only_if_they_would_be_truncated(folders, family):
    checkpoint_dir = folders[family]
    adapter = adapter_class(checkpoint_dir)

    def refusal(check: Callable[[], object]) -> str:
        try:
            check()
        except PromptTooLongError as error:
            return str(error)
        return ""

    for count, fits in ((1, True), (20, None), (22, None), (23, None), (24, None), (60, None), (300, False)):
        prompts = ["a bag", " ".join(["DRESS"] * count), "a coat"]
        early = refusal(lambda prompts=prompts: require_prompts_fit(checkpoint_dir, prompts, "mine"))
        late = refusal(lambda prompts=prompts: adapter.encode_text(checkpoint_dir, prompts))
        assert bool(early) == bool(late), (count, early, late)
        assert fits is None or bool(early) != fits
        assert not early or re.match(r"mine: prompt 'DRESS.*': found \d+ tokens, expected at most", early)


def test_the_engine_gives_every_image_its_own_condition(folders):
    """Scores of IF-II equal those of the adapter image by image in any batch, and another image's condition changes them."""
    checkpoint_dir = folders["DeepFloyd IF-II"]
    denoiser, prompts = load(checkpoint_dir, "float32", "cpu"), ["a bag", "a red cube."]
    pixels = np.random.default_rng(3).integers(0, 256, (3, 24, 24, 3), dtype=np.uint8)
    text, conditions = denoiser.encode_text(checkpoint_dir, prompts), denoiser.encode_conditions(checkpoint_dir, pixels)
    problem = Problem(
        dataset="enlarged", seed=0, unshared=False, images=["a", "b", "c"], image_keys=["A", "B", "C"],
        x=denoiser.encode_images(checkpoint_dir, pixels), prompts=prompts, prompt_keys=prompts, text=text,
        items=[Item(name, k, np.arange(2)) for k, name in enumerate("abc")], conditions=conditions,
    )  # fmt: skip
    one, many = (
        Engine(denoiser, problem, Full(max_scores=2), np.ones_like, b).run(lambda s: None).to_frame() for b in (1, 7)
    )
    np.testing.assert_allclose(one["score"], many["score"], rtol=1e-5)
    moved = []
    for row in many.itertuples():
        image, draw = "abc".index(row.image), sample_draw(0, "enlarged", row.image, row.draw, problem.x.shape[1:])
        level = [
            values(np.array([draw.t])).astype(np.float32)
            for values in (denoiser.schedule.alpha, denoiser.schedule.sigma)
        ]
        x_t = torch.from_numpy(level[0] * problem.x[image] + level[1] * draw.eps)[None]

        def error(condition: int, x_t=x_t, image=image, draw=draw, row=row) -> float:
            inputs = {"states": text["states"][[row.prompt]], "small": conditions["small"][[condition]]}
            x_hat = denoiser.x0(x_t, np.array([draw.t]), {name: torch.from_numpy(v) for name, v in inputs.items()})
            return float((x_hat - torch.from_numpy(problem.x[image])).square().sum())

        with torch.inference_mode():
            assert row.score == pytest.approx(error(image), rel=1e-5)
            moved.append(abs(error((image + 1) % 3) / row.score - 1))
    assert max(moved) > 1e-3

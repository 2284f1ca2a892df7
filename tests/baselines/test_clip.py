"""The CLIP baseline equals open_clip on square images and crops other images as the diffusion models do."""

import json
import shutil
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from diffzero.baselines import base, clip
from diffzero.config import Clip, load_model
from diffzero.data.transforms import encode_png
from diffzero.models.base import PromptTooLongError
from diffzero.models.checkpoint import CheckpointError
from diffzero.models.download import locate_checkpoint
from diffzero.training.nets import CLIP_CONFIG
from hub_server import REVISION

PROMPTS = ["a photo of a bag.", "the number 3.", "a red cube."]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory) -> Clip:
    checkpoint_dir = tmp_path_factory.mktemp("tiny-clip")
    (checkpoint_dir / "open_clip_config.json").write_text(json.dumps(CLIP_CONFIG))
    torch.manual_seed(3)
    model = open_clip.CLIP(**CLIP_CONFIG["model_cfg"])
    state = {name: values.contiguous() for name, values in model.state_dict().items()}
    save_file(state, checkpoint_dir / "open_clip_model.safetensors")
    return Clip(kind="clip", title="tiny", licence="MIT", architecture=f"local-dir:{checkpoint_dir}")


def checkpoint_dir_of(settings: Clip) -> Path:
    return locate_checkpoint(settings, Path())


def pictures(*sizes: tuple[int, int]) -> pd.DataFrame:
    """Return random pictures of these heights and widths."""
    rng = np.random.default_rng(4)
    data = [encode_png(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)) for height, width in sizes]
    return pd.DataFrame({"image": [f"picture {k}" for k in range(len(data))], "bytes": data})


def test_similarities_of_square_images_equal_open_clips(tiny_clip, tmp_path):
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
    found = clip.image_text_similarities(tiny_clip, checkpoint_dir_of(tiny_clip), table, PROMPTS, None, CPU)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
    assert np.ptp(found) > 1e-3  # images and prompts are distinguished


def test_prompts_with_the_same_tokens_are_one_candidate(tiny_clip):
    table, prompts = pictures((32, 32), (50, 50), (40, 60)), ["A Red Cube.", *PROMPTS, "THE NUMBER 3."]
    items = pd.DataFrame({"item": table["image"], "image": table["image"], "label": [3, 4, 0]})
    items["candidates"] = items["classes"] = [list(range(5))] * 3
    found = clip.image_text_similarities(tiny_clip, checkpoint_dir_of(tiny_clip), table, prompts, None, CPU)
    assert (found[:, 3] == found[:, 0]).all() and (found[:, 4] == found[:, 2]).all()
    predicted = clip.clip_predictions(items, list(table["image"]), found)
    assert list(predicted["prediction"]) == list(found[:, :3].argmax(axis=1)) and not predicted["exact_tie"].any()


def test_downsampling_changes_the_result_except_for_images_of_that_size(tiny_clip):
    table, rng = pictures((64, 64), (64, 64)), np.random.default_rng(8)
    direct, downsampled = (
        clip.image_text_similarities(tiny_clip, checkpoint_dir_of(tiny_clip), table, PROMPTS, side, CPU)
        for side in (None, 8)
    )
    assert np.abs(direct - downsampled).max() > 1e-4
    small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    already = pd.DataFrame({"image": ["small"], "bytes": [encode_png(small)]})
    one, other = (
        clip.image_text_similarities(tiny_clip, checkpoint_dir_of(tiny_clip), already, PROMPTS, side, CPU)
        for side in (None, 8)
    )
    np.testing.assert_array_equal(one, other)


def test_an_oblong_image_is_cropped_to_its_central_square(tiny_clip):
    rng = np.random.default_rng(6)
    pixels = rng.integers(0, 256, (40, 80, 3), dtype=np.uint8)
    table = pd.DataFrame(
        {"image": ["a", "b"], "bytes": [encode_png(pixels), encode_png(np.ascontiguousarray(pixels[:, 20:60]))]}
    )
    oblong, square = clip.image_text_similarities(tiny_clip, checkpoint_dir_of(tiny_clip), table, PROMPTS, None, CPU)
    np.testing.assert_allclose(oblong, square, atol=1e-6)


def test_similarities_do_not_depend_on_the_batch(tiny_clip):
    table = pictures(*[(32, 32)] * (base.BATCH_SIZE + 3))
    found = clip.image_text_similarities(tiny_clip, checkpoint_dir_of(tiny_clip), table, PROMPTS, None, CPU)
    np.testing.assert_allclose(
        found[-2:],
        clip.image_text_similarities(tiny_clip, checkpoint_dir_of(tiny_clip), table.tail(2), PROMPTS, None, CPU),
        atol=1e-5,
    )


def test_the_most_similar_prompt_wins_and_a_tie_goes_to_the_lowest_label():
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
    found = clip.clip_predictions(items, ["a", "b"], similarity)
    assert list(found["prediction"]) == [5, 7, 6]
    assert list(found["exact_tie"]) == [True, False, True]
    assert list(found["correct"]) == [True, True, False]
    assert found["calls"].isna().all() and (found["draws"] == 0).all() and not found["reached_max_scores"].any()


def test_a_named_architecture_uses_weights_and_image_statistics_of_the_folder(tiny_clip, tmp_path):
    """OpenAI's weights are configured so: an architecture of open_clip, and weights from a repository."""
    checkpoint_dir = shutil.copytree(checkpoint_dir_of(tiny_clip), tmp_path / "weights")
    architecture = json.loads((checkpoint_dir / "open_clip_config.json").read_text())
    (tmp_path / "Tiny-1.json").write_text(json.dumps(architecture["model_cfg"]))
    open_clip.add_model_config(tmp_path / "Tiny-1.json")
    table, named = (
        pictures((32, 32), (40, 40)),
        tiny_clip.model_copy(update={"architecture": "Tiny-1", "path": str(checkpoint_dir)}),
    )
    expected = clip.image_text_similarities(tiny_clip, checkpoint_dir_of(tiny_clip), table, PROMPTS, None, CPU)
    np.testing.assert_allclose(
        clip.image_text_similarities(named, checkpoint_dir, table, PROMPTS, None, CPU), expected, atol=1e-6
    )
    statistics = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.5, 0.5]}
    (checkpoint_dir / "open_clip_config.json").write_text(json.dumps({**architecture, "preprocess_cfg": statistics}))
    model, _ = clip.load_clip(named, checkpoint_dir, CPU)
    assert list(model.visual.image_mean) == statistics["mean"] and list(model.visual.image_std) == statistics["std"]
    (checkpoint_dir / "open_clip_config.json").unlink()
    assert clip.load_clip(named, checkpoint_dir, CPU)[0].visual.image_mean == open_clip.OPENAI_DATASET_MEAN
    (checkpoint_dir / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"quick_gelu": True}}))
    with pytest.raises(CheckpointError, match="expected 'Tiny-1-quickgelu'"):
        clip.load_clip(named, checkpoint_dir, CPU)
    unknown = named.model_copy(update={"architecture": "Tiny-9"})
    with pytest.raises(CheckpointError, match="'Tiny-9': unknown to open_clip"):
        clip.load_clip(unknown, checkpoint_dir, CPU)


def test_the_configured_clip_is_built_with_quick_gelu():
    """The configured architecture is that of the paper's baseline, with the activation its weights were trained with."""
    settings = load_model("clip-vit-l-14", Path(__file__).parents[2])
    config = open_clip.get_model_config(settings.open_clip_name)
    assert config["quick_gelu"] and not open_clip.get_model_config("ViT-L-14").get("quick_gelu")
    with torch.device("meta"):
        model = open_clip.CLIP(**config)
    assert {type(block.mlp.gelu).__name__ for block in model.visual.transformer.resblocks} == {"QuickGELU"}
    assert sum(parameter.numel() for parameter in model.parameters()) == 427_616_513
    assert open_clip.get_pretrained_cfg("ViT-L-14-quickgelu", "openai")["hf_hub"].strip("/") == settings.hub


def test_a_clip_from_the_hub_equals_that_of_a_folder(tiny_clip, fake_hub):
    checkpoint_dir = checkpoint_dir_of(tiny_clip)
    fake_hub.repositories["models", "owner/clip"] = {p.name: p.read_bytes() for p in checkpoint_dir.iterdir()} | {
        "open_clip_pytorch_model.bin": b"not needed", "model.safetensors": b"not needed"}  # fmt: skip
    settings = Clip(kind="clip", title="C", licence="MIT", hub="owner/clip", revision=REVISION)
    found = locate_checkpoint(settings, Path())
    table = pictures((32, 32))
    np.testing.assert_array_equal(
        clip.image_text_similarities(settings, found, table, PROMPTS, None, CPU),
        clip.image_text_similarities(tiny_clip, checkpoint_dir, table, PROMPTS, None, CPU),
    )
    assert not fake_hub.requests_for("open_clip_pytorch_model.bin") and not fake_hub.requests_for("/model.safetensors")


def test_pickled_weights_are_never_opened_even_if_open_clip_prefers_them(tiny_clip, tmp_path, monkeypatch):
    checkpoint_dir = shutil.copytree(checkpoint_dir_of(tiny_clip), tmp_path / "weights")
    (checkpoint_dir / "open_clip_pytorch_model.bin").write_bytes(b"not a pickle")
    monkeypatch.setattr(torch, "load", None)
    settings = tiny_clip.model_copy(update={"architecture": None, "path": str(checkpoint_dir)})
    clip.load_clip(settings, checkpoint_dir, CPU)
    (checkpoint_dir / "open_clip_model.safetensors").rename(
        checkpoint_dir / "model.safetensors"
    )  # open_clip itself would now take the .bin
    with pytest.raises(CheckpointError, match=r"found open_clip_pytorch_model.bin and no open_clip_model.safetensors"):
        clip.load_clip(settings, checkpoint_dir, CPU)


def test_weights_that_do_not_fit_are_refused(tiny_clip, tmp_path):
    checkpoint_dir = shutil.copytree(checkpoint_dir_of(tiny_clip), tmp_path / "weights")
    save_file({"a": torch.zeros(1)}, checkpoint_dir / "open_clip_model.safetensors")
    with pytest.raises(CheckpointError, match="open_clip_model.safetensors: does not fit"):
        clip.load_clip(tiny_clip, checkpoint_dir, CPU)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"architecture": "ViT-L-14", "pretrained": "openai"}, "Write 'ViT-L-14-quickgelu'"),
        ({"architecture": "ViT-B-32", "pretrained": "laion2b_s34b_b79k"}, "Write 'hub' and 'revision' instead"),
        ({"architecture": "ViT-L-14", "hub": "timm/x.openai", "revision": REVISION}, "Write 'ViT-L-14-quickgelu'"),
        ({"architecture": "ViT-L-14"}, "neither 'path' nor 'hub'"),
        ({"hub": "a/b"}, "'hub' and 'revision' go together"),
    ],
)
def test_a_block_without_pinned_weights_is_refused(block, words):
    with pytest.raises(ValueError, match=words):
        Clip.model_validate({"kind": "clip", "title": "C", "licence": "MIT", **block})


def test_a_prompt_that_would_be_truncated_is_refused_before_the_network_is_loaded(tiny_clip, monkeypatch):
    """The longest prompt has its end token at the last position, and one word more is too much."""
    checkpoint_dir, tokenizer = checkpoint_dir_of(tiny_clip), open_clip.get_tokenizer(tiny_clip.architecture)
    words = tokenizer.context_length - 2
    longest, too_long = " ".join(["bag"] * words), " ".join(["bag"] * (words + 1))
    assert tokenizer([longest])[0, -1] == tokenizer([too_long])[0, -1] == tokenizer.eot_token_id
    clip.require_clip_prompts_fit(tiny_clip, checkpoint_dir, [*PROMPTS, longest])
    monkeypatch.setattr("diffzero.baselines.clip.load_clip", None)
    with pytest.raises(
        PromptTooLongError, match=rf"prompt '{too_long}': found {words + 3} tokens, expected at most {words + 2}"
    ):
        clip.image_text_similarities(tiny_clip, checkpoint_dir, pictures((8, 8)), [*PROMPTS, too_long], None, CPU)
    with pytest.raises(PromptTooLongError, match="^mine: prompt 'bag bag"):
        clip.require_clip_prompts_fit(tiny_clip, checkpoint_dir, [too_long], "mine")

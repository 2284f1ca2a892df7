"""Supervised baselines equal timm's forward pass on a checkpoint in timm's layout; the 16 categories are checked with NumPy."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_model_data_config
from timm.models import save_for_hf

from diffzero.baselines import base, supervised
from diffzero.config import ConfigError, Supervised, load_model, load_run
from diffzero.data.transforms import encode_png
from diffzero.models.checkpoint import CheckpointError
from diffzero.workflow.experiment import Experiment

ROOT, CPU = Path(__file__).resolve().parents[2], torch.device("cpu")


@pytest.fixture(scope="module")
def tiny_resnet(tmp_path_factory) -> Path:
    """Return the folder of a small ResNet with ImageNet's 1000 outputs, as timm saves it for the hub."""
    torch.manual_seed(7)
    checkpoint_dir = tmp_path_factory.mktemp("tiny-resnet")
    overlay = {
        "input_size": (3, 64, 64),
        "mean": (0.4, 0.5, 0.6),
        "std": (0.2, 0.25, 0.3),
        "interpolation": "bicubic",
        "crop_pct": 1.0,
    }
    model = timm.create_model("resnet10t", num_classes=1000, pretrained_cfg_overlay=overlay)
    torch.nn.init.normal_(model.fc.weight)  # the initial head gives nearly equal outputs for all images
    save_for_hf(model, checkpoint_dir, safe_serialization=True)
    assert {path.name for path in checkpoint_dir.iterdir()} == {"config.json", "model.safetensors"}
    return checkpoint_dir


def pictures(*sizes: tuple[int, int]) -> tuple[pd.DataFrame, list[np.ndarray]]:
    rng = np.random.default_rng(1)
    pixels = [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for height, width in sizes]
    return pd.DataFrame(
        {"image": [f"p{k}" for k in range(len(sizes))], "bytes": [encode_png(p) for p in pixels]}
    ), pixels


def test_probabilities_equal_timms(tiny_resnet):
    table, pixels = pictures((64, 64), (90, 90), (200, 200), (64, 64))
    model = timm.create_model(f"local-dir:{tiny_resnet}", pretrained=True).eval()
    preprocess = create_transform(**resolve_model_data_config(model), is_training=False)
    with torch.inference_mode():
        expected = model(torch.stack([preprocess(Image.fromarray(p)) for p in pixels])).softmax(dim=1).numpy()
    found = supervised.predict_probabilities(tiny_resnet, table, None, CPU)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-9)
    assert np.abs(found[0] - found[1]).max() > 1e-4 and found.sum(axis=1) == pytest.approx(1)


def test_probabilities_depend_on_downsampling_but_not_on_the_batch(tiny_resnet, monkeypatch):
    table, _ = pictures(*[(32, 32)] * 5)
    whole = supervised.predict_probabilities(tiny_resnet, table, None, CPU)
    monkeypatch.setattr(base, "BATCH_SIZE", 2)
    np.testing.assert_allclose(supervised.predict_probabilities(tiny_resnet, table, None, CPU), whole, rtol=1e-4)
    assert np.abs(supervised.predict_probabilities(tiny_resnet, table, 8, CPU) - whole).max() > 1e-5


def items_of(labels: list[int], **columns) -> pd.DataFrame:
    names = [f"p{k}" for k in range(len(labels))]
    frame = {"item": names, "task": "classify", "image": names, "label": labels, "candidates": [[0, 1]] * len(labels)}
    return pd.DataFrame(frame | {"classes": [[0, 1]] * len(labels)} | columns)


def test_the_sixteen_categories_are_means_of_their_outputs(tiny_resnet):
    """The expected means are computed with NumPy, per category of the configured mapping."""
    model = load_model("resnet50", ROOT)
    mapping = model.classes["cue_conflict"]
    names = list(mapping)
    table, _ = pictures(*[(64, 64)] * 6)
    probability = supervised.predict_probabilities(tiny_resnet, table, None, CPU)
    means = np.array([[np.mean([row[k] for k in mapping[name]]) for name in names] for row in probability])
    shuffled = names[::-1]  # the order is the data set's, not the mapping's
    found = supervised.class_probabilities(probability, supervised.class_outputs(mapping, shuffled))
    np.testing.assert_allclose(found, means[:, ::-1])
    cues = {"shape_label": [0] * 6, "texture_label": [1] * 6}
    labels = np.argsort(-found, axis=1)[np.arange(6), [0, 1, 4, 5, 6, 15]]
    rows = supervised.supervised_predictions(items_of(labels.tolist(), **cues), [f"p{k}" for k in range(6)], found)
    assert rows["prediction"].tolist() == found.argmax(axis=1).tolist()
    assert rows["correct"].tolist() == [True] + [False] * 5 and rows["top5"].tolist() == [True] * 3 + [False] * 3
    assert {"shape_label", "texture_label", "calls", "draws", "reached_max_scores", "exact_tie"} <= set(rows.columns)
    assert "candidates" not in rows and rows["calls"].isna().all()


def test_the_configured_mapping_equals_that_of_geirhos_et_al():
    """Counts that the authors' mapping has: 16 categories, 207 of the 1000 classes, none in two categories."""
    mapping = load_model("resnet50", ROOT).classes["cue_conflict"]
    listed = [k for outputs in mapping.values() for k in outputs]
    assert len(mapping) == 16 and len(listed) == len(set(listed)) and min(listed) >= 0 and max(listed) < 1000
    sizes = {name: len(outputs) for name, outputs in mapping.items()}
    assert (sizes["bird"], sizes["dog"], sizes["truck"], sizes["airplane"]) == (49, 109, 8, 1)


def test_ties_go_to_the_lowest_label_and_few_classes_have_no_top_5():
    probability = np.array([[0.2, 0.4, 0.4], [0.4, 0.4, 0.2]])
    rows = supervised.supervised_predictions(items_of([1, 1]), ["p0", "p1"], probability)
    assert (
        rows["prediction"].tolist() == [1, 0]
        and rows["exact_tie"].tolist() == [True, True]
        and rows["top5"].isna().all()
    )


def test_wrong_classes_and_outputs_are_refused():
    with pytest.raises(ValueError, match=r"found \['cat', 'dog'\] on one side only"):
        supervised.class_outputs({"cat": [1]}, ["dog"])
    with pytest.raises(ValueError, match="names output 9, found a network with 3 outputs"):
        supervised.class_probabilities(np.ones((1, 3)), [[0], [9]])
    with pytest.raises(ValueError, match="found label 7, expected 0..2"):
        supervised.supervised_predictions(items_of([7]), ["p0"], np.ones((1, 3)))


def test_weights_of_another_architecture_are_refused(tiny_resnet, tmp_path):
    checkpoint_dir = shutil.copytree(tiny_resnet, tmp_path / "copy")
    config = (checkpoint_dir / "config.json").read_text()
    (checkpoint_dir / "config.json").write_text(config.replace("resnet10t", "resnet18"))
    with pytest.raises(CheckpointError, match="does not fit the config.json"):
        supervised.load_classifier(checkpoint_dir)


def test_a_pickle_beside_or_instead_of_the_weights_is_never_opened(tiny_resnet, tmp_path, monkeypatch):
    checkpoint_dir = shutil.copytree(tiny_resnet, tmp_path / "copy")
    (checkpoint_dir / "pytorch_model.bin").write_bytes(b"not a pickle")
    monkeypatch.setattr(torch, "load", None)
    supervised.load_classifier(checkpoint_dir)
    (checkpoint_dir / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"found pytorch_model.bin and no model.safetensors.*python -c"):
        supervised.load_classifier(checkpoint_dir)


def settings(**changes) -> dict:
    return {
        "kind": "supervised",
        "title": "R",
        "licence": "MIT",
        "path": "x",
        "classes": {"imagenet": "outputs"},
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"classes": {}}, "at least 1 item"),
        ({"classes": {"d": {"cat": []}}}, "found no outputs for"),
        ({"path": None}, "neither 'path' nor 'hub'"),
        ({"path": None, "hub": "a/b"}, "go together"),
        ({"downsample_to": [64, 64]}, "expected each entry once"),
        ({"classes": {"d": {"cat": [-1]}}}, "greater than or equal to 0"),
    ],
)
def test_a_wrong_block_is_refused(changes, expected):
    with pytest.raises(ValueError, match=expected):
        Supervised.model_validate(settings(**changes))


def test_a_supervised_model_is_a_baseline_only_for_data_sets_whose_classes_it_has():
    run = {
        "name": "x",
        "models": ["mini-sd"],
        "baselines": ["mini-clip", "resnet50"],
        "datasets": ["imagenet", "digits"],
    }
    experiment = Experiment(load_run({**run, "attribute_binding": {"examples_per_task": 2}}, ROOT), ROOT)
    assert set(experiment.baseline_predictions("imagenet")) == {"mini-clip@24", "mini-clip", "resnet50"}
    assert (
        set(experiment.baseline_predictions("digits"))
        == set(experiment.baseline_predictions("scenes"))
        == {"mini-clip@24", "mini-clip"}
    )
    with pytest.raises(ConfigError, match="'resnet50' in 'models' is a supervised model. List it under 'baselines'"):
        load_run({**run, "models": ["resnet50"]}, ROOT)

"""Reuse of stored scores: a change that alters scores never reuses them, any other change always does."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file, save_file

from checkpoints import record_checkpoint
from diffzero.data.prompts import class_prompts
from diffzero.data.sources.digits import load_digit_table
from diffzero.data.transforms import crop_images
from diffzero.diffusion.weighting import Heuristic, Simple
from diffzero.models.checkpoint import CheckpointError, CheckpointRecord
from diffzero.pruning.policies import Full, TTest
from diffzero.scoring.inputs import ShardInputs
from diffzero.scoring.job import ScoringSettings, score_shard
from diffzero.utils.row_files import RowFile
from score_inputs import shard_inputs, write_inputs

PROMPTS = ["the number 0.", "the number 1.", "the number 2."]
CALLS = 2 * 3 * 6  # images x classes x draws


@pytest.fixture
def job(tmp_path, tiny_sd) -> tuple[ShardInputs, ScoringSettings]:
    """Return a job with two digits, three classes and six draws, already scored once."""
    torch.set_num_threads(1)
    table, pixels = load_digit_table().head(2), crop_images(load_digit_table().head(2), 32)
    prompts = class_prompts("the number {}.", ["0", "1", "2"])
    settings = ScoringSettings(
        dataset="digits",
        seed=0,
        unshared=False,
        policy=Full(max_scores=6),
        weighting=Heuristic(),
        weights=record_checkpoint(tiny_sd, tmp_path / "tiny-sd.json"),
        dtype="float32",
        device="cpu",
        batch_size=8,
        flush_every=100,
        store=tmp_path / "store",
    )
    inputs = write_inputs(tmp_path, table, prompts, pixels, settings.weights)
    assert cost(inputs, settings) == (CALLS, 0)
    return inputs, settings


def encode(inputs_dir: Path, record: CheckpointRecord, pixels: np.ndarray, prompts: list[str] = PROMPTS) -> ShardInputs:
    """Write other input files of the job."""
    content = {"prompts": prompts, "classnames": prompts, "class_prompt": [0, 1, 2], "duplicates": []}
    return write_inputs(inputs_dir, load_digit_table().head(2), content, pixels, record)


def cost(inputs: ShardInputs, settings: ScoringSettings) -> tuple[int, int]:
    """Run the job; return calls made and scores reused."""
    spent = score_shard(inputs, settings, "a job")[1]
    return spent["calls"], spent["reused"]


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"dtype": "bfloat16"}, {"unshared": True}, {"dataset": "other"}], ids=str
)
def test_another_seed_dtype_noise_or_dataset_reuses_no_score(job, change):
    inputs, settings = job
    assert cost(inputs, replace(settings, **change)) == (CALLS, 0)


def flip_a_bit(checkpoint_dir: Path) -> None:
    """Flip one bit of one weight of the U-Net."""
    path = checkpoint_dir / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    bits = next(iter(weights.values())).view(np.uint8).reshape(-1)
    bits[0] ^= 1
    save_file(weights, path)


def test_a_flipped_bit_of_the_weights_reuses_no_score(job, tmp_path):
    inputs, settings = job
    shutil.copytree(settings.weights.checkpoint_dir, tmp_path / "weights")
    flip_a_bit(tmp_path / "weights")
    changed = replace(settings, weights=record_checkpoint(tmp_path / "weights", tmp_path / "changed.json"))
    assert cost(encode(tmp_path, changed.weights, RowFile(inputs.crops).read()), changed) == (CALLS, 0)


def test_weights_that_differ_from_their_record_are_refused_and_nothing_is_stored(job, tmp_path):
    inputs, settings = job
    shutil.copytree(settings.weights.checkpoint_dir, tmp_path / "weights")
    record = record_checkpoint(tmp_path / "weights", tmp_path / "weights.json")
    inputs = encode(tmp_path, record, RowFile(inputs.crops).read())
    assert cost(inputs, replace(settings, weights=record)) == (0, CALLS)
    flip_a_bit(tmp_path / "weights")
    with pytest.raises(CheckpointError) as error:
        score_shard(inputs, replace(settings, weights=record, seed=1), "a job")
    text = str(error.value)
    assert (
        "unet/diffusion_pytorch_model.safetensors: found sha256 " in text and f"as recorded in {record.record}" in text
    )
    assert f"Delete {record.record} and re-run the same command" in text
    assert len(list(settings.store.glob("*"))) == 1


def test_a_changed_image_or_prompt_reuses_only_the_scores_of_the_others(job, tmp_path):
    inputs, settings = job
    pixels = RowFile(inputs.crops).read()
    pixels[1, 5, 5] ^= 1
    inputs = encode(tmp_path, settings.weights, pixels)
    assert cost(inputs, settings) == (CALLS // 2, CALLS // 2)
    inputs = encode(tmp_path, settings.weights, pixels, [*PROMPTS[:2], "the number 2!"])
    assert cost(inputs, settings) == (CALLS // 3, 2 * CALLS // 3)


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 5},
        {"batch_size": "auto"},
        {"flush_every": 1},
        {"policy": Full(max_scores=4)},
        {"weighting": Simple()},
    ],
    ids=str,
)
def test_another_batch_size_flush_interval_policy_or_weighting_reuses_scores(job, change):
    inputs, settings = job
    calls, reused = cost(inputs, replace(settings, **change))
    assert calls == 0 and reused >= 2 * 3 * 4


def test_other_paths_shards_and_class_orders_reuse_scores(job, tmp_path):
    inputs, settings = job
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(tmp_path, elsewhere, ignore=shutil.ignore_patterns("elsewhere"))
    shutil.copytree(settings.weights.checkpoint_dir, elsewhere / "weights")
    weights = record_checkpoint(elsewhere / "weights", elsewhere / "weights.json")
    moved = replace(settings, weights=weights, store=elsewhere / "store")
    for shard in (1, 2):
        assert cost(shard_inputs(elsewhere, shard, 2), moved) == (0, CALLS // 2)
    # Prompts in another order: scores are identified by the text of the prompt, not by its number.
    scores = score_shard(inputs, settings, "a job")[0]
    order = encode(tmp_path, settings.weights, RowFile(inputs.crops).read(), PROMPTS[::-1])
    assert cost(order, settings) == (0, CALLS) and len(scores) == CALLS


def test_a_policy_that_needs_more_draws_computes_only_the_missing_ones(job):
    inputs, settings = job
    assert cost(inputs, replace(settings, policy=TTest(min_scores=7, max_scores=7, cutoff_pval=1e-9))) == (
        CALLS // 6,
        CALLS,
    )


def test_the_cost_file_counts_calls_time_and_memory(job):
    inputs, settings = job
    fresh = score_shard(inputs, replace(settings, seed=5), "a job")[1]
    again = score_shard(inputs, replace(settings, seed=5), "a job")[1]
    assert (fresh["calls"], fresh["batch_size"], fresh["device"], fresh["dtype"]) == (CALLS, 8, "cpu", "float32")
    assert 0 < fresh["network_seconds"] <= fresh["seconds"] and fresh["calls_per_s"] > 0
    assert fresh["peak_memory_mb"] > 100 and fresh["peak_gpu_memory_mb"] is None
    # The network time belongs to the scores, whichever job computed them.
    assert again["network_seconds"] == pytest.approx(fresh["network_seconds"]) and again["calls_per_s"] is None


def test_stored_scores_equal_those_of_the_score_table(job):
    inputs, settings = job
    table = score_shard(inputs, settings, "a job")[0]
    chunks = pd.concat(pd.read_parquet(path) for path in settings.store.glob("*/*.parquet"))
    assert len(chunks) == len(table) == CALLS
    assert sorted(chunks["score"]) == sorted(table["score"])

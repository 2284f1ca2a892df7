"""Prompts with the same tokens are one candidate: in the text inputs, in live scoring, in the score table and in its replay."""

import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints import record_checkpoint
from diffzero import models
from diffzero.analysis.load import load_equal_labels, load_items, load_score_shards
from diffzero.analysis.score_array import build_score_array
from diffzero.data.equal_prompts import concat_scores, find_equal_prompts, merge_equal_prompts, scored_items
from diffzero.data.prompts import class_prompts
from diffzero.data.sources.digits import load_digit_table
from diffzero.data.transforms import crop_images
from diffzero.diffusion.schedule import read_schedule
from diffzero.diffusion.weighting import Heuristic, make_weight_fn
from diffzero.models.checkpoint import CheckpointRecord
from diffzero.pruning.policies import Full, Policy, TTest
from diffzero.pruning.replay import replay_items
from diffzero.reporting.tables.notes import equal_label_notes
from diffzero.scoring.inputs import ShardInputs
from diffzero.scoring.job import ScoringSettings, score_shard
from diffzero.utils.result_files import write_parquet
from score_inputs import write_inputs

NAMES = ["Zero", "one", "zero", "two", "ONE"]
FIRST = {2: 0, 4: 1}  # of the prompts "the number {}."


def write_job(base: Path, names: list[str], checkpoint_dir: Path) -> ShardInputs:
    """Write the input files of a scoring job."""
    base.mkdir()
    table, prompts = load_digit_table().head(4), class_prompts("the number {}.", names)
    table["label"] %= len(names)
    weights = record_checkpoint(checkpoint_dir, base / "weights.json")
    return write_inputs(base, table, prompts, crop_images(table, 32), weights)


def score(inputs: ShardInputs, policy: Policy, unshared: bool = False) -> pd.DataFrame:
    """Score all images, write the score table as the workflow does and return it as read from its file."""
    base = inputs.images.parent
    weights = CheckpointRecord.read(base / "weights.json")
    settings = ScoringSettings(
        "digits", 0, unshared, policy, Heuristic(), weights, "float32", "cpu", 12, 1000, base / "store"
    )
    scores, _ = score_shard(inputs, settings, "a job")
    write_parquet(scores, base / "1-of-1.parquet")
    return load_score_shards([str(base / "1-of-1.parquet")])


def predictions(base: Path, scores: pd.DataFrame, checkpoint_dir: Path, policy: Policy) -> pd.DataFrame:
    weight = make_weight_fn(Heuristic(), read_schedule(checkpoint_dir))
    return replay_items(load_items(str(base / "items.parquet"), scores), scores, policy, weight)


@pytest.mark.parametrize("unshared", [False, True])
def test_a_data_set_with_equal_prompts_is_scored_and_replayed_like_one_without(tiny_sd, tmp_path, caplog, unshared):
    policy = TTest(min_scores=4, max_scores=12, cutoff_pval=1e-6)
    with caplog.at_level(logging.WARNING):
        both = score(write_job(tmp_path / "a", NAMES, tiny_sd), policy, unshared)
    assert "prompt 'the number zero.' has the same tokens as 'the number Zero.' for this model" in caplog.text
    assert "prompt 'the number ONE.' has the same tokens as 'the number one.'" in caplog.text
    plain = ["Zero", "one", "two"]
    single = score(write_job(tmp_path / "b", plain, tiny_sd), policy, unshared)
    renumbered = both.assign(prompt=both["prompt"].map({0: 0, 1: 1, 3: 2}).astype("int32"))
    assert both.attrs and not single.attrs
    pd.testing.assert_frame_equal(renumbered, single, check_flags=False, rtol=1e-5)
    found, expected = (
        predictions(tmp_path / part, scores, tiny_sd, policy) for part, scores in (("a", both), ("b", single))
    )
    assert list(found["calls"]) == list(expected["calls"]) and list(found["draws"]) == list(expected["draws"])
    assert [NAMES[k] for k in found["prediction"]] == [plain[k] for k in expected["prediction"]]
    assert set(found["prediction"]) <= {0, 1, 3} and not found["exact_tie"].any()
    write_parquet(found, tmp_path / "found.parquet")
    write_parquet(expected, tmp_path / "expected.parquet")
    files = {"tiny": tmp_path / "found.parquet", "other": tmp_path / "expected.parquet"}
    labels = load_equal_labels(
        [{"model": m, "dataset": "digits", "seed": 0, "kind": "diffusion", "file": str(f)} for m, f in files.items()]
    )
    assert labels == {("tiny", "digits"): [[0, 2], [1, 4]]}
    assert equal_label_notes(labels)[0].startswith(
        "digits, tiny: the prompts of the labels 0, 2; 1, 4 are the same tokens"
    )


def test_full_scores_have_one_column_per_candidate(tiny_sd, tmp_path):
    scores = score(write_job(tmp_path / "a", NAMES, tiny_sd), Full(max_scores=5))
    array = build_score_array(load_items(str(tmp_path / "a/items.parquet"), scores), scores)
    assert array.scores.shape == (4, 5, 3)


def test_fewer_than_two_different_candidates_are_refused(tiny_sd, tmp_path):
    inputs = write_job(tmp_path / "a", ["Zero", "zero", "ZERO"], tiny_sd)
    with pytest.raises(ValueError, match="candidates that are all the same tokens for this model"):
        score(inputs, Full(max_scores=5))


def test_equal_tokens_have_the_same_bits_at_every_place_in_a_batch(tiny_sd):
    prompts = [f"the number {k}." for k in range(20)] + ["THE number 3.", "The Number 17."]
    text = models.adapter_class(tiny_sd).encode_text(tiny_sd, prompts)
    assert find_equal_prompts(text.values()) == {20: 3, 21: 17}


def test_shards_that_merge_different_prompts_are_refused():
    one, other = pd.DataFrame({"prompt": [0]}), pd.DataFrame({"prompt": [0]})
    one.attrs["equal_prompts"] = [[2, 0]]
    assert concat_scores([one, one.copy()]).attrs == one.attrs
    with pytest.raises(ValueError, match="delete the files of this scoring under scores/"):
        concat_scores([one, other])


@given(st.lists(st.integers(0, 4), min_size=2, max_size=9))
def test_the_first_of_equal_prompts_stands_for_them(rows):
    inputs = np.array(rows)[:, None] * np.ones((1, 3))
    equal = find_equal_prompts([inputs, inputs + 1])
    assert equal == {k: rows.index(row) for k, row in enumerate(rows) if rows.index(row) != k}
    items = pd.DataFrame(
        {"item": ["i"], "candidates": [list(range(len(rows)))], "classes": [[10 * k for k in range(len(rows))]]}
    )
    if len(set(rows)) < 2:
        with pytest.raises(ValueError, match="item i: found candidates that are all the same tokens"):
            merge_equal_prompts(items, equal)
        return
    merged = merge_equal_prompts(items, equal)
    kept = sorted(map(rows.index, set(rows)))
    assert list(merged["candidates"]) == [kept] and list(merged["classes"]) == [[10 * k for k in kept]]


def test_items_are_unchanged_without_equal_prompts(tmp_path):
    scores = pd.DataFrame({"prompt": [0]})
    items = pd.DataFrame({"item": ["i"], "candidates": [[0, 1]], "classes": [[0, 1]]})
    write_parquet(scores, tmp_path / "s.parquet")
    assert scored_items(items, pd.read_parquet(tmp_path / "s.parquet")) is items
    assert json.loads(json.dumps(scores.attrs)) == {}

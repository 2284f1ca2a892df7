"""A store that an earlier version wrote (`make demo`: mini-sd, 25 digits) is reused without a call."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml

from checkpoints import record_checkpoint
from diffzero.data.prompts import class_prompts
from diffzero.data.sources.digits import load_digit_table
from diffzero.data.transforms import crop_images
from diffzero.diffusion.weighting import Heuristic
from diffzero.pruning.policies import TTest
from diffzero.scoring.job import ScoringSettings, score_shard
from diffzero.scoring.store import content_key
from score_inputs import write_inputs

ROOT = Path(__file__).parents[2]
OLD_STORE = ROOT / "tests" / "files" / "store"
MINI_SD = ROOT / "resources" / "models" / "mini-sd"


def test_scores_of_an_earlier_version_are_reused_without_a_call(tmp_path):
    torch.set_num_threads(1)
    shutil.copytree(OLD_STORE, tmp_path / "store")
    stored = pd.read_parquet(next(OLD_STORE.glob("*/*.parquet")))
    block = yaml.safe_load((ROOT / "config" / "datasets" / "digits.yaml").read_text())
    prompts = class_prompts(block["prompt_templates"][0], block["classnames"])
    table, crops = load_digit_table(), crop_images(load_digit_table(), 32)
    keys = [content_key("digits", name, crop.tobytes()) for name, crop in zip(table["image"], crops, strict=True)]
    table, crops = table[np.isin(keys, stored["image"])], crops[np.isin(keys, stored["image"])]
    assert len(table) == 25

    weights = record_checkpoint(MINI_SD, tmp_path / "weights.json")
    inputs = write_inputs(tmp_path, table.reset_index(drop=True), prompts, crops, weights)
    settings = ScoringSettings(
        dataset="digits",
        seed=0,
        unshared=False,
        policy=TTest(max_scores=100),
        weighting=Heuristic(),
        weights=weights,
        dtype="float32",
        device="cpu",
        batch_size="auto",
        flush_every=4096,
        store=tmp_path / "store",
    )
    scores, cost = score_shard(inputs, settings, "digits")
    assert (cost["calls"], cost["reused"]) == (0, len(scores))
    assert set(scores["score"]) <= set(stored["score"])

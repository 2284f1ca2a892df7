"""A store that an earlier version wrote (`make demo`: mini-sd, 25 digits) is reused without a call."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml

from checkpoints import record_checkpoint
from diffzero import models
from diffzero.data.prompts import class_prompts, classification_items
from diffzero.data.sources.digits import load_digit_table
from diffzero.data.transforms import crop_images
from diffzero.diffusion.weighting import Heuristic
from diffzero.pruning.policies import TTest
from diffzero.scoring.inputs import ShardInputs, dump_text
from diffzero.scoring.job import ScoringSettings, score_shard
from diffzero.scoring.store import content_key
from diffzero.utils.io import write_parquet

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

    family, files = models.adapter_class(MINI_SD), {name: tmp_path / name for name in ("images", "items", "text")}
    files |= {name: tmp_path / f"{name}.npy" for name in ("crops", "x")}
    write_parquet(table, files["images"])
    write_parquet(classification_items(table, prompts), files["items"])
    np.save(files["crops"], crops)
    np.save(files["x"], family.encode_images(MINI_SD, crops))
    files["text"].write_bytes(dump_text(family.encode_text(MINI_SD, prompts["prompts"]), prompts["prompts"]))
    settings = ScoringSettings(
        dataset="digits",
        seed=0,
        unshared=False,
        policy=TTest(max_scores=100),
        weighting=Heuristic(),
        weights=record_checkpoint(MINI_SD, tmp_path / "weights.json"),
        dtype="float32",
        device="cpu",
        batch_size="auto",
        flush_every=4096,
        store=tmp_path / "store",
    )
    inputs = ShardInputs(**files, prompts=prompts["prompts"], shard=1, shards=1, max_images=None)
    scores, cost = score_shard(inputs, settings, "digits")
    assert (cost["calls"], cost["reused"]) == (0, len(scores))
    assert set(scores["score"]) <= set(stored["score"])

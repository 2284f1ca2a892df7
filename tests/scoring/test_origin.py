"""A scoring job refuses input files that are damaged or were not made from each other."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from checkpoints import record_checkpoint
from diffzero.models import adapter_class
from diffzero.models.checkpoint import CheckpointRecord
from diffzero.scoring.inputs import ShardInputs, check_origin, load_text, write_latents
from diffzero.utils.provenance import DamagedFileError, ResultFileError, StaleFileError
from diffzero.utils.result_files import digests_of, read_parquet, write_parquet, write_record
from diffzero.utils.row_files import RowFile
from score_inputs import write_inputs

PROMPTS = {"prompts": ["a cat", "a dog"], "class_prompt": [0, 1]}


@pytest.fixture
def job(tmp_path, tiny_sd) -> tuple[ShardInputs, CheckpointRecord]:
    return write_job(tmp_path, tiny_sd)


def write_job(inputs_dir: Path, checkpoint_dir: Path, seed: int = 0) -> tuple[ShardInputs, CheckpointRecord]:
    rng, images = np.random.default_rng(seed), pd.DataFrame({"image": ["one", "two"], "label": [0, 1], "seed": seed})
    record = record_checkpoint(checkpoint_dir, inputs_dir / "weights.json")
    crops, x = rng.integers(0, 256, (2, 8, 8, 3), dtype=np.uint8), rng.normal(size=(2, 2, 4, 4)).astype(np.float32)
    text = {"states": rng.normal(size=(2, 5)).astype(np.float32)}
    return write_inputs(inputs_dir, images, PROMPTS, crops, record, x, text), record


def check(inputs: ShardInputs, record: CheckpointRecord) -> None:
    check_origin(inputs, record, adapter_class(record.checkpoint_dir))
    RowFile(inputs.x).read()
    RowFile(inputs.crops).read()
    load_text(inputs.text, PROMPTS["prompts"])


def test_files_that_were_made_from_each_other_are_accepted(job):
    check(*job)


@pytest.mark.parametrize("name", ["x", "text", "crops", "images", "items", "prompts"])
def test_flipped_bits_are_refused_with_the_file_and_the_command(job, name):
    inputs, record = job
    path: Path = getattr(inputs, name)
    data, rng = path.read_bytes(), random.Random(0)
    for bit in [*rng.sample(range(8 * len(data)), 40), *rng.sample(range(8 * min(len(data), 128)), 20)]:
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(ResultFileError) as error:
            check(inputs, record)
            read_parquet(path)  # other columns than the job reads
        assert str(path) in str(error.value) and "Type `rm " in str(error.value)


@pytest.mark.parametrize("name", ["x", "text", "crops", "items"])
def test_files_of_another_job_are_refused(job, tmp_path, tiny_sd, name):
    inputs, record = job
    (tmp_path / "other").mkdir()
    other, _ = write_job(tmp_path / "other", tiny_sd, seed=1)
    swapped = getattr(inputs, name)
    swapped.write_bytes(getattr(other, name).read_bytes())
    if name == "text":  # made from equal prompts and weights: exchangeable, whatever its values
        return check(inputs, record)
    with pytest.raises(StaleFileError) as error:
        check(inputs, record)
    assert str(swapped) in str(error.value) and "Type `rm " in str(error.value)


def test_crops_of_other_images_are_refused_whatever_the_time_stamps_say(job):
    inputs, record = job
    write_parquet(read_parquet(inputs.images).assign(image=["three", "four"]), inputs.images)
    sources = digests_of([inputs.images, inputs.prompts])
    write_parquet(read_parquet(inputs.items).assign(image=["three", "four"]), inputs.items, sources)
    with pytest.raises(StaleFileError, match=f"^{inputs.crops}: made from {inputs.images} .*`rm {inputs.crops}"):
        check(inputs, record)


def test_latents_and_text_of_other_weights_or_of_another_version_are_refused(job):
    inputs, record = job
    with pytest.raises(StaleFileError, match="x.npy: made from .*found there now eeeeeeeeeeeeeeee"):
        write_record({"digest": "e" * 64}, record.record, digest="e" * 64)
        check(inputs, replace(record, digest="e" * 64))


def test_latents_of_another_version_of_the_adapter_are_refused(job, monkeypatch):
    inputs, record = job
    adapter = adapter_class(record.checkpoint_dir)
    monkeypatch.setattr(adapter, "FAMILY_VERSION", adapter.FAMILY_VERSION + 1)
    with pytest.raises(StaleFileError, match="found family_version .* another version wrote it"):
        check(inputs, record)


def test_a_cut_file_is_refused(job):
    inputs, record = job
    x = RowFile(inputs.x).read()
    for size in (0, 40, 128, 200, inputs.x.stat().st_size - 1):
        inputs.x.write_bytes(inputs.x.read_bytes()[:size])
        with pytest.raises(DamagedFileError):
            check(inputs, record)
        sources = digests_of([inputs.crops, record.record])
        write_latents([x], 2, inputs.x, adapter_class(record.checkpoint_dir), sources)
    check(inputs, record)

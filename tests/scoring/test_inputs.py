"""Checks of a job's input files: each error names the file, before anything is computed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from checkpoints import record_checkpoint
from diffzero.data.prompts import classification_items
from diffzero.diffusion.weighting import Heuristic
from diffzero.models import adapter_class
from diffzero.pruning.policies import Full
from diffzero.scoring.inputs import InputError, ShardInputs, dump_text, load_text
from diffzero.scoring.job import ScoringSettings, build_problem
from diffzero.scoring.problem import shard_slice
from diffzero.utils.io import write_parquet

PROMPTS = ["a cat", "a dog", "a bird"]
NAMES = ["one", "two", "three", "four"]


@pytest.fixture
def job(tmp_path, tiny_sd) -> tuple[ShardInputs, ScoringSettings]:
    """Four images among three prompts, in two shards."""
    rng = np.random.default_rng(0)
    files = {name: tmp_path / name for name in ("images", "items", "text")}
    files |= {name: tmp_path / f"{name}.npy" for name in ("crops", "x")}
    images = pd.DataFrame({"image": NAMES, "label": [0, 1, 2, 0]})
    write_parquet(images, files["images"])
    prompts = {"prompts": PROMPTS, "class_prompt": [0, 1, 2]}
    write_parquet(classification_items(images, prompts), files["items"])
    np.save(files["crops"], rng.integers(0, 256, (4, 8, 8, 3), dtype=np.uint8))
    np.save(files["x"], rng.normal(size=(4, 2, 4, 4)).astype(np.float32))
    text = {"states": rng.normal(size=(3, 5)).astype(np.float32), "mask": np.ones((3, 5), dtype=np.int64)}
    files["text"].write_bytes(dump_text(text, PROMPTS))
    inputs = ShardInputs(**files, prompts=PROMPTS, shard=2, shards=2, max_images=None)
    weights = record_checkpoint(tiny_sd, tmp_path / "weights.json")
    settings = ScoringSettings(
        "pets", 0, False, Full(max_scores=2), Heuristic(), weights, "float32", "cpu", 8, 100, tmp_path / "store"
    )
    return inputs, settings


def refusal(job: tuple[ShardInputs, ScoringSettings]) -> str:
    inputs, settings = job
    with pytest.raises(InputError) as error:
        build_problem(inputs, settings, adapter_class(settings.weights.checkpoint_dir))
    return str(error.value)


def test_a_shard_is_read_from_its_own_rows(job):
    inputs, settings = job
    problem = build_problem(inputs, settings, adapter_class(settings.weights.checkpoint_dir))
    assert problem.images == NAMES[2:] and [item.image for item in problem.items] == [0, 1]
    assert (problem.x == np.load(inputs.x)[2:]).all() and len(set(problem.image_keys)) == 2
    first = build_problem(
        replace(inputs, max_images=2, shard=1), settings, adapter_class(settings.weights.checkpoint_dir)
    )
    assert first.images == NAMES[:1]


@pytest.mark.parametrize("name", ["crops", "x"])
@pytest.mark.parametrize("rows", [3, 5])
def test_a_file_with_too_few_or_too_many_images_is_refused(job, name, rows):
    path: Path = getattr(job[0], name)
    np.save(path, np.resize(np.load(path), (rows, *np.load(path).shape[1:])))
    assert refusal(job).startswith(
        f"{path}: found {rows} images, expected 4, as in {job[0].images}. Delete it and re-run the"
    )


def test_two_images_with_the_same_name_are_refused(job):
    write_parquet(pd.DataFrame({"image": ["one", "two", "two", "four"]}), job[0].images)
    assert "images: found 'two' as the name of several images (2 rows share names), expected unique names" in refusal(
        job
    )


def test_text_inputs_of_prompts_in_another_order_are_refused(job):
    inputs, settings = job
    text = refusal((replace(inputs, prompts=PROMPTS[::-1]), settings))
    assert text.startswith(f"{inputs.text}: found text inputs of other prompts or in another order")
    assert "expected those of 3 prompts from 'a bird' to 'a cat'" in text


def test_text_inputs_with_too_few_rows_are_refused(job):
    job[0].text.write_bytes(dump_text({"states": np.zeros((2, 5), np.float32)}, PROMPTS))
    assert refusal(job).startswith(f"{job[0].text}, states: found 2 prompts, expected 3")


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_non_finite_latent_is_refused_in_its_own_shard_alone(job, value):
    inputs, settings = job
    x = np.load(inputs.x)
    x[3, 1, 2, 0] = value
    np.save(inputs.x, x)
    text = refusal(job)
    assert (
        text.startswith(f"{inputs.x}: found NaN or infinity for image four (1 of 2 rows)")
        and "weights of the VAE" in text
    )
    build_problem(replace(inputs, shard=1), settings, adapter_class(settings.weights.checkpoint_dir))


def test_a_non_finite_text_input_is_refused_with_its_prompt(job):
    states = load_text(job[0].text, PROMPTS)["states"].copy()
    states[1, 4] = np.inf
    job[0].text.write_bytes(dump_text({"states": states}, PROMPTS))
    assert refusal(job).startswith(f"{job[0].text}, states: found NaN or infinity for prompt 'a dog' (1 of 3 rows)")


@pytest.mark.parametrize(("count", "shards"), [(5, 7), (10, 3), (1, 1), (0, 2), (4096, 16), (7, 7)])
def test_shards_are_contiguous_and_their_sizes_differ_by_at_most_one(count, shards):
    rows = [list(range(count))[shard_slice(count, k, shards)] for k in range(1, shards + 1)]
    assert sum(rows, []) == list(range(count))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1

"""Checks of a job's input files: each error names the file, before anything is computed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from checkpoints import record_checkpoint
from diffzero.diffusion.weighting import Heuristic
from diffzero.models import adapter_class
from diffzero.pruning.policies import Full
from diffzero.scoring.inputs import InputError, ShardInputs, load_text, write_text
from diffzero.scoring.job import ScoringSettings, build_problem
from diffzero.scoring.problem import shard_slice
from diffzero.utils.result_files import digests_of, read_arrays, read_parquet, read_record, write_parquet, write_record
from score_inputs import write_inputs

PROMPTS = ["a cat", "a dog", "a bird"]
NAMES = ["one", "two", "three", "four"]


@pytest.fixture
def job(tmp_path, tiny_sd) -> tuple[ShardInputs, ScoringSettings]:
    """Four images among three prompts, in two shards."""
    rng = np.random.default_rng(0)
    images = pd.DataFrame({"image": NAMES, "label": [0, 1, 2, 0]})
    prompts = {"prompts": PROMPTS, "class_prompt": [0, 1, 2]}
    crops, x = rng.integers(0, 256, (4, 8, 8, 3), dtype=np.uint8), rng.normal(size=(4, 2, 4, 4)).astype(np.float32)
    text = {"states": rng.normal(size=(3, 5)).astype(np.float32), "mask": np.ones((3, 5), dtype=np.int64)}
    weights = record_checkpoint(tiny_sd, tmp_path / "weights.json")
    inputs = replace(write_inputs(tmp_path, images, prompts, crops, weights, x, text), shard=2, shards=2)
    settings = ScoringSettings(
        "pets", 0, False, Full(max_scores=2), Heuristic(), weights, "float32", "cpu", 8, 100, tmp_path / "store"
    )
    return inputs, settings


def rewrite(job: tuple[ShardInputs, ScoringSettings], table=None, **arrays) -> None:
    """Write the input files with other arrays, as an encoder would."""
    inputs, settings = job
    table = read_parquet(inputs.images) if table is None else table
    crops, x = (arrays.get(name, np.load(path)) for name, path in (("crops", inputs.crops), ("x", inputs.x)))
    text = arrays.get("text", read_arrays(inputs.text))
    write_inputs(inputs.images.parent, table, read_record(inputs.prompts), crops, settings.weights, x, text)


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
    rewrite(job, **{name: np.resize(np.load(path), (rows, *np.load(path).shape[1:]))})
    assert refusal(job).startswith(f"{path}: found {rows} images, expected 4, as in {job[0].images}. Type `rm {path}`")


def test_two_images_with_the_same_name_are_refused(job):
    rewrite(job, pd.DataFrame({"image": ["one", "two", "two", "four"], "label": [0, 1, 2, 0]}))
    assert (
        "images.parquet: found 'two' as the name of several images (2 rows share names), expected unique names"
        in refusal(job)
    )


def test_text_inputs_of_prompts_in_another_order_are_refused(job):
    inputs, settings = job
    write_record({"prompts": PROMPTS[::-1], "class_prompt": [0, 1, 2]}, inputs.prompts)
    write_text(
        read_arrays(inputs.text), PROMPTS, inputs.text, adapter_class(settings.weights.checkpoint_dir),
        digests_of([inputs.prompts, settings.weights.record]),
    )  # fmt: skip
    write_parquet(read_parquet(inputs.items), inputs.items, digests_of([inputs.images, inputs.prompts]))
    text = refusal(job)
    assert text.startswith(f"{inputs.text}: found text inputs of other prompts or in another order")
    assert "expected those of 3 prompts from 'a bird' to 'a cat'" in text


def test_text_inputs_with_too_few_rows_are_refused(job):
    rewrite(job, text={"states": np.zeros((2, 5), np.float32)})
    assert refusal(job).startswith(f"{job[0].text}, states: found 2 prompts, expected 3")


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_non_finite_latent_is_refused_in_its_own_shard_alone(job, value):
    inputs, settings = job
    x = np.load(inputs.x)
    x[3, 1, 2, 0] = value
    rewrite(job, x=x)
    text = refusal(job)
    assert (
        text.startswith(f"{inputs.x}, x: found NaN or infinity for image four (1 of 2 rows)")
        and "weights of the VAE" in text
    )
    build_problem(replace(inputs, shard=1), settings, adapter_class(settings.weights.checkpoint_dir))


def test_a_non_finite_text_input_is_refused_with_its_prompt(job):
    states = load_text(job[0].text, PROMPTS)["states"].copy()
    states[1, 4] = np.inf
    rewrite(job, text={"states": states})
    assert refusal(job).startswith(f"{job[0].text}, states: found NaN or infinity for prompt 'a dog' (1 of 3 rows)")


@pytest.mark.parametrize(("count", "shards"), [(5, 7), (10, 3), (1, 1), (0, 2), (4096, 16), (7, 7)])
def test_shards_are_contiguous_and_their_sizes_differ_by_at_most_one(count, shards):
    rows = [list(range(count))[shard_slice(count, k, shards)] for k in range(1, shards + 1)]
    assert sum(rows, []) == list(range(count))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1

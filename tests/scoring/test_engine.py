"""The engine evaluates the triples and makes the predictions of the literal algorithm, whatever the batches and interruptions."""

import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from diffzero import models
from diffzero.data import transforms
from diffzero.pruning.policies import Full, TTest
from diffzero.scoring.batch import noise_images
from diffzero.scoring.engine import Engine, ScoreError
from diffzero.scoring.problem import Item, Problem
from toy import KEYS, TTEST, classification, every_policy, one_score, race_as_printed, same, score, triples, weight

MINI_SD = Path(__file__).parents[2] / "resources" / "models" / "mini-sd"


def assert_literal(denoiser, problem, policy, batch_size: int) -> Counter:
    """Compare the engine with the literal algorithm; return how many races ended after each number of draws."""
    result, recorded = score(denoiser, problem, policy, batch_size)
    evaluated, ends = set(), Counter()
    for item in problem.items:
        expected, wanted = race_as_printed(denoiser, problem, policy, item)
        assert result.outcomes[item.name] == expected
        evaluated |= wanted
        ends[expected.draws] += 1
    assert sorted(triples(recorded, problem)) == sorted(evaluated)  # exactly these, each once
    assert len(result.to_frame()) == len(evaluated)
    return ends


@every_policy
@pytest.mark.parametrize("unshared", [False, True], ids=["shared", "unshared"])
@pytest.mark.parametrize("classes", [3, 6])
def test_triples_and_predictions_equal_those_of_the_literal_algorithm(toy, policy, unshared, classes):
    assert_literal(toy, classification(8, classes, unshared), policy, 7)


def test_the_races_of_the_toy_problem_end_early_late_and_at_max_scores(toy):
    ends = assert_literal(toy, classification(16, 5), TTEST, 11)
    assert len(ends) > 2 and ends[TTEST.max_scores] and ends[TTEST.max_scores] < 16


def test_the_engine_is_literal_with_a_real_checkpoint(tiny_sd):
    torch.set_num_threads(1)
    denoiser, prompts = models.load(tiny_sd, "float32", "cpu"), ["a bag", "a red cube.", "the number 3."]
    x = np.random.default_rng(5).normal(size=(3, 8, 8, 8)).astype(np.float32)
    problem = Problem(
        dataset="real",
        seed=0,
        unshared=False,
        images=["a", "b", "c"],
        image_keys=["A", "B", "C"],
        x=x,
        prompts=prompts,
        prompt_keys=prompts,
        text=models.adapter_class(tiny_sd).encode_text(tiny_sd, prompts),
        items=[Item(name, k, np.arange(3)) for k, name in enumerate("abc")],
    )
    assert_literal(denoiser, problem, TTest(min_scores=3, max_scores=6, cutoff_pval=0.1), 8)
    frame = score(denoiser, problem, TTest(min_scores=3, max_scores=6, cutoff_pval=0.1), 8)[0].to_frame()
    for row in frame.head(12).itertuples():
        t, expected = one_score(denoiser, problem, "abc".index(row.image), row.draw, row.prompt)
        assert row.t == t and row.score == pytest.approx(expected, rel=1e-4)


def test_the_engine_is_literal_with_the_shipped_mini_model():
    """With trained weights and real photographs, races end after different numbers of draws."""
    torch.set_num_threads(1)
    denoiser, prompts = (
        models.load(MINI_SD, "float32", "cpu"),
        ["a photo of a sneaker.", "a photo of a bag.", "a photo of a shirt."],
    )
    pngs = pd.read_parquet(MINI_SD.parents[1] / "data" / "fashion-test.parquet")["bytes"].head(6)
    names = [f"{k}" for k in range(len(pngs))]
    pixels = np.stack([transforms.crop_image(png, name, 32) for png, name in zip(pngs, names, strict=True)])
    problem = Problem(
        dataset="fashion",
        seed=0,
        unshared=False,
        images=names,
        image_keys=names,
        x=models.adapter_class(MINI_SD).encode_images(MINI_SD, pixels),
        prompts=prompts,
        prompt_keys=prompts,
        text=models.adapter_class(MINI_SD).encode_text(MINI_SD, prompts),
        items=[Item(name, k, np.arange(3)) for k, name in enumerate(names)],
    )
    assert len(assert_literal(denoiser, problem, TTest(min_scores=4, max_scores=24, cutoff_pval=0.02), 16)) > 2


def test_memory_is_linear_in_the_number_of_scores(toy):
    """Four times as many draws need the same number of bytes per score."""

    def bytes_per_score(draws: int) -> float:
        engine = Engine(toy, classification(4, 50), Full(max_scores=draws), weight, 64)
        tracemalloc.start()
        engine.run(lambda scores: None, flush_every=256)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak / engine.progress.calls

    few, many = bytes_per_score(100), bytes_per_score(400)
    assert many < 1.1 * few


@every_policy
def test_scores_do_not_depend_on_batch_size_and_shards(toy, policy):
    whole = score(toy, classification(), policy, 6)[0].to_frame()
    for batch_size in (1, 2, 5, 64, 1000):
        assert same(score(toy, classification(), policy, batch_size)[0].to_frame(), whole)
    shards = [classification(rows=rows) for rows in (slice(0, 1), slice(1, 6), slice(6, 8))]
    parts = [score(toy, shard, policy, 4)[0].to_frame() for shard in shards]
    assert same(pd.concat(parts).sort_values(["image", "draw", "prompt"], ignore_index=True), whole)


def test_a_shard_without_images_gives_an_empty_table_with_the_same_columns(toy):
    frame = score(toy, classification(rows=slice(0, 0)), TTEST)[0].to_frame()
    assert len(frame) == 0 and toy.calls == 0
    assert list(frame.columns) == list(score(toy, classification(), TTEST)[0].to_frame().columns)


class Watched(Engine):
    """Records of every batch: group, triples, images, unfinished images of the group, and active classes of both groups before it."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.seen = []

    def next_batch(self, group):
        width = sum(state.n_active for state in (*self.groups[0], *self.groups[1]))
        batch = super().next_batch(group)
        if batch:
            self.seen.append((group, len(batch.draw), len(batch.states), len(self.groups[group]), width))
        return batch


@every_policy
def test_every_batch_is_full_until_the_remaining_work_cannot_fill_it(toy, policy):
    engine = Watched(toy, classification(60), policy, weight, 16)
    engine.run(lambda scores: None)
    assert all(size <= 16 for _, size, _, _, _ in engine.seen)
    # A batch that is not full holds the missing scores of all unfinished images of its group.
    assert all(size == 16 or images == unfinished for _, size, images, unfinished, _ in engine.seen)
    short = [number for number, (_, size, _, _, _) in enumerate(engine.seen) if size < 16]
    # Such batches only occur at the end, one per draw with all images, except where the previous batch took part of a draw.
    assert all(width < 3 * 16 for *_, width in [engine.seen[number] for number in short])
    assert len(short) <= policy.max_draws + 2 < len(engine.seen)


def test_underfull_groups_are_merged_into_one(toy):
    engine = Watched(toy, classification(12), TTEST, weight, 16)
    engine.run(lambda scores: None)
    groups = [group for group, *_ in engine.seen]
    merged = next(k for k in range(len(groups)) if len(set(groups[k:])) == 1)
    assert set(groups[:merged]) == {0, 1} and merged < len(groups) - 3
    assert all(size >= min(16, width) / 2 for _, size, _, _, width in engine.seen[merged:])


def test_a_non_finite_score_names_image_prompt_and_draw_and_keeps_all_earlier_scores(toy):
    problem = classification()
    x_t, _ = noise_images(problem, toy, [(5, 2, None)])
    toy.poison, recorded = x_t[0], []
    with pytest.raises(ScoreError, match=r"picture 5, prompt 'prompt 0', draw 2: found score nan") as error:
        Engine(toy, problem, TTEST, weight, 6).run(recorded.append)
    assert "toy" in str(error.value) and f"in {toy.checkpoint_dir} with their source" in str(error.value)
    rows = pd.concat(recorded)
    assert len(rows) and np.isfinite(rows["score"]).all()
    # The batch in flight is kept, too: only the batch with the bad score is lost.
    assert toy.calls - len(rows) <= 6
    toy.poison = None
    result, rest = score(toy, problem, TTEST, known=rows)
    assert same(result.to_frame(), score(toy, problem, TTEST)[0].to_frame())
    assert not rows[KEYS].merge(pd.concat(rest)[KEYS]).size


def test_a_wider_dtype_is_suggested_if_there_is_one(toy):
    toy.dtype = torch.float16
    x_t, _ = noise_images(classification(), toy, [(5, 2, None)])
    toy.poison = x_t[0].half()
    with pytest.raises(ScoreError, match=r"ran in torch.float16: set `dtype: float32` .*re-run the same command"):
        score(toy, classification(), TTEST)


def test_a_prediction_of_the_wrong_shape_is_refused(toy):
    toy.lose_a_channel, recorded = True, []
    with pytest.raises(ScoreError, match=r"found predictions of shape \(6, 1, 1, 1\), expected \(6, 2, 1, 1\)"):
        Engine(toy, classification(), TTEST, weight, 6).run(recorded.append)
    assert not recorded


def test_items_that_share_image_and_prompt_evaluate_it_once(toy):
    base = classification(4, 6)
    pairs = [(image, pair) for image in range(4) for pair in ((0, 1), (1, 2), (5, 0), (3, 4))]
    items = [Item(f"{image} {pair}", image, np.array(pair)) for image, pair in pairs]
    problem = Problem(**{**vars(base), "items": items})
    assert_literal(toy, problem, TTEST, 5)
    calls = sum(outcome.calls for outcome in score(toy, problem, TTEST)[0].outcomes.values())
    assert len(score(toy, problem, TTEST)[0].to_frame()) < calls

"""The order of a ranking is the order of the differences that it shows, and these are those of the race."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from diffzero.api import Classification, rank_prompts
from diffzero.cli.classify import format_ranking
from diffzero.pruning.policies import Full, Policy, TTest
from diffzero.pruning.race import Race
from stages_of import fixed_stages

POLICIES = [
    TTest(min_scores=2, max_scores=40, cutoff_pval=0.2),
    TTest(min_scores=20, max_scores=40),
    Full(max_scores=30),
    Full(max_scores=1),
    fixed_stages((4, 9, 30), (3, 2, 1)),
]


def raced(scores: np.ndarray, policy: Policy) -> tuple[Classification, Race]:
    """Return the classification from scores [draw, prompt], of which those after an elimination are not known."""
    race = Race(policy, scores.shape[1], lambda first, last, columns: scores[first:last].take(columns, axis=1))
    while not race.finished:
        race.step(race.next_draws[1])
    weighted = scores[: race.n].copy()
    for prompt, end in enumerate(race.eliminated_at):
        weighted[end if end > 0 else race.n :, prompt] = np.nan
    prompts = [f"prompt {k}" for k in range(scores.shape[1])]
    return Classification(prompts, rank_prompts(weighted, prompts, policy), weighted, race.outcome()), race


def shown(result: Classification) -> list[float]:
    """Return the differences as the command prints them, below the winner."""
    return [float(line.split()[0]) for line in format_ranking(result).splitlines()[2 : 1 + len(result.prompts)]]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 8), st.sampled_from(POLICIES), st.booleans())
def test_the_order_of_rows_is_the_order_of_the_shown_difference(seed, count, policy, with_ties):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(policy.max_draws, count)) + 5 * rng.normal(size=(policy.max_draws, 1)) + rng.random(count)
    scores = scores.round() if with_ties else scores
    result, race = raced(scores, policy)
    first, *others = result.ranking
    assert first.prompt == f"prompt {race.outcome().winner}" and first.difference == first.low == first.high == 0
    assert shown(result) == sorted(shown(result))
    assert [row.difference for row in others] == sorted(row.difference for row in others)
    assert sorted(row.prompt for row in result.ranking) == result.prompts
    for row in others:
        paired = scores[: row.draws, int(row.prompt[7:])] - scores[: row.draws, race.outcome().winner]
        assert row.difference == pytest.approx(paired.mean(), abs=1e-12)
        if row.draws > 1 and paired.std() > 0:
            interval = stats.t.interval(0.95, row.draws - 1, paired.mean(), stats.sem(paired))
            assert (row.low, row.high) == pytest.approx(interval)
    for row in result.ranking:
        end = race.eliminated_at[int(row.prompt[7:])]
        assert row.eliminated_at == (None if end < 0 else end) and row.draws == (race.n if end < 0 else end)


def test_a_lower_mean_over_other_draws_does_not_rank_a_prompt_higher():
    """The mean of a prompt that was eliminated after easy draws is lower than those of better prompts."""
    easy_first = np.repeat([0.0, 50.0], 20)[:, None] + np.random.default_rng(0).normal(size=(40, 3)) * [0.1, 0.1, 0.1]
    result, _ = raced(easy_first + [0, 0.01, 3], TTest(min_scores=20, max_scores=40))
    dropped, kept = result.ranking[-1], result.ranking[1]
    means = dict(zip(result.prompts, np.nanmean(result.weighted, axis=0), strict=True))
    assert dropped.eliminated_at == 20 and means[dropped.prompt] < means[kept.prompt], "the setting of the test"
    assert kept.prompt == "prompt 1" and dropped.difference > kept.difference


def test_equal_scores_are_a_tie_in_the_order_given():
    column = np.random.default_rng(0).normal(size=(30, 1))
    result, _ = raced(np.repeat(column, 3, axis=1), TTest(min_scores=20, max_scores=30))
    assert [row.prompt for row in result.ranking] == ["prompt 0", "prompt 1", "prompt 2"]
    assert result.ranking[2].low == result.ranking[2].high == 0 and result.outcome.exact_tie
    text = format_ranking(result)
    assert "exact tie: 'prompt 2'" in text and "max_scores reached with 3 prompts left" in text


def test_a_prompt_that_was_ahead_of_the_winner_is_explained():
    """Prompt 2 loses to prompt 1 with certainty and is ahead of prompt 0, which wins later."""
    noise = 5 * np.random.default_rng(1).normal(size=40)
    best_later = np.where(np.arange(40) < 20, 1.0, -20.0) + noise
    result, race = raced(np.stack([best_later, np.zeros(40), np.full(40, 0.5)], axis=1), TTest(max_scores=40))
    row = result.ranking[1]
    assert race.outcome().winner == 0 and row.prompt == "prompt 2" and row.difference < 0 and row.eliminated_at == 20
    assert "'prompt 2' was ahead of the winner on its 20 draws" in format_ranking(result)


def test_rows_fit_into_a_terminal_and_long_prompts_come_last():
    scores = 1e3 * np.random.default_rng(0).normal(size=(100, 3)) + [0, 500, 900]
    result, _ = raced(scores, TTest(max_scores=100))
    assert all(len(line) - len("prompt 0") < 80 for line in format_ranking(result).splitlines()[:4])
    one, _ = raced(scores, Full(max_scores=1))
    assert "n/a" in format_ranking(one) and "nan" not in format_ranking(one)

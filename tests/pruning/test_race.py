"""Races have the predictions, survivors and calls of the printed algorithms, run one image and one draw at a time."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

import toy
from diffzero.pruning import paired_ttest
from diffzero.pruning.paired_ttest import PairedTests
from diffzero.pruning.policies import POLICIES, Full, Policy, StatelessPolicy, TTest, parse_policy
from diffzero.pruning.race import Outcome, Race
from literal import adaptive_stages, algorithm_1
from stages_of import fixed_stages

Floats = np.ndarray
KINDS = ("separated", "close", "ties", "constant", "equal", "heavy", "counts")


def raw_scores(kind: str, draws: int, classes: int, rng: np.random.Generator) -> np.ndarray:
    """Return random raw scores [draw, class], float32. Classes share the noise of a draw, as with a real model."""
    shared = rng.gamma(4.0, 20.0, (draws, 1))
    own = rng.standard_normal((draws, classes))
    match kind:
        case "separated":
            scores = shared + 3 * own + rng.permutation(classes) * 4.0
        case "close":
            scores = shared + 3 * own + rng.normal(0, 0.7, classes)
        case "ties":  # some columns are copies of others: prompts that read the same
            scores = (shared + 3 * own + rng.normal(0, 1.0, classes))[:, rng.integers(classes, size=classes)]
        case "constant":  # exactly constant differences, zero among them: eighths are exact in fp32
            scores = np.round(shared) + rng.integers(-3, 4, classes) / 8
        case "equal":
            scores = np.repeat(shared, classes, axis=1)
        case "heavy":
            scores = shared + rng.standard_t(1.5, (draws, classes)) + rng.normal(0, 0.5, classes)
        case "counts":  # few whole numbers: different columns with the same mean, to the last bit
            scores = rng.integers(0, 4, (draws, classes))
    return scores.astype(np.float32)


def weights(kind: str, draws: int, classes: int, rng: np.random.Generator) -> Floats:
    """Return weights [draw, 1], or [draw, class] as with unshared noise; powers of 2 where differences must stay constant."""
    if kind == "constant":
        return np.full((draws, 1), 0.25)
    if kind == "counts":
        return np.ones((draws, 1))
    return np.exp(-7 * rng.random((draws, classes if kind == "heavy" else 1)))


def reader(scores: np.ndarray, weight: Floats) -> Callable[[int, int, np.ndarray], Floats]:
    """Return the function that returns the weighted scores [draw, column] of some draws and columns."""
    weighted = scores.astype(np.float64) * weight
    return lambda first, last, columns: weighted[first:last].take(columns, axis=1)


def run(policy: Policy, scores: np.ndarray, weight: Floats) -> tuple[Race, list[tuple[int, tuple[int, ...]]]]:
    """Run a race one decision at a time; return it and its survivors after every decision."""
    race, history = Race(policy, scores.shape[1], reader(scores, weight)), []
    while not race.finished:
        race.step(race.next_draws[1])
        history.append((race.n, tuple(race.alive.tolist())))
    return race, history


def t_statistic(tests: PairedTests, n: int) -> Floats:
    """Return Student's paired t [class] against the best class, from the running sums; NaN where all differences are zero."""
    mean = tests.shift + tests.total / n
    squares = np.maximum(tests.squares - tests.total**2 / n, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return mean / np.sqrt(squares / (n * (n - 1)))


def cases(count: int, draws: Callable[[np.random.Generator], int]):
    """Yield (kind, scores, weights) of `count` random matrices, the kinds in turn."""
    for index in range(count):
        rng = np.random.default_rng([15233, index])
        kind, classes, n = KINDS[index % len(KINDS)], int(rng.integers(2, 13)), draws(rng)
        yield kind, raw_scores(kind, n, classes, rng), weights(kind, n, classes, rng)


@pytest.mark.parametrize(("min_scores", "extra", "count"), [(20, 16, 322), (2, 12, 140), (20, 100, 21)])
def test_ttest_is_algorithm_1(min_scores, extra, count):
    dropped, reached = 0, 0
    for kind, scores, weight in cases(count, lambda rng: min_scores + int(rng.integers(extra + 1))):
        policy = TTest(min_scores=min_scores, max_scores=len(scores), cutoff_pval=2e-3)
        expected = algorithm_1(scores.astype(np.float64) * weight, min_scores, len(scores), 2e-3)
        race, history = run(policy, scores, weight)
        # The race decides nothing before min_scores; from there on, after every draw.
        assert history == [step for step in expected.history if step[0] >= min_scores], kind
        assert all(len(alive) == scores.shape[1] for n, alive in expected.history if n < min_scores)
        outcome = race.outcome()
        assert (outcome.winner, outcome.calls) == (expected.prediction, expected.calls), kind
        assert outcome.draws == len(expected.history)
        assert outcome.reached_max_scores == (len(history[-1][1]) > 1)
        dropped += scores.shape[1] - len(history[-1][1])
        reached += outcome.reached_max_scores
    # The comparison covers races that end early and at max_scores, and dropped classes.
    assert dropped > count and 0 < reached < count


@pytest.mark.parametrize("min_scores", [2, 20])
def test_constant_differences_are_dropped_at_the_first_test_and_zero_differences_never(min_scores):
    base = np.arange(1, 41, dtype=np.float32)[:, None] ** 2
    scores = base + np.array([0.5, 0, 0, 0.25], dtype=np.float32)
    race, history = run(TTest(min_scores=min_scores, max_scores=40), scores, np.ones((40, 1)))
    assert history[0] == (min_scores, (1, 2)) and history[-1] == (40, (1, 2))
    assert race.eliminated_at.tolist() == [min_scores, -1, -1, min_scores]
    assert race.outcome() == Outcome(
        1, 40, 4 * min_scores + 2 * (40 - min_scores), reached_max_scores=True, exact_tie=True
    )


def test_constant_differences_with_rounding_errors_are_dropped_at_the_first_test():
    rng = np.random.default_rng(3)
    weighted = rng.random((20, 1)) + np.array([0.0, 0.1])
    assert np.ptp(weighted[:, 1] - weighted[:, 0]) > 0
    n, keep = TTest(min_scores=20).new_state().decide(lambda first, last: weighted[first:last], 0, 20)
    assert (n, keep.tolist()) == (20, [True, False])
    assert [alive for _, alive in algorithm_1(weighted, 20, 20, 2e-3).history][-1] == (0,)


def test_the_running_t_statistic_equals_scipys_after_every_draw():
    compared = 0
    for index in range(40):
        rng = np.random.default_rng([9, index])
        kind, classes, draws = (
            ("separated", "close", "heavy")[index % 3],
            rng.integers(2, 13),
            int(rng.integers(20, 300)),
        )
        weighted = raw_scores(kind, draws, classes, rng).astype(np.float64) * weights(kind, draws, classes, rng)
        if index % 2:
            weighted += 1e6  # digits that cancel
        tests = PairedTests(2, draws, 2e-3)
        tests.bound = np.full(draws + 1, 1e30)  # no class is dropped
        for n in range(2, draws + 1):
            tests.decide(lambda first, last, weighted=weighted: weighted[first:last], 0 if n == 2 else n - 1, n)
            others = np.arange(classes) != tests.best
            expected = stats.ttest_rel(weighted[:n, others], weighted[:n, [tests.best]], axis=0).statistic
            np.testing.assert_allclose(t_statistic(tests, n)[others], expected, rtol=1e-7 if index % 2 else 1e-9)
            assert np.isnan(t_statistic(tests, n)[tests.best])
            compared += len(expected)
    assert compared > 10_000


@pytest.mark.parametrize("wide", [1, paired_ttest.ROWWISE_CLASSES], ids=["summed by draw", "summed by class"])
@pytest.mark.parametrize("step", [7, 1000])
def test_a_race_has_the_same_bits_for_any_number_of_draws_per_step(step, wide, monkeypatch):
    monkeypatch.setattr(paired_ttest, "ROWWISE_CLASSES", wide)
    for kind, scores, weight in cases(70, lambda rng: 150):
        policy, ends = TTest(min_scores=20, max_scores=150, cutoff_pval=2e-3), []
        for size in (1, step):
            race, read = Race(policy, scores.shape[1], reader(scores, weight)), []
            while not race.finished:
                race.step(min(race.next_draws[1] + size - 1, 150))
                read.append(race.n)
            sums = [getattr(race.state, name).tobytes() for name in ("scores", "shift", "total", "squares")]
            ends.append((race.outcome(), race.eliminated_at.tolist(), race.state.best, sums))
        assert ends[0] == ends[1], kind


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("equal", "counts")])
def test_permuting_classes_permutes_the_result(kind):
    for index in range(12):
        rng = np.random.default_rng([77, index])
        scores, weight = raw_scores(kind, 60, 7, rng), np.exp(-7 * rng.random((60, 1)))
        order = rng.permutation(7)
        race, _ = run(TTest(min_scores=20, max_scores=60), scores, weight)
        other, _ = run(TTest(min_scores=20, max_scores=60), scores[:, order], weight)
        if race.outcome().exact_tie:
            continue  # a tie goes to the lowest label, which a permutation changes
        assert order[other.outcome().winner] == race.outcome().winner
        assert (other.outcome().draws, other.outcome().calls) == (race.outcome().draws, race.outcome().calls)
        assert other.eliminated_at.tolist() == race.eliminated_at[order].tolist()


@pytest.mark.parametrize(
    ("draws", "keep"), [((5, 20), (3, 1)), ((4, 9, 30), (5, 2, 1)), ((10,), (1,)), ((6, 12), (2, 1)), ((3, 7), (40, 1))]
)
def test_stages_are_those_of_li_et_al(draws, keep):
    for kind, scores, weight in cases(42, lambda rng: draws[-1]):
        expected = adaptive_stages(scores.astype(np.float64) * weight, draws, keep)
        race, history = run(fixed_stages(draws, keep), scores, weight)
        assert history == expected.history, kind
        assert (race.outcome().winner, race.outcome().calls) == (expected.prediction, expected.calls), kind


def test_full_needs_every_score_and_predicts_the_lowest_mean():
    for kind, scores, weight in cases(42, lambda rng: 37):
        race, history = run(Full(max_scores=37), scores, weight)
        classes = scores.shape[1]
        assert history == [(37, tuple(range(classes)))]
        means = [sum(scores[n, k] * weight[n, k % weight.shape[1]] for n in range(37)) for k in range(classes)]
        assert means[race.outcome().winner] == pytest.approx(min(means), rel=1e-6), kind
        assert (race.outcome().calls, race.outcome().draws) == (37 * classes, 37)


@pytest.mark.parametrize(
    "policy", [TTest(), Full(max_scores=10), fixed_stages((5, 10), (2, 1))], ids=lambda policy: policy.slug
)
def test_one_class_wins_without_a_call(policy):
    race = Race(policy, 1, reader(np.ones((5, 1)), np.ones((5, 1))))
    assert race.finished
    assert race.outcome() == Outcome(0, 0, 0, reached_max_scores=False, exact_tie=False)


def test_exact_tie_goes_to_the_lowest_label_and_is_counted():
    scores = np.random.default_rng(1).random((30, 4)).astype(np.float32) + np.array([5, 0, 9, 5], dtype=np.float32)
    scores[:, 3] = scores[:, 1]
    outcome = run(TTest(min_scores=20, max_scores=30), scores, np.ones((30, 1)))[0].outcome()
    assert (outcome.winner, outcome.reached_max_scores, outcome.exact_tie) == (1, True, True)


@pytest.mark.parametrize("shape", [(19, 3), (21, 3), (20, 2), (20, 4), (20,), (0, 3), (3, 20)])
def test_scores_of_the_wrong_shape_are_refused(shape):
    race = Race(TTest(min_scores=20), 3, lambda first, last, columns: np.zeros(shape))
    with pytest.raises(ValueError, match=r"expected \(20, 3\)"):
        race.step(20)
    assert (race.n, race.calls, race.next_draws) == (0, 0, (0, 20))


def test_a_race_refuses_missing_scores_and_names_one_that_is_not_finite():
    scores = np.ones((30, 3), dtype=np.float32)
    scores[17, 2] = np.nan
    race = Race(TTest(min_scores=20), 3, reader(scores, np.ones((30, 1))))
    with pytest.raises(ValueError, match="found the scores of draws 0 to 18, expected those to 19"):
        race.step(19)
    with pytest.raises(ValueError, match="found nan for class 2, draw 17, expected a finite score"):
        race.step(20)


@pytest.mark.parametrize("max_draws", [10, 20, 33, 60, 100])
def test_a_race_that_ends_early_has_the_result_of_a_shorter_policy(max_draws):
    for kind, scores, weight in cases(21, lambda rng: 60):
        for longer, shorter in (
            (TTest(min_scores=20, max_scores=60), TTest(min_scores=min(20, max_draws), max_scores=min(60, max_draws))),
            (fixed_stages((5, 60), (2, 1)), fixed_stages((5, min(60, max_draws)), (2, 1))),
            (Full(max_scores=60), Full(max_scores=min(60, max_draws))),
        ):
            race = Race(longer, scores.shape[1], reader(scores, weight), max_draws)
            while not race.finished:
                race.step(race.next_draws[1])
            found, expected = race.outcome(), run(shorter, scores, weight)[0].outcome()
            assert (found.winner, found.calls, found.draws) == (expected.winner, expected.calls, expected.draws), kind


def test_every_policy_is_in_the_registry_and_raced_by_the_tests_of_the_engine():
    subclasses = {*Policy.__subclasses__(), *StatelessPolicy.__subclasses__()} - {StatelessPolicy}
    assert set(POLICIES.values()) == subclasses == set(map(type, toy.POLICIES))


@pytest.mark.parametrize("policy", toy.POLICIES, ids=lambda policy: policy.slug)
def test_a_policy_is_restored_from_its_plain_values(policy):
    for values in (policy.model_dump(), policy.model_dump(mode="json")):
        assert parse_policy(values) == policy


def test_different_settings_have_different_slugs():
    policies = [
        Full(max_scores=20),
        Full(max_scores=21),
        TTest(),
        TTest(min_scores=19),
        TTest(min_scores=20, max_scores=200),
        TTest(min_scores=20, max_scores=2000, cutoff_pval=0.01),
        fixed_stages((2, 4), (2, 1)),
    ]
    assert len({policy.slug for policy in policies}) == len(policies)


def test_the_printed_cutoff_drops_an_equally_good_class_often_and_the_papers_cutoff_rarely():
    def false_drops(cutoff_pval: float) -> float:
        """Return the share of races between two equally good classes in which one is dropped."""
        dropped = 0
        for index in range(400):
            rng = np.random.default_rng([2303, index])
            scores = rng.standard_normal((200, 2), dtype=np.float32)
            dropped += (
                not run(TTest(min_scores=20, max_scores=200, cutoff_pval=cutoff_pval), scores, np.ones((200, 1)))[0]
                .outcome()
                .reached_max_scores
            )
        return dropped / 400

    # A single test would drop 0.2 % and 10 %; a test after every draw drops several times as many.
    assert 0.002 < false_drops(2e-3) < 0.05
    assert false_drops(2 * np.exp(-3)) > 0.25

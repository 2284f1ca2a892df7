"""A run that was stopped or killed continues from the stored scores, with the same bits and no repeated call."""

from collections import Counter

import numpy as np
import pandas as pd

from diffzero.pruning.policies import Full
from diffzero.scoring.engine import Engine, ScoringStoppedError
from toy import TTEST, Toy, classification, every_policy, same, score, triples, weight


@every_policy
def test_a_run_stopped_anywhere_and_resumed_gives_the_same_bits_and_repeats_no_call(toy_dir, policy):
    problem, whole = classification(6, 4), score(Toy(toy_dir), classification(6, 4), policy)[0].to_frame()
    stops = 0
    while True:
        recorded, left = [], stops

        def stop() -> bool:
            nonlocal left
            left -= 1
            return left < 0

        toy = Toy(toy_dir)
        try:
            Engine(toy, problem, policy, weight, 6).run(recorded.append, stop=stop, flush_every=13)
        except ScoringStoppedError:
            known = pd.concat(recorded) if recorded else None
            assert sum(map(len, recorded)) == toy.calls, stops
            result, rest = score(toy, problem, policy, known=known)
            assert same(result.to_frame(), whole), stops
            assert max(Counter(triples([*recorded, *rest], problem)).values()) == 1
            assert len(pd.concat([*recorded, *rest])) == len(whole)
            stops += 1
            continue
        break
    assert stops > 10


def test_a_killed_run_repeats_exactly_the_batches_that_were_lost(toy_dir):
    first, problem = Toy(toy_dir), classification()
    result, chunks = score(first, problem, TTEST, flush_every=1)
    assert len(chunks) == len(first.batches)
    for kept in range(len(chunks)):
        again = Toy(toy_dir)
        resumed, _ = score(again, problem, TTEST, known=pd.concat(chunks[:kept]) if kept else None)
        assert Counter(again.batches) == Counter(first.batches[kept:]), kept
        assert same(resumed.to_frame(), result.to_frame())


@every_policy
def test_known_scores_that_the_policy_does_not_need_change_nothing(toy_dir, policy):
    everything = pd.concat(score(Toy(toy_dir), classification(), Full(max_scores=12))[1])
    fresh = score(Toy(toy_dir), classification(), policy)[0]
    for share in (1.0, 0.5):
        toy = Toy(toy_dir)
        known = everything.sample(frac=share, random_state=1)
        result, recorded = score(toy, classification(), policy, known=known)
        assert same(result.to_frame(), fresh.to_frame()) and result.outcomes == fresh.outcomes
        assert (toy.calls == 0) == (share == 1.0)
        assert not set(triples(recorded, classification())) & set(triples([known], classification()))


def test_known_scores_of_other_images_and_prompts_are_ignored(toy):
    known = pd.concat(score(toy, classification(), TTEST)[1])
    stranger = pd.concat([known.assign(image="another image"), known.assign(prompt="another prompt")])
    result, _ = score(toy, classification(), TTEST, known=stranger.assign(score=np.float32(0)))
    assert same(result.to_frame(), score(toy, classification(), TTEST)[0].to_frame())


def test_progress_counts_images_calls_and_reused_scores(toy):
    seen = []
    _, recorded = score(toy, classification(), TTEST, report=lambda p: seen.append((p.images, p.images_done, p.calls)))
    calls = sum(map(len, recorded))
    assert seen[-1] == (8, 8, calls) and sorted(seen) == seen
    engine = Engine(toy, classification(), TTEST, weight, 6, pd.concat(recorded))
    engine.run(lambda scores: None)
    assert (engine.progress.calls, engine.progress.reused) == (0, calls)


def test_stored_scores_that_no_race_uses_are_not_counted_as_reused(toy):
    result, alone = score(toy, classification(), TTEST)
    _, everything = score(toy, classification(), Full(max_scores=TTEST.max_scores))
    known = pd.concat(everything)[::2]  # half of the scores of a race without pruning
    engine = Engine(toy, classification(), TTEST, weight, 6, known)
    again = engine.run(lambda scores: None)
    assert len(known) > engine.progress.reused > 0 and engine.progress.calls > 0
    assert engine.progress.calls + engine.progress.reused == sum(map(len, alone))
    pd.testing.assert_frame_equal(again.to_frame(), result.to_frame(), check_exact=True)

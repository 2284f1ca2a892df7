"""Replay: stored scores + weighting + policy -> predictions and calls, offline and without a network."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from diffzero.pruning.policies import Policy
from diffzero.pruning.race import Outcome, Race


class NotCoveredError(ValueError):
    """The policy needs a score that was never taken; the message names it and says what to run."""


def replay(policy: Policy, weighted: NDArray[np.float64], name: str, classes: list[int]) -> Outcome:
    """How the race of one item ends.

    `weighted` [draw, class], NaN where never taken. Raises NotCoveredError, with the item's `name`, draw and class label.
    """
    covered = leading(weighted)
    race = Race(policy, weighted.shape[1], lambda first, last, columns: weighted[first:last].take(columns, axis=1))
    while not race.finished:
        first, last = race.next_draws
        until = int(covered[race.alive].min())
        if until < last:
            label = classes[race.alive[covered[race.alive].argmin()]]
            raise NotCoveredError(
                f"item {name}: policy {policy.slug} needs draw {until} of class {label}, which was never scored. Expected scores of a "
                "recording policy that prunes no earlier; set `policy` to this one and run again: stored scores are kept, only "
                "the missing ones are taken."
            )
        race.step(until)
    return race.outcome()


def leading(weighted: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many of the first draws were scored without a gap [class]."""
    missing = np.isnan(weighted)
    return np.where(missing.any(axis=0), missing.argmax(axis=0), len(weighted))


def replay_items(
    items: pd.DataFrame,
    scores: pd.DataFrame,
    policy: Policy,
    weight: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> pd.DataFrame:
    """One row an item: item, task, image, label, prediction, correct, calls, draws, undecided, tied, and the items' own extra columns.

    `items` and `scores` as the workflow stores them; classes that share a prompt are one candidate and answer with the lowest label.
    """
    rows_of = rows_by_image(scores["image"])
    draws, prompts = scores["draw"].to_numpy(), scores["prompt"].to_numpy()
    weighted = scores["score"].to_numpy(dtype=np.float64) * once_a_draw(weight, scores["t"].to_numpy())
    outcomes = []
    for item in items.itertuples(index=False):
        if item.image not in rows_of:
            raise NotCoveredError(
                f"item {item.item}: found no score of image {item.image}; run the scoring rule again."
            )
        rows = rows_of[item.image]
        matrix = matrix_of(np.asarray(item.candidates), draws[rows], prompts[rows], weighted[rows])
        outcomes.append(replay(policy, matrix, item.item, item.classes))
    outcome = pd.DataFrame(outcomes, columns=list(Outcome.__dataclass_fields__))
    winner = [classes[winner] for classes, winner in zip(items["classes"], outcome["winner"], strict=True)]
    kept = items.drop(columns=["candidates", "classes"]).reset_index(drop=True)
    kept["prediction"] = np.array(winner, dtype=np.int64)
    kept["correct"] = kept["prediction"] == kept["label"]
    return kept.join(outcome[["calls", "draws", "undecided", "tied"]])


def once_a_draw(weight: Callable[[NDArray], NDArray], t: NDArray[np.float64]) -> NDArray[np.float64]:
    """w_t [score], asked for once where scores next to each other share their t, as those of a shared draw do in shards."""
    begins = np.flatnonzero(np.concatenate([[True], t[1:] != t[:-1]])[: len(t)])
    return np.repeat(weight(t[begins]), np.diff(begins, append=len(t)))


def rows_by_image(images: pd.Series) -> dict[str, slice | NDArray[np.int64]]:
    """Each image's rows: a slice, which costs no copy, where its rows stand in one piece, as shards store them."""
    column = pa.array(images)
    runs = pc.run_end_encode(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
    bounds = np.concatenate([[0], runs.run_ends.to_numpy()])
    pieces: dict[str, list[slice]] = {}
    for name, first, last in zip(runs.values.to_pylist(), bounds, bounds[1:], strict=False):
        pieces.setdefault(name, []).append(slice(first, last))
    return {name: own[0] if len(own) == 1 else np.r_[tuple(own)] for name, own in pieces.items()}


def matrix_of(
    candidates: NDArray[np.int64], draws: NDArray, prompts: NDArray, weighted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """One image's weighted scores as a matrix [draw, candidate], NaN where there is none."""
    size = max(int(prompts.max()), int(candidates.max())) + 1
    column = np.full(size, -1)
    column[candidates] = np.arange(len(candidates))
    mine = column[prompts]  # [score]
    if (mine < 0).any():
        chosen = mine >= 0
        draws, mine, weighted = draws[chosen], mine[chosen], weighted[chosen]
    matrix = np.full((int(draws.max(initial=-1)) + 1, len(candidates)), np.nan)
    matrix[draws, mine] = weighted
    return matrix

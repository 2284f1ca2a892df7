"""Replay: stored scores + weighting + policy -> predictions and calls, offline and without a network."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffzero.race import Outcome, Policy, Race


class NotCovered(ValueError):
    """The policy needs a score that was never taken; the message names it and says what to run."""


def replay(
    policy: Policy, weight: Callable[[NDArray[np.float64]], NDArray[np.float64]], t: NDArray, scores: NDArray, name: str
) -> Outcome:
    """How the race of one item ends.

    `scores` [draw, class] raw, NaN where never taken; `t` [draw, class] of each score. Raises NotCovered, naming item, draw and class.
    """
    race = Race(policy, scores.shape[1], lambda first, last: weight(t[first:last]))
    while not race.finished:
        first, last = race.due
        block = scores[first:last, race.alive]
        if len(block) < last - first or np.isnan(block).any():
            draw, column = np.argwhere(np.isnan(block))[0] if np.isnan(block).any() else (len(block), 0)
            raise NotCovered(
                f"item {name}: policy {policy.slug} needs draw {first + draw} of class {race.alive[column]}, which was never scored. "
                "Expected scores of a recording policy that prunes no earlier; set `policy` to this one and run again: "
                "stored scores are kept, only the missing ones are taken."
            )
        race.advance(block)
    return race.outcome()


def predictions(
    items: pd.DataFrame,
    scores: pd.DataFrame,
    policy: Policy,
    weight: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> pd.DataFrame:
    """One row an item: item, task, image, label, prediction, correct, calls, draws, undecided, tied, and the items' own extra columns.

    `items` and `scores` as the workflow stores them; classes that share a prompt are one candidate and answer with the lowest label.
    """
    by_image = scores.groupby("image", sort=False).indices
    draws, prompts = scores["draw"].to_numpy(), scores["prompt"].to_numpy()
    times, values = scores["t"].to_numpy(), scores["score"].to_numpy()
    rows = []
    for item in items.itertuples(index=False):
        mine = by_image.get(item.image)
        if mine is None:
            raise NotCovered(f"item {item.item}: found no score of image {item.image}; run the scoring rule again.")
        column = np.full(int(prompts[mine].max()) + 1, -1)
        candidates = np.asarray(item.candidates)
        column[candidates[candidates < len(column)]] = np.flatnonzero(candidates < len(column))
        mine = mine[column[prompts[mine]] >= 0]
        shape = (int(draws[mine].max()) + 1 if len(mine) else 0, len(candidates))
        matrix, t = np.full(shape, np.nan), np.zeros(shape)
        where = draws[mine], column[prompts[mine]]
        matrix[where], t[where] = values[mine], times[mine]
        rows.append(replay(policy, weight, t, matrix, item.item))
    outcome = pd.DataFrame(rows, columns=list(Outcome.__dataclass_fields__))
    winner = [classes[winner] for classes, winner in zip(items["classes"], outcome["winner"], strict=True)]
    kept = items.drop(columns=["candidates", "classes"]).reset_index(drop=True)
    kept["prediction"] = np.array(winner, dtype=np.int64)
    kept["correct"] = kept["prediction"] == kept["label"]
    return kept.join(outcome[["calls", "draws", "undecided", "tied"]])

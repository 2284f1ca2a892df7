"""Replay: stored scores + weighting + policy -> predictions and calls, without a network."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from diffzero.pruning.policies import Policy
from diffzero.pruning.race import Outcome, Race
from diffzero.typing import Floats

Rows = slice | NDArray[np.int64]


class NotCoveredError(ValueError):
    """The policy needs a score that was never computed; the message names the score and the command to run."""


def replay(
    policy: Policy, weighted: Floats, name: str, classes: Sequence[int], max_draws: int | None = None
) -> Outcome:
    """Return how the race of one item ends under a policy.

    Parameters
    ----------
    policy
        The policy to replay.
    weighted
        Weighted scores [draw, class], NaN where none was computed.
    name
        Name of the item, for the error message.
    classes
        Label of each class [class], for the error message.
    max_draws
        Maximum number of draws if the policy would continue.

    Raises
    ------
    NotCoveredError
        If the policy needs a score that is NaN.
    """
    covered = leading(weighted)
    race = Race(
        policy,
        weighted.shape[1],
        lambda first, last, columns: weighted[first:last].take(columns, axis=1),
        max_draws,
    )
    while not race.finished:
        _, last = race.next_draws
        until = int(covered[race.alive].min())
        if until < last:
            label = classes[race.alive[covered[race.alive].argmin()]]
            raise NotCoveredError(
                f"item {name}: policy {policy.slug} needs draw {until} of class {label}, which was never scored. Expected scores of a "
                "recording policy that prunes no earlier; set `policy` to this one and re-run the same command: stored "
                "scores are kept, only the missing ones are computed."
            )
        race.step(until)
    return race.outcome()


def leading(weighted: Floats) -> NDArray[np.int64]:
    """Return the number of draws before the first NaN [class] of scores [draw, class]."""
    missing = np.isnan(weighted)
    return np.where(missing.any(axis=0), missing.argmax(axis=0), len(weighted))


def replay_items(
    items: pd.DataFrame, scores: pd.DataFrame, policy: Policy, weight: Callable[[Floats], Floats]
) -> pd.DataFrame:
    """Replay the races of all items from stored scores.

    Parameters
    ----------
    items
        One row per item with the columns item, task, image, label, candidates (prompt numbers) and classes (the label that each
        candidate represents), and possibly others. Classes that share a prompt are one candidate, which has the lowest of their labels.
    scores
        One row per score with the columns image, draw, prompt, t, score (float32), in any order.
    policy
        The policy to replay.
    weight
        The weighting t -> w_t.

    Returns
    -------
    pd.DataFrame
        The columns of `items` without candidates and classes, and prediction (int64, a label), correct (bool), calls (int64),
        draws (int64), reached_max_scores (bool), exact_tie (bool); one row per item. The attributes are those of `items`.

    Raises
    ------
    NotCoveredError
        If the policy needs a score that is not in `scores`.
    """
    rows_of = rows_by_image(scores["image"])
    draws, prompts = scores["draw"].to_numpy(), scores["prompt"].to_numpy()
    weighted = scores["score"].to_numpy(dtype=np.float64) * weight_runs(weight, scores["t"].to_numpy())
    outcomes = []
    columns = (items[name] for name in ("item", "image", "candidates", "classes"))
    for name, image, candidates, classes in zip(*columns, strict=True):
        if image not in rows_of:
            raise NotCoveredError(
                f"item {name}: found no score of image {image}, expected scores of every item's image. Re-run the same command with "
                "`--forcerun score`: stored scores are kept, only the missing ones are computed."
            )
        rows = rows_of[image]
        matrix = score_matrix(np.asarray(candidates), draws[rows], prompts[rows], weighted[rows])
        outcomes.append(replay(policy, matrix, name, classes))
    outcome = pd.DataFrame(outcomes, columns=list(Outcome.__dataclass_fields__))
    winner = [classes[winner] for classes, winner in zip(items["classes"], outcome["winner"], strict=True)]
    kept = items.drop(columns=["candidates", "classes"]).reset_index(drop=True)
    kept["prediction"] = np.array(winner, dtype=np.int64)
    kept["correct"] = kept["prediction"] == kept["label"]
    table = kept.join(outcome[["calls", "draws", "reached_max_scores", "exact_tie"]])
    table.attrs = dict(items.attrs)
    return table


def weight_runs(weight: Callable[[Floats], Floats], t: Floats) -> Floats:
    """Return w_t [score], evaluated once per run of equal t: in a shard, the scores of a shared draw are adjacent."""
    starts = np.flatnonzero(np.concatenate([[True], t[1:] != t[:-1]])[: len(t)])
    return np.repeat(weight(t[starts]), np.diff(starts, append=len(t)))


def rows_by_image(images: pd.Series) -> dict[str, Rows]:
    """Return the row numbers of each image; a slice, which costs no copy, if its rows are contiguous, as in a shard."""
    column = pa.array(images)
    runs = pc.run_end_encode(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
    bounds = np.concatenate([[0], runs.run_ends.to_numpy()])
    pieces: dict[str, list[slice]] = {}
    for name, first, last in zip(runs.values.to_pylist(), bounds, bounds[1:], strict=False):
        pieces.setdefault(name, []).append(slice(first, last))
    return {name: own[0] if len(own) == 1 else np.r_[tuple(own)] for name, own in pieces.items()}


def score_matrix(
    candidates: NDArray[np.int64], draws: NDArray[np.integer], prompts: NDArray[np.integer], weighted: Floats
) -> Floats:
    """Return the weighted scores [score] of one image as a matrix [draw, candidate], NaN where there is none."""
    size = max(int(prompts.max()), int(candidates.max())) + 1
    column_of = np.full(size, -1)  # [prompt]
    column_of[candidates] = np.arange(len(candidates))
    columns = column_of[prompts]  # [score]
    if (columns < 0).any():
        is_candidate = columns >= 0
        draws, columns, weighted = draws[is_candidate], columns[is_candidate], weighted[is_candidate]
    matrix = np.full((int(draws.max(initial=-1)) + 1, len(candidates)), np.nan)
    matrix[draws, columns] = weighted
    return matrix

"""Read from earlier runs how many calls the races of a scoring take."""

import logging
import re
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffzero.binding.lewis import LEWIS
from diffzero.pruning.policies import Policy, TTest
from diffzero.utils.provenance import ResultFileError
from diffzero.utils.result_files import read_parquet
from diffzero.workflow.paths import SCENES
from diffzero.workflow.scoring_spec import Scoring

log = logging.getLogger(__name__)
PILOT_COLUMNS = ("image", "calls", "draws", "ended", "left", "reached_max_scores", "own")
TTEST = re.compile(r"shared-ttest-(\d+)-(\d+)-([0-9.e-]+?)-([a-z].*)")


def measured_calls(results: Path, scoring: Scoring) -> pd.DataFrame:
    """Return the calls of every image that any run has scored under the policy of this scoring or a comparable one.

    A policy is comparable to a t-test policy if it differs in max_scores alone. Of a longer race, the draws from max_scores on are
    ignored; the calls of a shorter race that reached its max_scores are a lower bound.

    Parameters
    ----------
    results : Path
        Folder that holds the results of all runs.
    scoring : Scoring
        The scoring whose cost is to be estimated.

    Returns
    -------
    pd.DataFrame
        One row per image: `image` (str), `calls` and `draws` (int), `ended` (bool: whether the race would take no further draw),
        `left` (int: classes that remain at the last draw), `reached_max_scores` (float: share of the image's races that did),
        `own` (bool: the scores have the scoring's seed, so they count for this scoring). Images with `own` take precedence.
    """
    frames = [pd.DataFrame({name: [] for name in PILOT_COLUMNS})]
    for scoring_dir in sorted(results.glob(f"*/scores/{scoring.model}/{scoring.dataset}/seed*/*")):
        max_scores = _comparable_max_scores(scoring_dir.name, scoring)
        shards = sorted(scoring_dir.glob("*.parquet"))
        if shards and max_scores is not None:
            scores = pd.concat([_read_intact(path) for path in shards])
            frames.append(_races(scores, max_scores, scoring, own=scoring_dir.parent.name == f"seed{scoring.seed}"))
    found = pd.concat(frames[1:] or frames, ignore_index=True)
    return found.sort_values("own", ascending=False, kind="stable").drop_duplicates("image")


def _read_intact(path: Path) -> pd.DataFrame:
    """Return the triples of a score shard; none of a damaged one, which only makes the plan less precise."""
    columns = ["image", "draw", "prompt"]
    try:
        return read_parquet(path, columns)
    except ResultFileError as error:
        log.warning("Not measured: %s", error)
        return pd.DataFrame({"image": pd.Series([], dtype="str"), "draw": np.empty(0, int), "prompt": np.empty(0, int)})


def _races(scores: pd.DataFrame, max_scores: int, scoring: Scoring, own: bool) -> pd.DataFrame:
    """Return the rows of `measured_calls` for scores [image, draw, prompt] of races that stop at `max_scores`."""
    scores = scores[scores["draw"] < scoring.policy.max_draws]
    races = scores.groupby("image", sort=True).agg(calls=("draw", "size"), draws=("draw", "max"))
    races["draws"] += 1
    races["ended"] = (races["draws"] < max_scores) | (max_scores >= scoring.policy.max_draws)
    last = min(max_scores, scoring.policy.max_draws) - 1
    first, left = (scores[scores["draw"] == draw].groupby("image").size() for draw in (0, last))
    races["left"] = left.reindex(races.index, fill_value=0)
    # Every race of a scene takes two scores per draw, so this ratio counts races; an image of another data set has one race.
    is_scene = scoring.dataset in (SCENES, LEWIS)
    races["reached_max_scores"] = races["left"] / first if is_scene else (races["left"] > 0).astype(float)
    races["own"] = own
    return races.reset_index()


def _comparable_max_scores(race: str, scoring: Scoring) -> int | None:
    """Return the max_scores of a race's folder if its calls predict those of the scoring, else None."""
    if race == scoring.slug:
        return scoring.policy.max_draws
    match = TTEST.fullmatch(race)
    if not match or scoring.unshared or not isinstance(scoring.policy, TTest) or scoring.weighting is None:
        return None
    other = int(match[1]), float(match[3]), match[4]
    own = scoring.policy.min_scores, scoring.policy.cutoff_pval, scoring.weighting.slug
    return int(match[2]) if other == own else None


def extrapolate(races: pd.DataFrame, policy: Policy) -> NDArray[np.float64]:
    """Return the calls [image] under `policy` of the races from `measured_calls`.

    An upper bound for races that were cut short: they continue to the last draw with the classes that remain.
    """
    missing = np.where(races["ended"], 0, policy.max_draws - races["draws"])
    return (races["calls"] + races["left"] * missing).to_numpy(np.float64)

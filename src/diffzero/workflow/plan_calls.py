"""How many calls a scoring takes: bounds that every run keeps, and the expectation, from a pilot where there is one."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from diffzero.typing import Floats
from diffzero.utils.result_files import read_parquet
from diffzero.workflow.experiment import Experiment
from diffzero.workflow.paths import SCENES
from diffzero.workflow.pilot import extrapolate, measured_calls
from diffzero.workflow.scoring_spec import Scoring

NO_PILOT = "assumed"
EXACT = "exact"


@dataclass(frozen=True)
class Workload:
    """The races of a scoring, and bounds of their calls.

    Attributes
    ----------
    images, races, classes
        Numbers of images and of races, and classes per race.
    floor, most
        The least and the greatest number of calls. Races of one image share the scores of a sentence.
    most_per_image
        The greatest number of calls of one image.
    sharing
        Different sentences per candidate of a race: 1 where no two races of an image share one.
    """

    images: int
    races: int
    classes: int
    floor: float
    most: float
    most_per_image: float
    sharing: float = 1.0


@dataclass(frozen=True)
class Calls:
    """The expected calls of one scoring."""

    calls: float
    stored: float  # calls whose scores are in the store, made by this run or another
    standard_error: float  # of `calls`, from the variation between the measured images; NaN without a pilot
    reached_max_scores: float  # expected share of races that reach max_scores; NaN without a measurement
    source: str  # what `calls` is based on: NO_PILOT, EXACT or the number of measured images
    sample: Floats  # calls per image [measured or simulated image]


def plan_workload(experiment: Experiment, scoring: Scoring) -> Workload:
    """Return the races of a scoring: those of the prepared data if there are any, else those that the configuration allows."""
    path = Path(experiment.run_dir) / "data" / scoring.dataset / "items.parquet"
    bound, classes = experiment.max_image_count(scoring), experiment.class_count(scoring.dataset)
    if path.is_file():
        return _prepared_workload(read_parquet(path, columns=["image", "candidates"]), scoring, bound, classes)
    images, binding = bound, experiment.run.attribute_binding
    is_scene = scoring.dataset in experiment.scene_datasets
    if scoring.dataset == SCENES and binding and binding.examples_per_task:
        # Tasks with Size use about every second scene, so they need twice as many scenes as the other tasks.
        images = math.ceil(1.5 * binding.examples_per_task)
    races = experiment.race_count(scoring, images)
    least, most = scoring.policy.call_bounds(classes)
    # The two binding tasks of a pair of attributes may share sentences; no sentence is in more than two tasks.
    floor = races * (classes * scoring.policy.next_decision(0) / 2 if is_scene else least)
    return Workload(images, races, classes, floor, races * most, experiment.task_count(scoring.dataset) * most)


def _prepared_workload(items: pd.DataFrame, scoring: Scoring, bound: int, classes: int) -> Workload:
    """Return the races of the first `bound` images of an item table."""
    policy = scoring.policy
    names = items["image"].drop_duplicates().iloc[:bound]
    floor, most, used, candidates = [], [], 0, 0
    for _, rows in items[items["image"].isin(set(names))].groupby("image", sort=False)["candidates"]:
        sizes = [len(row) for row in rows]
        union = len(set().union(*map(set, rows)))
        used, candidates = used + union, candidates + sum(sizes)
        bounds = [policy.call_bounds(size) if size > 1 else (0.0, 0.0) for size in sizes]
        floor.append(bounds[0][0] if len(sizes) == 1 else float(union * policy.next_decision(0)))
        most.append(min(sum(high for _, high in bounds), float(union * policy.max_draws)))
    races = int(items["image"].isin(set(names)).sum())
    sharing = used / candidates if candidates else 1.0
    return Workload(len(names), races, classes, sum(floor), sum(most), max(most, default=0.0), sharing)


def estimate_calls(experiment: Experiment, scoring: Scoring, work: Workload) -> Calls:
    """Estimate the calls of a scoring within the bounds of its races, from a pilot where there is one."""
    expected = scoring.policy.expected_calls(work.classes) * work.races * work.sharing
    prior = min(max(expected, work.floor), work.most)
    measured = measured_calls(Path(experiment.run.results), scoring)
    stored = float(measured.loc[measured["own"].astype(bool), "calls"].sum())
    images, nan = max(work.images, 1), math.nan
    if work.floor == work.most:
        return Calls(prior, min(stored, prior), 0.0, nan, EXACT, np.array([prior / images]))
    if measured.empty:
        # The draws above the floor are waiting times of independent decisions: exponentially distributed.
        above = np.random.default_rng(0).exponential(max(prior - work.floor, 1), 1000)
        return Calls(prior, 0.0, nan, nan, NO_PILOT, np.minimum(work.floor + above, work.most) / images)
    sample = extrapolate(measured, scoring.policy)
    # The calls of scored images are known: a pilot that is part of the run adds nothing to the error.
    known = min(len(sample), work.images)
    error = sample.std(ddof=1) / np.sqrt(len(sample)) * (work.images - known) if len(sample) > 1 else nan
    calls = float(work.images * sample.mean())
    reached = float(measured["reached_max_scores"].mean())
    return Calls(calls, min(stored, calls), float(error), reached, f"{len(sample)} images", sample)

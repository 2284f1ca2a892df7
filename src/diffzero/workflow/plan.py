"""What a run will cost, before anything is submitted: calls, GPU-hours, shards, disk, and the expected end.

Calls are a race's floor (classes x min_scores) until scores of the same model and data set are there: an earlier run, or a pilot of
some images. Until then nobody knows how many races will go on to max_scores undecided, and the plan says what all of them would cost.
Speed is measured where a run has been on the device, else from the network's FLOPs and a stated efficiency.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffzero.binding.lewis import LEWIS
from diffzero.pruning.policies import TTest
from diffzero.workflow import encoder_cost, resources
from diffzero.workflow.cost import spending
from diffzero.workflow.experiment import SCENES, Experiment, Scoring, weighting_slug
from diffzero.workflow.queueing import Queue, end_of

# Peak TFLOP/s in half precision without sparsity, from the makers' data sheets; a CPU core's is a guess.
DEVICES = {
    "V100": 112,
    "A100": 312,
    "L40S": 362,
    "H100": 989,
    "H200": 989,
    "RTX 4090": 165,
    "cpu": resources.CPU_TFLOPS,
}
BYTES_A_SCORE = 16  # 7 in the store and 8 in the shards of the demo
NO_PILOT = "the floor: no pilot"
TTEST = re.compile(r"shared-ttest-(\d+)-(\d+)-([0-9.e-]+?)-([a-z].*)")


class PlanError(ValueError):
    """The plan lacks what it reckons with; the message says what to type."""


@dataclass(frozen=True)
class Estimate:
    """What one scoring will cost."""

    model: str
    dataset: str
    seed: int
    race: str
    images: int
    races: int  # one an image; of scenes, one a task and example
    classes: int  # of a race
    floor: float  # calls of the cheapest possible races
    most: float  # calls if no race ever dropped a class
    calls: float
    paid: float  # calls of them that are in the store, taken by this run or another
    standard_error: float  # of `calls`, from the spread between the pilot's images; nan without one
    undecided: float  # share of races expected to reach max_scores; nan where nothing is measured
    calls_from: str
    calls_per_s: float
    speed_from: str
    shards: int

    @property
    def hours(self) -> float:
        """GPU-hours of the network."""
        return self.calls / self.calls_per_s / 3600

    @property
    def hours_left(self) -> float:
        """GPU-hours of what is not in the store yet."""
        return (self.calls - self.paid) / self.calls_per_s / 3600


def measured_calls(results: Path, scoring: Scoring) -> pd.DataFrame:
    """One row an image that any run below `results` has scored under this policy or a comparable one: image, calls, draws, ended,
    left (classes still racing at the last possible draw), undecided (share of the image's races), own (whether with the scoring's seed,
    so that its scores are this scoring's).

    Comparable to a `ttest` policy is one that differs in max_scores alone: of a longer race, the draws above ours are left out; a shorter
    one that was undecided has `ended` False, and its calls are a lower bound.
    """
    frames = [pd.DataFrame({name: [] for name in ("image", "calls", "draws", "ended", "left", "undecided", "own")})]
    for folder in sorted(results.glob(f"*/scores/{scoring.model}/{scoring.dataset}/seed*/*")):
        reached = _comparable(folder.name, scoring)
        if reached is None:
            continue
        shards = [
            pd.read_parquet(path, columns=["image", "draw", "prompt"]) for path in sorted(folder.glob("*.parquet"))
        ]
        if not shards:
            continue
        scores = pd.concat(shards)
        scores = scores[scores["draw"] < scoring.policy.max_scores]
        races = scores.groupby("image", sort=True).agg(calls=("draw", "size"), draws=("draw", "max"))
        races["draws"] += 1
        races["ended"] = (races["draws"] < reached) | (reached >= scoring.policy.max_scores)
        last = min(reached, scoring.policy.max_scores) - 1
        first, left = (scores[scores["draw"] == draw].groupby("image").size() for draw in (0, last))
        races["left"] = left.reindex(races.index, fill_value=0)
        # Every race of a scene takes two scores a draw, so the two numbers count its races; of other images there is one.
        races["undecided"] = (
            races["left"] / first if scoring.dataset in (SCENES, LEWIS) else (races["left"] > 0).astype(float)
        )
        races["own"] = folder.parent.name == f"seed{scoring.seed}"
        frames.append(races.reset_index())
    found = pd.concat(frames[1:] or frames, ignore_index=True)
    return found.sort_values("own", ascending=False, kind="stable").drop_duplicates("image")


def _comparable(race: str, scoring: Scoring) -> int | None:
    """The max_scores of a race's folder if its images say what ours will cost; else None."""
    if race == scoring.race:
        return scoring.policy.max_scores
    match = TTEST.fullmatch(race)
    if not match or scoring.unshared or not isinstance(scoring.policy, TTest):
        return None
    found = int(match[1]), float(match[3]), match[4]
    own = scoring.policy.min_scores, scoring.policy.cutoff_pval, weighting_slug(scoring.weighting)
    return int(match[2]) if found == own else None


def continued(races: pd.DataFrame, policy: TTest) -> NDArray[np.float64]:
    """Calls [image] under `policy`, an upper bound where races were cut short: those go on to the last draw with the classes they had."""
    missing = np.where(races["ended"], 0, policy.max_scores - races["draws"])
    return (races["calls"] + races["left"] * missing).to_numpy(float)


def _calls(
    experiment: Experiment, scoring: Scoring, images: int, races: int
) -> tuple[float, float, float, float, str, NDArray[np.float64]]:
    """Expected calls, how many are paid for, the standard error, share of undecided races, where they come from, and a sample of calls an
    image."""
    policy, classes = scoring.policy, experiment.classes(scoring.dataset)
    prior = resources.calls_a_race(policy, classes) * races
    measured = measured_calls(Path(experiment.run.results), scoring)
    paid = float(measured.loc[measured["own"].astype(bool), "calls"].sum())
    if not isinstance(policy, TTest):
        return prior, min(paid, prior), 0.0, float("nan"), "the policy", np.array([prior / images])
    if measured.empty:
        floor = races * classes * policy.min_scores
        # Above the floor, waiting times of independent decisions: exponential.
        sample = (floor + np.random.default_rng(0).exponential(max(prior - floor, 1), 1000)) / images
        return prior, 0.0, float("nan"), float("nan"), NO_PILOT, sample
    sample = continued(measured, policy)
    # Images already scored are no longer uncertain; a pilot that is part of the run does not add to the error.
    known = min(len(sample), images)
    error = sample.std(ddof=1) / np.sqrt(len(sample)) * (images - known) if len(sample) > 1 else float("nan")
    undecided = float(measured["undecided"].mean())
    calls = images * sample.mean()
    return calls, min(paid, calls), float(error), undecided, f"{len(sample)} images measured", sample


def _speed(
    experiment: Experiment, model: str, costs: pd.DataFrame, device: str, efficiency: float
) -> tuple[float, str]:
    """Calls a second of the model on the device, and where the number comes from."""
    mine = costs[(costs["model"] == model) & costs["device"].str.contains(device, case=False, regex=False)]
    if mine["network_seconds"].sum() > 0:
        calls = (mine["calls"] + mine["reused"]).sum()
        return calls / mine["network_seconds"].sum(), f"{int(calls):,} calls measured on {mine['device'].iloc[0]}"
    settings = experiment.model(model)
    if device not in DEVICES:
        raise PlanError(
            f"plan.device: found '{device}', on which {model} has not been measured, expected a device of a run below "
            f"'{experiment.run.results}' or one of {', '.join(DEVICES)}. Run a pilot on it, or change the configuration."
        )
    speed = resources.calls_a_second(settings, DEVICES[device], efficiency)
    known = (
        f"{settings.gflops:g} GFLOPs a call"
        if settings.gflops
        else f"an assumed {resources.UNKNOWN_GFLOPS:g} GFLOPs a call"
    )
    return speed, f"{known}, {efficiency:.0%} of {DEVICES[device]:g} TFLOP/s"


def _images(experiment: Experiment, scoring: Scoring) -> int:
    """The images that are asked about, once they are there; before that, as many as the run asks for."""
    table = Path(experiment.folder) / "data" / scoring.dataset / "items.parquet"
    asked = experiment.image_count(scoring)
    if table.is_file():
        return min(asked, pd.read_parquet(table, columns=["image"])["image"].nunique())
    # Tasks with Size take about every second scene, so they go on to twice as many as the others have.
    return math.ceil(1.5 * experiment.run.binding.scenes) if scoring.dataset == SCENES else asked


@dataclass(frozen=True)
class Plan:
    """Estimates of all scorings, and what a queue makes of them."""

    estimates: list[Estimate]
    queues: list[Queue]  # the run's own shard size is that with `chosen`
    scored: float  # calls of this run that have been paid for
    disk_gb: float
    encoder_cost: dict[str, float]  # GPU-hours of what is computed once per model and data set, by its name

    def table(self) -> pd.DataFrame:
        """One row a scoring."""
        return pd.DataFrame([{**asdict(e), "hours": e.hours} for e in self.estimates])


def plan(experiment: Experiment) -> Plan:
    """The plan of a run, from its configuration and whatever has been measured below its results folder."""
    run, settings = experiment.run, experiment.run.plan
    folders = sorted(Path(run.results).glob("*/scores"))
    costs = pd.concat(
        [spending(folder) for folder in folders] or [spending(Path(run.results) / "none")], ignore_index=True
    )
    estimates, samples = [], []
    for scoring in experiment.scorings.values():
        images, classes, policy = _images(experiment, scoring), experiment.classes(scoring.dataset), scoring.policy
        races = experiment.races(scoring, images)
        calls, paid, error, undecided, source, sample = _calls(experiment, scoring, images, races)
        speed, speed_from = _speed(experiment, scoring.model, costs, settings.device, settings.efficiency)
        floor, most = (races * bound for bound in resources.fewest_and_most_calls(policy, classes))
        shards = len(experiment.shards(scoring))
        names, counts = (scoring.model, scoring.dataset, scoring.seed, scoring.race), (images, races, classes)
        estimates.append(
            Estimate(*names, *counts, floor, most, calls, paid, error, undecided, source, speed, speed_from, shards)
        )
        samples.append(sample)
    queues = _queues(experiment, estimates, samples)
    disk = sum(e.calls for e in estimates) * BYTES_A_SCORE / 1e9
    peak = DEVICES.get(settings.device)  # of a device that is known by measurements alone, nobody knows it
    before = encoder_cost.hours(experiment, settings.device, peak) if peak else {}
    return Plan(estimates, queues, sum(e.paid for e in estimates), disk, before)


def _queues(experiment: Experiment, estimates: Sequence[Estimate], samples: Sequence[NDArray]) -> list[Queue]:
    """The expected end of what is left for the run's shard size, and for shorter and longer shards."""
    run, queues = experiment.run, []
    for factor in (0.25, 0.5, 1, 2, 4):
        sizes = {
            "shard_calls": max(1, round(run.shard_calls * factor)),
            "shard_images": max(1, round(run.shard_images * factor)),
        }
        changed = Experiment(run.model_copy(update=sizes), experiment.root)
        # The same draw of images for every size, so that the sizes differ by their length alone.
        rng, seconds = np.random.default_rng(1), []
        for scoring, estimate, sample in zip(experiment.scorings.values(), estimates, samples, strict=True):
            calls = rng.choice(sample, estimate.images)
            calls *= (estimate.calls - estimate.paid) / max(calls.sum(), 1)
            parts = np.array_split(calls, changed.shard_count(scoring))
            seconds += [part.sum() / estimate.calls_per_s for part in parts if part.sum() > 0]
        plan = run.plan
        queues.append(end_of(seconds, sizes["shard_calls"], plan.gpus, plan.start_seconds, chosen=factor == 1))
    return queues

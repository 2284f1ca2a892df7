"""Collect the inputs of tables and figures from the targets of a run.

Snakemake compares the `params` of a rule with those of its last run, so each job gets only the fields that it reads, as plain values.
Inside the job, `load_inputs` turns them into `ReportInputs`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from diffzero.diffusion.weighting import parse_weighting
from diffzero.pruning.policies import TTest, parse_policy
from diffzero.reporting.figures import FIGURES, FigureKey, FigureKind
from diffzero.reporting.inputs import FULL_SCORES, GROUPS, ReportInputs
from diffzero.reporting.tables import TABLES, Table
from diffzero.workflow.paths import SCENES
from diffzero.workflow.scoring_spec import Scoring
from diffzero.workflow.targets import TargetSet

# What `FigureKind.inputs` calls scores without pruning: reading them takes much memory and time.
SCORES = {"full_scores", "efficiency"}
Params = dict[str, Any]  # JSON-like values: fields of ReportInputs


def tables_of_scores() -> list[Table]:
    """Return the tables that are made from scores without pruning."""
    return [table for table in TABLES.values() if table.full_scores]


def tables_of_predictions(targets: TargetSet) -> list[Table]:
    """Return the tables of a run that are made from predictions and costs."""
    return [table for table in targets.tables() if not table.full_scores]


def reads_scores(kind: FigureKind) -> bool:
    """Return whether a kind of figure is drawn from scores without pruning."""
    return bool(SCORES & set(kind.inputs))


def figure_outputs(keys: Iterable[FigureKey]) -> list[str]:
    """Return the files of these figures below `figures/`: SVG, PNG, the CSV files behind them, and the JSON file with their digests."""
    files = []
    for key in keys:
        data = [stem.format(stem=key.stem) for stem in FIGURES[key.kind].data]
        files += [f"{key.stem}.svg", f"{key.stem}.png", *(f"{stem}.csv" for stem in data), f"{key.stem}.json"]
    return files


def _score_source(targets: TargetSet, scoring: Scoring) -> Params:
    """Return the files of the scores without pruning of one model on one data set."""
    return {
        "model": scoring.model,
        "dataset": scoring.dataset,
        "shards": targets.experiment.score_files(scoring),
        "weights": targets.paths.weights(scoring.model),
        "items": targets.paths.items(scoring.dataset),
    }


def _efficiency_source(targets: TargetSet, key: FigureKey) -> Params:
    """Return the files of one Figure 2."""
    shared, unshared = targets.experiment.figure2_scorings(key.model, key.dataset)
    files = _score_source(targets, shared)
    return {
        **{name: files[name] for name in ("model", "dataset", "weights", "items")},
        "shared": files["shards"],
        "unshared": targets.experiment.score_files(unshared),
    }


def score_params(targets: TargetSet) -> Params:
    """Return the inputs of tables and figures that read scores without pruning."""
    run = targets.run
    return {
        "run_dir": targets.experiment.run_dir,
        "full_scores": [_score_source(targets, scoring) for scoring in targets.full_scorings()],
        "efficiency": [_efficiency_source(targets, key) for key in targets.figure_keys() if key.kind == "efficiency"],
        "missing": {FULL_SCORES: targets.missing_notes(full_scoring=True)},
        "test_sizes": test_sizes(targets),
        "policy": run.policy.model_dump(),
        "weighting": run.weighting.model_dump(),
    }


def table_params(targets: TargetSet) -> Params:
    """Return the inputs of tables that read predictions and costs."""
    experiment, run = targets.experiment, targets.run
    costed = targets.costed_scorings()
    main = set(experiment.main_scorings)
    return {
        "run_dir": experiment.run_dir,
        "predictions": {group: targets.sources(group) for group in GROUPS},
        "requested": {group: targets.requested(group) for group in GROUPS},
        "missing": {group: targets.missing_notes(group) for group in GROUPS}
        | {FULL_SCORES: targets.missing_notes(full_scoring=True)},
        "costs": cost_files(targets, costed),
        "main_costs": cost_files(targets, [scoring for scoring in costed if scoring in main]),
        "datasets": {name: prepared_files(targets, name) for name in targets.datasets("classification")},
        "selections": selection_files(targets),
        "cue_datasets": targets.cue_conflict_datasets(),
        "seen_by_models": {name: experiment.dataset(name).seen_by_models for name in run.datasets},
        "test_sizes": test_sizes(targets),
        "ablations": targets.ablation_rows(),
        "seed": run.noise_seeds[0],
    }


def figure_params(targets: TargetSet) -> Params:
    """Return the inputs of figures that read predictions, pictures and tables."""
    keys = targets.figure_keys()
    datasets = [*targets.datasets("classification", "binding"), *(key.dataset for key in keys if key.dataset)]
    return {
        "run_dir": targets.experiment.run_dir,
        "predictions": {group: targets.sources(group) for group in GROUPS},
        "datasets": {name: prepared_files(targets, name) for name in dict.fromkeys(datasets)},
        "denoised": [picture_source(targets, key) for key in keys if key.kind == "denoised"],
        "samples": [picture_source(targets, key) for key in keys if key.kind == "samples"],
        "scenes": SCENES,
        "seed": targets.run.noise_seeds[0],
    }


def test_sizes(targets: TargetSet) -> dict[str, int | None]:
    """Return the documented number of images in the whole test set of every data set; None where it is unknown."""
    return {name: targets.experiment.dataset(name).test_size for name in targets.run.datasets}


def cost_files(targets: TargetSet, scorings: Iterable[Scoring]) -> list[str]:
    """Return the cost files of scorings, which are beside their score files."""
    files = (file for scoring in scorings for file in targets.experiment.score_files(scoring))
    return [f"{file.removesuffix('.parquet')}.json" for file in files]


def selection_files(targets: TargetSet) -> dict[str, str]:
    """Return the records of the selected images of data sets that leave out unreadable images, whose number is a note of Table 1."""
    names = [name for name in targets.run.datasets if targets.experiment.dataset(name).unreadable == "skip"]
    return {name: targets.paths.selection(name) for name in names}


def prepared_files(targets: TargetSet, dataset: str) -> dict[str, str]:
    """Return the prompts, items and images of a prepared data set."""
    paths = targets.paths
    return {"prompts": paths.prompts(dataset), "items": paths.items(dataset), "images": paths.images(dataset)}


def picture_source(targets: TargetSet, key: FigureKey) -> Params:
    """Return the pictures of one Figure 3 or 6, with the settings of the sampler for its title."""
    settings = ""
    if key.kind == "samples":
        entry = next(e for e in targets.run.figure6_samples if (e.model, e.dataset) == (key.model, key.dataset))
        settings = f"{entry.steps} steps, guidance {entry.guidance:g}, seed {targets.run.noise_seeds[0]}"
    file = targets.paths.pictures(key.kind, key.model, key.dataset)
    return {"model": key.model, "dataset": key.dataset, "file": file, "settings": settings}


def load_inputs(params: Mapping[str, Any]) -> ReportInputs:
    """Return the inputs that a job's `params` describe."""
    values = dict(params)
    values["run_dir"] = Path(values["run_dir"])
    if "policy" in values:
        policy = parse_policy(values["policy"])
        values |= {"policy": policy, "pruning": TTest.of_run(policy)}
    if "weighting" in values:
        values["weighting"] = parse_weighting(values["weighting"])
    return ReportInputs(**values)

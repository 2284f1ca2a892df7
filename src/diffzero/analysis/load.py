"""Predictions and costs of a run, gathered for the tables."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from diffzero.analysis.score_array import Matrices, matrices
from diffzero.diffusion.schedule import NoiseSchedule, read_schedule
from diffzero.utils.io import read_json

BINDING_NOTE = (
    "The mini models were trained on scenes of this kind, with captions of this grammar; six of the 24 combinations of "
    "shape and colour were held out of all training images and captions. A scene counts as held-out when it shows at least one of them."
)


# `held_out` is the binding tasks' own.
COLUMNS = ("item", "task", "image", "label", "prediction", "correct", "calls", "draws", "undecided", "tied", "held_out")


def predictions(sources: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """All prediction files of a table in one frame: their columns, and model, dataset, seed, kind from `sources`.

    Without any source: no row, every column that a table may ask for.
    """
    frames = []
    for source in sources:
        facts = {name: source[name] for name in ("model", "dataset", "seed", "kind")}
        frames.append(pd.read_parquet(source["file"]).assign(**facts))
    return (
        pd.concat(frames, ignore_index=True)
        if frames
        else pd.DataFrame(columns=[*COLUMNS, "model", "dataset", "seed", "kind"])
    )


COSTS = (
    "model", "dataset", "calls", "seconds", "gpu_hours", "device", "dtype", "batch_size", "calls_at_once", "peak_memory_mb",
    "peak_gpu_memory_mb",
)  # fmt: skip


def costs(files: Iterable[str]) -> pd.DataFrame:
    """COSTS, one row a shard: what its scores cost, whenever they were taken. Model and data set are told by the path.

    `seconds` is the network's time for the shard's scores, not the job's: a job that found all of them in the store took
    none. The columns from `device` on are those of the job. gpu_hours and peak_gpu_memory_mb are nan where the device was a CPU.
    """
    rows = []
    for file in files:
        model, dataset = Path(file).parts[-5:-3]
        cost = read_json(Path(file))
        on_gpu = cost["device"] != "cpu"  # else the name that the GPU gives itself
        own = {
            "model": model,
            "dataset": dataset,
            "calls": cost["calls"] + cost["reused"],
            "seconds": cost["network_seconds"],
        }
        own["gpu_hours"] = cost["network_seconds"] / 3600 if on_gpu else float("nan")
        rows.append(cost | own)
    table = pd.DataFrame(rows, columns=list(COSTS))
    return table.astype({"peak_gpu_memory_mb": "float64"})  # None, on a CPU


def unpruned(sources: Iterable[Mapping[str, object]]) -> dict[tuple[str, str], tuple[Matrices, NoiseSchedule]]:
    """Unpruned scores and the model's schedule, by (model, data set). `sources`: model, dataset, shards, weights, decisions."""
    found = {}
    for source in sources:
        scores = pd.concat([pd.read_parquet(path) for path in source["shards"]], ignore_index=True)
        data = matrices(pd.read_parquet(source["decisions"]), scores)
        schedule = read_schedule(Path(read_json(Path(source["weights"]))["folder"]))
        found[source["model"], source["dataset"]] = data, schedule
    return found


def reported(paper: pd.DataFrame) -> pd.DataFrame:
    """The paper's Table 1 (model, dataset, resolution, accuracy in %) under the names that our rows bear.

    Its CLIP rows at 64 are our `@64`: the image reduced to 64 pixels first; those at 224 are our plain name.
    """
    reduced = paper["model"].str.startswith("clip-") & (paper["resolution"] == 64)
    return paper.assign(model=paper["model"].mask(reduced, paper["model"] + "@64"))


def notes(seen_by_models: Mapping[str, list[str]], duplicates: Mapping[str, list[list[int]]]) -> list[str]:
    """What a reader of Table 1 must know: which results are not zero-shot, and which classes share a prompt."""
    found = [
        f"{dataset}: {', '.join(models)} were trained on this domain's training images, so their results there are not zero-shot."
        for dataset, models in seen_by_models.items()
        if models
    ]
    return found + [
        f"{dataset}: {len(groups)} prompts stand for several classes (labels {'; '.join(', '.join(map(str, g)) for g in groups)}); "
        "each was scored once and answers with the lowest label."
        for dataset, groups in duplicates.items()
        if groups
    ]

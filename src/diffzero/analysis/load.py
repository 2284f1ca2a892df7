"""Load the predictions, costs and full scores of a run for tables and figures."""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypedDict

import pandas as pd

from diffzero.analysis.score_array import ScoreArray, build_score_array
from diffzero.data.equal_prompts import LABELS, concat_scores, scored_items
from diffzero.diffusion.schedule import NoiseSchedule, read_schedule
from diffzero.typing import Arrays
from diffzero.utils.freshness import require_fresh
from diffzero.utils.result_files import read_arrays, read_parquet, read_record

# Columns of a predictions file. `held_out` occurs only for the binding tasks.
PREDICTION_COLUMNS = (
    "item", "task", "image", "label", "prediction", "correct", "calls", "draws", "reached_max_scores", "exact_tie",
    "held_out",
)  # fmt: skip
COST_COLUMNS = (
    "model", "dataset", "calls", "seconds", "gpu_hours", "device", "dtype", "batch_size", "calls_at_once", "peak_memory_mb",
    "peak_gpu_memory_mb",
)  # fmt: skip


class PredictionSource(TypedDict):
    """A predictions file with its model, data set, seed and kind of model."""

    model: str
    dataset: str
    seed: int
    kind: Literal["diffusion", "baseline"]
    file: str


class FullScoreSource(TypedDict):
    """The files of the full scores of one model on one data set."""

    model: str
    dataset: str
    shards: list[str]
    weights: str  # the record of the model's checkpoint
    items: str


def load_predictions(sources: Iterable[PredictionSource]) -> pd.DataFrame:
    """Concatenate prediction files.

    Returns
    -------
    PREDICTION_COLUMNS as in the files, and model, dataset, kind (str) and seed (int64) from `sources`. Without any source the
    frame has all columns and no row.

    Raises
    ------
    ValueError
        If a file lacks a column, because an earlier version of diffzero wrote it.
    """
    sources = list(sources)
    require_fresh(source["file"] for source in sources)
    frames = [
        _read_predictions(Path(source["file"])).assign(
            model=source["model"], dataset=source["dataset"], seed=source["seed"], kind=source["kind"]
        )
        for source in sources
    ]
    if not frames:
        return pd.DataFrame(columns=[*PREDICTION_COLUMNS, "model", "dataset", "seed", "kind"])
    return pd.concat(frames, ignore_index=True)


def load_equal_labels(sources: Iterable[PredictionSource]) -> dict[tuple[str, str], list[list[int]]]:
    """Return the groups of labels that are one candidate because their prompts have the same tokens, by (model, data set)."""
    groups = {
        (source["model"], source["dataset"]): read_parquet(source["file"], ["item"]).attrs.get(LABELS, [])
        for source in sources
    }
    return {key: found for key, found in groups.items() if found}


def _read_predictions(path: Path) -> pd.DataFrame:
    """Read one predictions file and check its columns."""
    table = read_parquet(path)
    absent = [name for name in PREDICTION_COLUMNS if name not in table and name != "held_out"]
    if absent:
        predictions_dir = next((parent for parent in path.parents if parent.name == "predictions"), path)
        raise ValueError(
            f"{path}: found the columns {', '.join(map(str, table))}, expected also {', '.join(absent)}. An earlier version of "
            f"diffzero wrote the file. Type `rm -r {shlex.quote(str(predictions_dir))}` and re-run the same command: "
            "predictions are replayed from stored scores."
        )
    return table


def load_costs(files: Iterable[str]) -> pd.DataFrame:
    """Read the cost files of score shards; model and data set follow from their paths.

    Returns
    -------
    COST_COLUMNS, one row per shard:

    - calls (int64), seconds (float64): of all scores in the shard, whenever they were computed. Seconds are the network's, not the
      job's: a job that finds all scores in the store runs no network.
    - gpu_hours (float64): the same seconds where the device was a GPU; nan on a CPU.
    - device, dtype (str), batch_size, calls_at_once (int64), peak_memory_mb (float64): of the job that wrote the shard.
    - peak_gpu_memory_mb (float64): of that job; nan on a CPU.
    """
    rows = []
    for file in files:
        model, dataset = Path(file).parts[-5:-3]
        cost = read_record(file)
        on_gpu = cost["device"] != "cpu"  # otherwise the device is the GPU's own name
        row = {
            "model": model,
            "dataset": dataset,
            "calls": cost["calls"] + cost["reused"],
            "seconds": cost["network_seconds"],
            "gpu_hours": cost["network_seconds"] / 3600 if on_gpu else float("nan"),
        }
        rows.append(cost | row)
    table = pd.DataFrame(rows, columns=list(COST_COLUMNS))
    return table.astype({"peak_gpu_memory_mb": "float64"})  # null in the file on a CPU


def load_full_scores(sources: Iterable[FullScoreSource]) -> dict[tuple[str, str], tuple[ScoreArray, NoiseSchedule]]:
    """Load full scores and the schedule of their model, by (model, data set)."""
    loaded = {}
    for source in sources:
        scores = load_score_shards(source["shards"])
        data = build_score_array(load_items(source["items"], scores), scores)
        loaded[source["model"], source["dataset"]] = data, load_schedule(source["weights"])
    return loaded


def load_score_shards(shards: Iterable[str]) -> pd.DataFrame:
    """Concatenate score shards: columns image, prompt, draw, t and score. Raises ValueError if they merge different prompts."""
    shards = list(shards)
    require_fresh(shards)
    return concat_scores([read_parquet(path) for path in shards])


def load_items(path: str, scores: pd.DataFrame) -> pd.DataFrame:
    """Load the item table for the scores of `load_score_shards`: prompts that the model cannot tell apart are one candidate."""
    return scored_items(read_fresh(path), scores)


def load_pictures(file: str) -> Arrays:
    """Load the denoised images or samples of one model, arrays by name."""
    require_fresh([file])
    return read_arrays(file)


def read_fresh(file: str) -> pd.DataFrame:
    """Read a Parquet file after checking that it was made from the files that are there now."""
    require_fresh([file])
    return read_parquet(file)


def load_schedule(weights: str) -> NoiseSchedule:
    """Load the noise schedule of the model whose checkpoint is recorded in the file `weights`."""
    return read_schedule(Path(read_record(weights)["folder"]))


def match_reported_models(paper: pd.DataFrame) -> pd.DataFrame:
    """Rename the models of the paper's Table 1 as the rows of this run.

    The paper's CLIP rows at resolution 64 get the suffix `@64` (images downsampled to 64 pixels first); those at 224 keep the plain
    name.

    Parameters
    ----------
    paper
        Columns model, dataset, resolution and accuracy (in percent).
    """
    downsampled = paper["model"].str.startswith("clip-") & (paper["resolution"] == 64)
    return paper.assign(model=paper["model"].mask(downsampled, paper["model"] + "@64"))

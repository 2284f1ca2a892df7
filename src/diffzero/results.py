"""Predictions and costs of a run, gathered for the tables."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from diffzero.files import read_json

BINDING_NOTE = (
    "The mini models were trained on scenes of this kind, with captions of this grammar; six of the 24 combinations of "
    "shape and colour were held out of all training images and captions. A scene counts as held-out when it shows at least one of them."
)


def predictions(sources: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """All prediction files of a table in one frame: their columns, and model, dataset, seed, kind from `sources`."""
    frames = []
    for source in sources:
        facts = {name: source[name] for name in ("model", "dataset", "seed", "kind")}
        frames.append(pd.read_parquet(source["file"]).assign(**facts))
    return pd.concat(frames, ignore_index=True)


def costs(files: Iterable[str]) -> pd.DataFrame:
    """One row a shard: model and data set (from the path), and what its scores cost, whenever they were taken.

    `seconds` is the network's time for the shard's scores, not the job's: a job that found all of them in the store took none.
    """
    rows = []
    for file in files:
        model, dataset = Path(file).parts[-5:-3]
        rows.append({"model": model, "dataset": dataset, "seconds": read_json(Path(file))["network_seconds"]})
    return pd.DataFrame(rows)


def reported(paper: pd.DataFrame) -> pd.DataFrame:
    """The paper's Table 1 (model, dataset, resolution, accuracy in %) under the names that our rows bear.

    Its CLIP rows at 64 are our `@64`: the image reduced to 64 pixels first; those at 224 are our plain name.
    """
    reduced = paper["model"].str.startswith("clip-") & (paper["resolution"] == 64)
    return paper.assign(model=paper["model"].mask(reduced, paper["model"] + "@64"))


def notes(trained_on: Mapping[str, list[str]], duplicates: Mapping[str, list[list[int]]]) -> list[str]:
    """What a reader of Table 1 must know: which results are not zero-shot, and which classes share a prompt."""
    found = [
        f"{dataset}: {', '.join(models)} were trained on this domain's training images, so their results there are not zero-shot."
        for dataset, models in trained_on.items()
        if models
    ]
    return found + [
        f"{dataset}: {len(groups)} prompts stand for several classes (labels {'; '.join(', '.join(map(str, g)) for g in groups)}); "
        "each was scored once and answers with the lowest label."
        for dataset, groups in duplicates.items()
        if groups
    ]

"""Notes below the tables that do not follow from the table alone."""

from collections.abc import Mapping, Sequence

import pandas as pd

from diffzero.analysis.statistics import wilson_interval
from diffzero.reporting.table_format import format_interval

BINDING_NOTE = (
    "The mini models were trained on scenes of this kind, with captions of this grammar. Six of the 24 combinations of "
    "shape and colour were held out of all training images and captions. A scene counts as held-out if it shows at least one of them."
)


def equal_label_notes(equal_labels: Mapping[tuple[str, str], list[list[int]]]) -> list[str]:
    """Return notes on classes whose prompts have the same tokens for a model, from groups of labels by (model, data set)."""
    return [
        f"{dataset}, {model}: the prompts of the labels {'; '.join(', '.join(map(str, group)) for group in groups)} are the same tokens "
        "for this model; each group was scored once and counts as the lowest of its labels."
        for (model, dataset), groups in equal_labels.items()
    ]


def dataset_notes(
    seen_by_models: Mapping[str, Sequence[str]],
    duplicates: Mapping[str, list[list[int]]],
    unreadable: Mapping[str, int],
) -> list[str]:
    """Return notes on results that are not zero-shot, on classes that share a prompt, and on unreadable images.

    Parameters
    ----------
    seen_by_models
        By data set, the models that were trained on images of its domain.
    duplicates
        By data set, groups of labels with the same prompt.
    unreadable
        By data set, the number of unreadable images that were left out.
    """
    notes = [
        f"{dataset}: {', '.join(models)} were trained on training images of this domain, so their results there are not zero-shot."
        for dataset, models in seen_by_models.items()
        if models
    ]
    for dataset, groups in duplicates.items():
        if groups:
            labels = "; ".join(", ".join(map(str, group)) for group in groups)
            notes.append(
                f"{dataset}: {len(groups)} prompts belong to several classes (labels {labels}); each prompt was scored once and "
                "counts as the lowest of its labels."
            )
    notes += [
        f"{dataset}: {count} images could not be decoded and were left out; {dataset}/selection.json in the run's data names them."
        for dataset, count in unreadable.items()
        if count
    ]
    return notes


def top5_notes(predictions: pd.DataFrame) -> list[str]:
    """Return one note per (model, data set) with its top-5 accuracy, where predictions have the column `top5` (bool)."""
    has_top5 = predictions[predictions["top5"].notna()] if "top5" in predictions else predictions.iloc[:0]
    notes = []
    for (model, dataset), group in has_top5.groupby(["model", "dataset"], sort=False):
        correct, n = int(group["top5"].astype(bool).sum()), len(group)
        share = format_interval(correct / n, *wilson_interval(correct, n), n)
        notes.append(
            f"{model} on {dataset}: top-5 accuracy {share} % of {n} images. Its row above, like all others, is top-1."
        )
    return notes

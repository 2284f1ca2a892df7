"""Decisions on cue-conflict images in the format of the toolbox model-vs-human (Geirhos et al. 2021)."""

from collections.abc import Sequence
from pathlib import PurePosixPath

import pandas as pd

TRIAL_COLUMNS = ("subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename")


def to_model_vs_human(predictions: pd.DataFrame, classnames: Sequence[str], session: int) -> pd.DataFrame:
    """Convert predictions to the format of model-vs-human.

    Parameters
    ----------
    predictions
        Of one model on one data set with one seed: columns model, label, prediction and image.
    session
        The number of the seed, from 1.

    Returns
    -------
    One row per image with the toolbox's TRIAL_COLUMNS: subj, object_response, category, imagename (str), session, trial, condition (int64)
    and rt. The reaction time rt is NaN because a model has none; the condition is 0 because cue-conflict images have one.
    """
    rows = {
        "subj": predictions["model"],
        "session": session,
        "trial": range(1, len(predictions) + 1),
        "rt": "NaN",
        "object_response": [classnames[k] for k in predictions["prediction"]],
        "category": [classnames[k] for k in predictions["label"]],
        "condition": 0,
        "imagename": [PurePosixPath(image).name for image in predictions["image"]],
    }
    return pd.DataFrame(rows, columns=list(TRIAL_COLUMNS))

"""The training loop: learning rate, and weights that do not depend on interruptions."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from diffzero.training.loop import WARM_UP, learning_rate, train_loop
from diffzero.training.recipe import TrainConfig


@pytest.mark.parametrize("steps", [2_000, 30_000])
def test_the_learning_rate_rises_in_the_warm_up_and_falls_to_2_percent(steps):
    rates = np.array([learning_rate(step, steps) for step in range(steps)])
    assert 0 < rates[0] <= 1 / WARM_UP and rates[WARM_UP - 1] == 1.0
    assert (np.diff(rates[:WARM_UP]) > 0).all() and (np.diff(rates[WARM_UP:]) < 0).all()
    assert rates.max() == 1.0 and rates[-1] == pytest.approx(0.02, abs=1e-4)


def train_line(
    out_dir: Path, monkeypatch: pytest.MonkeyPatch, stop_before: int | None = None, steps: int = 10
) -> torch.nn.Module:
    """Train a linear model, saved every three steps; InterruptedError is raised at the step `stop_before`."""
    monkeypatch.setattr("diffzero.training.loop.SAVE_EVERY", 3)
    torch.manual_seed(0)
    line = torch.nn.Linear(4, 2)

    def loss(step: int) -> torch.Tensor:
        if step == stop_before:
            raise InterruptedError
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        return (line(x) - x[:, :2]).square().mean()

    return train_loop(line, loss, TrainConfig(steps, 10, 8, 0.1), lambda average: None, out_dir / "training.jsonl")


@pytest.mark.parametrize("stop_before", [1, 3, 7, 9])
def test_an_interrupted_training_ends_with_the_same_weights(stop_before, tmp_path, monkeypatch):
    whole = train_line(tmp_path / "whole", monkeypatch)
    with pytest.raises(InterruptedError):
        train_line(tmp_path / "interrupted", monkeypatch, stop_before)
    resumed = train_line(tmp_path / "interrupted", monkeypatch)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    curves = [pd.read_json(tmp_path / name / "training.jsonl", lines=True) for name in ("whole", "interrupted")]
    assert list(curves[0]["step"]) == list(curves[1]["step"]) == [3, 6, 9, 10]
    # A recorded loss is the mean over the steps since the last save, which a resumed training repeats.
    assert np.array_equal(curves[0]["loss"], curves[1]["loss"])


def test_a_short_training_is_the_beginning_of_a_longer_one_with_the_same_decay(tmp_path, monkeypatch):
    short = train_line(tmp_path / "short", monkeypatch, steps=6)
    whole = train_line(tmp_path / "whole", monkeypatch)
    longer = train_line(tmp_path / "short", monkeypatch)  # resumes at the end of the short training
    assert not torch.equal(short.weight, whole.weight)
    assert torch.equal(longer.weight, whole.weight)
    # A saved state beyond the last step is not used.
    assert torch.equal(train_line(tmp_path / "short", monkeypatch, steps=6).weight, short.weight)

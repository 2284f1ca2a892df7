"""The training loop of all mini models.

An interrupted training resumes and ends with the same weights: they are a function of data, seed and number of steps, on one type of
processor and with one build of PyTorch.
"""

import json
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from diffzero.training.recipe import TrainConfig
from diffzero.utils.io import write_atomically

log = logging.getLogger(__name__)
Networks = TypeVar("Networks", bound=torch.nn.Module)

EMA_DECAY = 0.998
WARM_UP = 200  # steps
SAVE_EVERY = 500  # steps; an interrupted training resumes from the last save


def learning_rate(step: int, decay_steps: int) -> float:
    """Return the learning rate relative to its peak: linear warm-up, then cosine decay to 2 % in `decay_steps` steps."""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / decay_steps))


class Training:
    """The state of a training: weights, their moving average, the optimizer's moments and the learning curve."""

    def __init__(self, module: torch.nn.Module, config: TrainConfig, out_dir: Path) -> None:
        self.module, self.done = module, 0
        self.curve: list[dict[str, float]] = []
        self.average = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY))  # type: ignore[no-untyped-call]  # PyTorch's function has no annotations
        self.optimizer = torch.optim.AdamW(module.parameters(), lr=config.lr, weight_decay=0.01, betas=(0.9, 0.99))
        self.config = config
        # The name holds seed, batch size and decay steps: a longer training resumes from this state, one with other settings does not.
        self.path = out_dir / f"state-{config.seed}-{config.batch_size}-{config.lr_decay_steps}.safetensors"

    def save(self) -> None:
        """Write the state to its file."""
        moments = self.optimizer.state_dict()["state"]
        tensors = {f"weights.{name}": value for name, value in self.module.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        tensors |= {f"moments.{k}.{name}": value for k, group in moments.items() for name, value in group.items()}
        tensors = {name: value.detach().clone().contiguous() for name, value in tensors.items()}
        metadata = {"done": str(self.done), "curve": json.dumps(self.curve)}
        write_atomically(self.path, safetensors.torch.save(tensors, metadata))

    def load(self) -> None:
        """Load the saved state, if there is one and it is not beyond the last step."""
        if not self.path.is_file():
            return
        with safetensors.safe_open(self.path, "pt") as stream:
            metadata, tensors = stream.metadata(), {name: stream.get_tensor(name) for name in stream.offset_keys()}
        if int(metadata["done"]) > self.config.steps:
            log.warning(
                "%s: found step %s, expected at most %d; training starts again.",
                self.path,
                metadata["done"],
                self.config.steps,
            )
            return
        self.done, self.curve = int(metadata["done"]), json.loads(metadata["curve"])
        parts: dict[str, dict[str, Tensor]] = {"weights": {}, "average": {}, "moments": {}}
        for name, value in tensors.items():
            part, rest = name.split(".", 1)
            parts[part][rest] = value
        self.module.load_state_dict(parts["weights"])
        self.average.load_state_dict(parts["average"])
        state = self.optimizer.state_dict()
        for name, value in parts["moments"].items():
            index, moment = name.split(".", 1)
            state["state"].setdefault(int(index), {})[moment] = value
        self.optimizer.load_state_dict(state)

    def update(self, loss: Tensor) -> float:
        """Take one step against the gradient of `loss`, update the average and return the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.lr * learning_rate(self.done, self.config.lr_decay_steps)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # PyTorch's method has no annotations
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.optimizer.step()
        self.average.update_parameters(self.module)
        self.done += 1
        return loss.item()


def train_loop(
    module: Networks,
    loss: Callable[[int], Tensor],
    config: TrainConfig,
    save: Callable[[Networks], None],
    curve_path: Path,
) -> Networks:
    """Train `module` with AdamW and return the moving average of its weights.

    An interrupted training resumes from the last save and ends with the same weights.

    Parameters
    ----------
    module : torch.nn.Module
        The networks to train.
    loss : callable
        The loss of a step, by its number.
    config : TrainConfig
        Hyperparameters.
    save : callable
        Called with the average every SAVE_EVERY steps and at the end.
    curve_path : Path
        File of the learning curve, one JSON line with step, loss and seconds per save.
    """
    curve_path.parent.mkdir(parents=True, exist_ok=True)
    training = Training(module, config, curve_path.parent)
    training.load()
    average = cast(Networks, training.average.module)  # the class of `module`
    before = training.curve[-1]["seconds"] if training.curve else 0.0
    start = time.monotonic()
    recent: list[float] = []
    for step in range(training.done, config.steps):
        recent.append(training.update(loss(step)))
        if training.done % SAVE_EVERY == 0 or training.done == config.steps:
            seconds = before + time.monotonic() - start
            training.curve.append({"step": training.done, "loss": float(np.mean(recent)), "seconds": seconds})
            log.info("step %d of %d, loss %.5f, %.0f s", training.done, config.steps, np.mean(recent), seconds)
            recent.clear()
            save(average)
            training.save()
    write_atomically(curve_path, "".join(json.dumps(line) + "\n" for line in training.curve).encode())
    return average

"""One training loop for all mini models: resumable, and a function of the seed and the number of steps alone.

The weights are the same on one kind of processor and one build of torch, cut off on the way or not.
"""

import json
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from diffzero.training.recipe import TrainConfig
from diffzero.utils.io import write_atomically

LOG = logging.getLogger(__name__)

EMA_DECAY = 0.998
WARM_UP = 200  # steps
SAVE_EVERY = 500  # steps; a training that is cut off leaves a model that loads, and goes on from there


def learning_rate(step: int, decay_steps: int) -> float:
    """Share of the peak rate: a linear warm-up, then half a cosine down to 2 %."""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / decay_steps))


class Training:
    """All that a step changes: weights, their moving average, the optimizer's moments and the learning curve so far."""

    def __init__(self, module: torch.nn.Module, config: TrainConfig, folder: Path) -> None:
        self.module, self.done, self.curve = module, 0, []
        self.average = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(EMA_DECAY))
        self.optimizer = torch.optim.AdamW(module.parameters(), lr=config.lr, weight_decay=0.01, betas=(0.9, 0.99))
        self.config = config
        # Named by what decides each step: a training with another rate, batch or seed never goes on from this one, a longer one does.
        self.path = folder / f"state-{config.seed}-{config.batch_size}-{config.lr_decay_steps}.safetensors"

    def save(self) -> None:
        """Write the state; a training that is cut off goes on from here, to the same weights."""
        moments = self.optimizer.state_dict()["state"]
        tensors = {f"weights.{name}": value for name, value in self.module.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        tensors |= {f"moments.{k}.{name}": value for k, group in moments.items() for name, value in group.items()}
        tensors = {name: value.detach().clone().contiguous() for name, value in tensors.items()}
        metadata = {"done": str(self.done), "curve": json.dumps(self.curve)}
        write_atomically(self.path, safetensors.torch.save(tensors, metadata))

    def load(self) -> None:
        """Go on from the state that `save` left, if there is one and it is not beyond the training's end."""
        if not self.path.is_file():
            return
        with safetensors.safe_open(self.path, "pt") as stream:
            metadata, tensors = stream.metadata(), {name: stream.get_tensor(name) for name in stream.offset_keys()}
        if int(metadata["done"]) > self.config.steps:
            LOG.warning("%s: is at step %s, beyond %d; starting anew.", self.path, metadata["done"], self.config.steps)
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


def train_loop(
    module: torch.nn.Module,
    loss: Callable[[int], Tensor],
    config: TrainConfig,
    save: Callable[[torch.nn.Module], None],
    log: Path,
) -> torch.nn.Module:
    """The moving average of `module`'s weights after `config.steps` steps of AdamW on `loss(step)`.

    `save` gets the average every SAVE_EVERY steps and at the end, and `log` the learning curve: step, loss, seconds, one
    JSON line each. Cut off and called again, it goes on from the last save and ends with the same weights.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    training = Training(module, config, log.parent)
    training.load()
    before = training.curve[-1]["seconds"] if training.curve else 0.0
    start, recent = time.monotonic(), []
    for step in range(training.done, config.steps):
        for group in training.optimizer.param_groups:
            group["lr"] = config.lr * learning_rate(step, config.lr_decay_steps)
        value = loss(step)
        training.optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        training.optimizer.step()
        training.average.update_parameters(module)
        recent.append(value.item())
        training.done = step + 1
        if training.done % SAVE_EVERY == 0 or training.done == config.steps:
            seconds = before + time.monotonic() - start
            training.curve.append({"step": training.done, "loss": float(np.mean(recent)), "seconds": seconds})
            LOG.info("step %d of %d, loss %.5f, %.0f s", training.done, config.steps, np.mean(recent), seconds)
            recent.clear()
            save(training.average.module)
            training.save()
    write_atomically(log, "".join(json.dumps(line) + "\n" for line in training.curve).encode())
    return training.average.module

"""Workloads of the benchmarks: test images with a mini model, or a denoiser without cost."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from diffzero.data import transforms
from diffzero.diffusion.weighting import Heuristic
from diffzero.models.base import Denoiser
from diffzero.pruning.policies import Policy, TTest
from diffzero.pruning.race import Outcome
from diffzero.scoring.problem import Item, Problem
from diffzero.training.captions import FASHION

Tensors = dict[str, torch.Tensor]  # inputs of a network by name, each [batch, ...]
FASHION_TEST = Path("resources/data/fashion-test.parquet")
SIZE = 32


@dataclass(frozen=True)
class Workload:
    """A denoiser and the images that it classifies."""

    denoiser: Denoiser
    problem: Problem
    labels: NDArray[np.int64]  # [image]
    # At most as many draws as the fixed stages that it is compared with.
    policy: Policy = TTest(min_scores=20, max_scores=500, cutoff_pval=2e-3)

    @classmethod
    def fashion(cls, denoiser: Denoiser, count: int) -> "Workload":
        """Return the first `count` test images of Fashion-MNIST, ten classes."""
        table = pd.read_parquet(FASHION_TEST).iloc[:count]
        pixels = np.stack([transforms.crop_image(data, str(k), SIZE) for k, data in enumerate(table["bytes"])])
        prompts, names = [f"a photo of a {name}." for name in FASHION], [str(k) for k in range(len(table))]
        problem = Problem(
            dataset="fashion",
            seed=0,
            unshared=False,
            images=names,
            image_keys=names,
            x=denoiser.encode_images(denoiser.checkpoint_dir, pixels),
            prompts=prompts,
            prompt_keys=prompts,
            text=denoiser.encode_text(denoiser.checkpoint_dir, prompts),
            items=[Item(name, k, np.arange(len(prompts))) for k, name in enumerate(names)],
        )
        return cls(denoiser, problem, table["label"].to_numpy())

    def weight(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the heuristic weights of the times `t`."""
        return Heuristic().weight(t, self.denoiser.schedule)

    def accuracy(self, outcomes: dict[str, Outcome]) -> float:
        """Return the accuracy of the races."""
        winners = [outcomes[name].winner for name in self.problem.images]
        return float((np.array(winners) == self.labels).mean())

    def text_of(self, columns: NDArray[np.int64]) -> Tensors:
        """Return the text inputs of these prompts on the network's device."""
        device = self.denoiser.device
        return {name: torch.from_numpy(values)[columns].to(device) for name, values in self.problem.text.items()}

    def network_inputs(self, batch: int) -> tuple[torch.Tensor, NDArray[np.float64], Tensors]:
        """Return random x_t, t and text of one batch, as tensors on the network's device."""
        rng = np.random.default_rng(0)
        x_t = torch.from_numpy(rng.standard_normal((batch, *self.problem.x.shape[1:]), dtype=np.float32))
        return (
            x_t.to(self.denoiser.device),
            rng.random(batch),
            self.text_of(rng.integers(len(self.problem.prompts), size=batch)),
        )


def bookkeeping_problem(count: int, classes: int) -> Problem:
    """Return a problem of `count` images of one number each and `classes` prompts."""
    names, prompts = [str(k) for k in range(count)], [f"prompt {k}" for k in range(classes)]
    return Problem(
        dataset="bookkeeping",
        seed=0,
        unshared=False,
        images=names,
        image_keys=names,
        x=np.zeros((count, 1), dtype=np.float32),
        prompts=prompts,
        prompt_keys=prompts,
        text={"value": np.linspace(0, 1, classes, dtype=np.float32)[:, None]},
        items=[Item(name, k, np.arange(classes)) for k, name in enumerate(names)],
    )


def item_table(problem: Problem) -> pd.DataFrame:
    """Return the problem's items as the workflow stores them, with label 0."""
    return pd.DataFrame(
        {
            "item": [item.name for item in problem.items],
            "image": [problem.images[item.image] for item in problem.items],
            "label": 0,
            "candidates": [item.candidates.tolist() for item in problem.items],
            "classes": [item.candidates.tolist() for item in problem.items],
        }
    )

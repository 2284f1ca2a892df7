"""Published procedures, run image by image as their authors do; the engine is compared with them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from workload import Tensors, Workload

from diffzero.diffusion.draws import sample_draw
from diffzero.diffusion.schedule import VPSchedule, betas
from diffzero.models.base import Denoiser

# Li et al. 2023 for ten classes: 50 draws of all classes, then 500 draws in total of the best five.
STAGES = ((50, 5), (500, 1))
STAGE_BATCH = 32


@dataclass(frozen=True)
class Finished:
    """Calls and accuracy of a procedure."""

    calls: int
    accuracy: float


@torch.inference_mode()
def scores(work: Workload, image: int, draws: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return weighted scores [triple] of one image, computed in one batch."""
    problem, denoiser = work.problem, work.denoiser
    x = torch.from_numpy(problem.x[image])
    noise = {
        n: sample_draw(problem.seed, problem.dataset, problem.images[image], n, x.shape) for n in set(draws.tolist())
    }
    t = np.array([noise[n].t for n in draws.tolist()])
    eps = torch.from_numpy(np.stack([noise[n].eps for n in draws.tolist()]))
    alpha, sigma = denoiser.alpha_sigma(t, eps.ndim)
    x_hat = denoiser.x0((alpha * x + sigma * eps).to(denoiser.device), t, work.text_of(columns)).cpu()
    return (x - x_hat).square().flatten(1).sum(dim=1).double().numpy() * work.weight(t)


def literal(work: Workload, batched: bool = False) -> Finished:
    """Run Algorithm 1 as printed, image by image, draw by draw and class by class, with scipy's tests.

    `batched` evaluates the classes of a draw in one batch, the largest batch possible without other images.
    """
    policy, calls, right = work.policy, 0, 0
    for image, label in enumerate(work.labels):
        table: dict[int, list[float]] = {k: [] for k in range(len(work.problem.prompts))}
        n, best = 0, 0
        while len(table) > 1 and n < policy.max_scores:
            alive = np.array(list(table))
            for columns in [alive] if batched else alive[:, None]:
                for k, value in zip(columns, scores(work, image, np.full(len(columns), n), columns), strict=True):
                    table[k].append(value)
            calls, n = calls + len(alive), n + 1
            best = min(table, key=lambda k: np.mean(table[k]))
            if n >= policy.min_scores:
                pvalues = {k: stats.ttest_rel(table[best], table[k]).pvalue for k in table if k != best}
                table = {k: v for k, v in table.items() if k == best or not pvalues[k] < policy.cutoff_pval}
        right += best == label
    return Finished(calls, right / len(work.labels))


def stages(work: Workload) -> Finished:
    """Run the fixed stages of Li et al. image by image, the triples of each stage in batches of 32."""
    calls, right = 0, 0
    for image, label in enumerate(work.labels):
        alive, total, before = np.arange(len(work.problem.prompts)), np.zeros(len(work.problem.prompts)), 0
        for draws, keep in STAGES:
            n, k = (axis.ravel() for axis in np.meshgrid(np.arange(before, draws), alive, indexing="ij"))
            for start in range(0, len(n), STAGE_BATCH):
                rows = slice(start, start + STAGE_BATCH)
                np.add.at(total, k[rows], scores(work, image, n[rows], k[rows]))
            calls, before = calls + len(n), draws
            alive = alive[np.argsort(total[alive], kind="stable")[:keep]]
        right += alive[0] == label
    return Finished(calls, right / len(work.labels))


class Bookkeeping(Denoiser):
    """A network without cost, so that only the engine's own work is timed."""

    def __init__(self) -> None:
        self.checkpoint_dir, self.dtype, self.device = Path("bookkeeping"), torch.float32, torch.device("cpu")
        self.schedule = VPSchedule(np.cumprod(1 - betas({"num_train_timesteps": 1000})), "sample")

    def x0(self, x_t: torch.Tensor, t: NDArray[np.float64], text: Tensors) -> torch.Tensor:
        """Return x_t moved by one number per text, without a network."""
        return x_t + text["value"]

    network_output = encode_text = iter_latents = decode = None  # the problem is already encoded

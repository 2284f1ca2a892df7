"""The scoring engine: Algorithm 1 for many images at once, with full batches and nothing scored twice.

Which triples (image, draw, class) are evaluated is decided by each image's own race; the engine only chooses the order. That order is a
function of the scores recorded so far and of nothing else, so a killed run repeats the very batches that it lost.
"""

import itertools
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from diffzero.denoisers.base import Denoiser
from diffzero.memory import Pieces
from diffzero.noise import draw_noise
from diffzero.problem import Problem
from diffzero.race import Outcome, Policy
from diffzero.runners import Runner

# Bump when the same inputs would give another score for a reason that no other part of the identity shows.
SCORING_VERSION = 1


class ScoreError(RuntimeError):
    """The network put out something that is not a score; the message names image, class and draw."""


class Interrupted(Exception):
    """The engine was asked to stop; everything scored so far has been handed to `record`."""


@dataclass(frozen=True)
class Batch:
    """Triples for one call of the denoiser."""

    runners: list[Runner]  # the images concerned
    runner: NDArray[np.int64]  # [triple] index into `runners`
    column: NDArray[np.int64]  # [triple] the runner's column
    draw: NDArray[np.int64]  # [triple]
    prompt: NDArray[np.int64]  # [triple]
    pair: NDArray[np.int64]  # [triple] index into `x_t`: triples of one shared draw point at one x_t
    x_t: torch.Tensor  # [pair, *x] fp32
    t: NDArray[np.float64]  # [pair]


@dataclass
class Progress:
    """What has been done so far; handed to `report` after every batch."""

    images: int  # in all
    images_done: int = 0
    calls: int = 0
    reused: int = 0  # scores that came from the store
    seconds: float = 0.0


@dataclass
class Result:
    """The scores that the policy asked for, and how each race ended."""

    scores: list[pd.DataFrame] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def frame(self) -> pd.DataFrame:
        """Columns image, draw, prompt, t, score, sorted by the first three: the same rows whatever the batch size or order."""
        if not self.scores:  # a data set with fewer images than the run has shards leaves some empty
            columns = {"image": "str", "draw": "int32", "prompt": "int32", "t": "float64", "score": "float32"}
            return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in columns.items()})
        table = pd.concat(self.scores).drop(columns="seconds")
        return table.sort_values(["image", "draw", "prompt"], ignore_index=True)

    @property
    def seconds(self) -> float:
        """The network's time for all these scores, whenever they were taken."""
        return float(sum(table["seconds"].to_numpy().sum(dtype=np.float64) for table in self.scores))


class Engine:
    """Scores one problem with one denoiser.

    Images are dealt to two lanes. While the denoiser works on a batch of one lane, the other lane's scores are entered, its races
    advanced and its noise drawn. A lane's next batch is filled from its unfinished images in their order, and depends on
    that lane's scores alone.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        problem: Problem,
        policy: Policy,
        weight: Callable[[NDArray[np.float64]], NDArray[np.float64]],
        batch_size: int,
        known: pd.DataFrame | None = None,
    ) -> None:
        """`weight` maps t to w_t; `known` holds stored scores with the columns of store.Store (content keys)."""
        self.denoiser, self.problem, self.batch_size = denoiser, problem, batch_size
        self.pieces = Pieces(batch_size)
        self.x = torch.from_numpy(problem.x)
        self.x_device = self.x.to(denoiser.device)
        self.text = {name: torch.from_numpy(values).to(denoiser.device) for name, values in problem.text.items()}
        runners = Runner.of(problem, policy, weight, known)
        self.lanes = [runners[0::2], runners[1::2]]
        self.progress = Progress(len(runners))
        self.result = Result()

    def run(
        self,
        record: Callable[[pd.DataFrame], None],
        report: Callable[[Progress], None] = lambda progress: None,
        stop: Callable[[], bool] = lambda: False,
        flush_calls: int = 4096,
    ) -> Result:
        """Race all images to their end.

        `record` gets new scores (columns of store.Store) so often that a kill costs no more than `flush_calls` calls (or two batches,
        if that is more), and at the end, also when an error ends the run.
        Raises ScoreError for a non-finite score, Interrupted when `stop` says so.
        """
        start, fresh = time.monotonic(), []
        flights: list[tuple[Batch, Future] | None] = [None, None]

        def flush() -> None:
            if fresh:
                scores = pd.concat(fresh, ignore_index=True)
                # Before recording: what failed to be stored is not tried again on the way out, hiding the first error.
                fresh.clear()
                record(scores)

        with ThreadPoolExecutor(1) as worker:
            try:
                for lane in itertools.cycle((0, 1)):
                    if flights[lane]:
                        batch, future = flights[lane]
                        fresh.append(self.enter(batch, *future.result()))
                        self.progress.calls += len(batch.draw)
                    # Counting the two batches that may be under way: a kill then costs `flush_calls` calls at the most.
                    if sum(map(len, fresh)) + 2 * self.batch_size > flush_calls:
                        flush()
                    if stop():
                        raise Interrupted
                    batch = self.compose(lane)
                    flights[lane] = (batch, worker.submit(self.evaluate, batch)) if batch else None
                    self.progress.seconds = time.monotonic() - start
                    report(self.progress)
                    if flights == [None, None] and not any(self.lanes):
                        return self.result
            finally:
                flush()

    def compose(self, lane: int) -> Batch | None:
        """The lane's next batch: its unfinished images' missing triples, in order, until the batch is full. None at the end."""
        parts: list[tuple[Runner, NDArray, NDArray]] = []
        room, waiting = self.batch_size, []
        runners = iter(self.lanes[lane])
        for runner in runners:
            draws, columns = runner.missing()
            if runner.finished:
                self.finish(runner)
                continue
            waiting.append(runner)
            parts.append((runner, draws[:room], columns[:room]))
            room -= len(parts[-1][1])
            if room == 0:
                break
        self.lanes[lane] = [*waiting, *runners]
        return self.assemble(parts) if parts else None

    def assemble(self, parts: list[tuple[Runner, NDArray, NDArray]]) -> Batch:
        """Draw the noise of a batch and form its x_t."""
        pairs: dict[tuple, int] = {}
        noise, pair, prompt = [], [], []
        for runner, draws, columns in parts:
            for draw, column in zip(draws.tolist(), columns.tolist(), strict=True):
                index = int(runner.prompts[column])
                address = (runner.image, draw, index if self.problem.unshared else None)
                if address not in pairs:
                    pairs[address] = len(pairs)
                    noise.append(self.noised(*address))
                pair.append(pairs[address])
                prompt.append(index)
        x_t, t = zip(*noise, strict=True)
        return Batch(
            runners=[runner for runner, _, _ in parts],
            runner=np.repeat(np.arange(len(parts)), [len(draws) for _, draws, _ in parts]),
            column=np.concatenate([columns for _, _, columns in parts]),
            draw=np.concatenate([draws for _, draws, _ in parts]),
            prompt=np.array(prompt),
            pair=np.array(pair),
            x_t=torch.stack(x_t),
            t=np.array(t),
        )

    def noised(self, image: int, draw: int, prompt: int | None) -> tuple[torch.Tensor, float]:
        """x_t = alpha(t) x + sigma(t) eps in fp32, and t, of one draw."""
        problem = self.problem
        text = None if prompt is None else problem.prompts[prompt]
        noise = draw_noise(problem.seed, problem.dataset, problem.images[image], draw, self.x.shape[1:], text)
        t = np.array([noise.t])
        alpha, sigma = self.denoiser.schedule.alpha(t).item(), self.denoiser.schedule.sigma(t).item()
        return alpha * self.x[image] + sigma * torch.from_numpy(noise.eps), noise.t

    def evaluate(self, batch: Batch) -> tuple[NDArray[np.float32], float]:
        """The batch's scores, and the network's seconds for each."""
        start = time.monotonic()
        scores = self.pieces.evaluate(lambda rows: self.squared_errors(batch, rows), len(batch.pair))
        return scores, (time.monotonic() - start) / len(scores)

    @torch.inference_mode()
    def squared_errors(self, batch: Batch, rows: slice) -> NDArray[np.float32]:
        """Scores ||x - x_hat||^2 [triple] (paper, equation 4 without w_t) of some triples, squared and summed in fp32."""
        device = self.denoiser.device
        pair, prompt = (torch.from_numpy(indices[rows]).to(device) for indices in (batch.pair, batch.prompt))
        image = torch.tensor([batch.runners[runner].image for runner in batch.runner[rows]], device=device)
        text = {name: values[prompt] for name, values in self.text.items()}
        x_hat = self.denoiser.x0(batch.x_t.to(device)[pair], batch.t[batch.pair[rows]], text)
        x = self.x_device[image]
        if x_hat.shape != x.shape:
            raise ScoreError(
                f"{self.denoiser.folder}: found predictions {tuple(x_hat.shape)}, expected {tuple(x.shape)}."
            )
        return (x - x_hat).square().flatten(1).sum(dim=1).cpu().numpy()

    def enter(self, batch: Batch, scores: NDArray[np.float32], seconds: float) -> pd.DataFrame:
        """Hand the scores to their runners; returns them as rows for the store."""
        problem = self.problem
        bad = np.flatnonzero(~np.isfinite(scores))
        if len(bad):
            first = bad[0]
            image = problem.images[batch.runners[batch.runner[first]].image]
            raise ScoreError(
                f"data set {problem.dataset}, image {image}, prompt {problem.prompts[batch.prompt[first]]!r}, draw {batch.draw[first]}: "
                f"found score {scores[first]}, expected a finite number ({len(bad)} of {len(scores)} in this batch). "
                f"The network ran in {self.denoiser.dtype}: set `dtype: float32` (or bfloat16) in the model's YAML."
            )
        for index, runner in enumerate(batch.runners):
            mine = batch.runner == index
            runner.enter(batch.draw[mine], batch.column[mine], scores[mine], seconds)
        images = np.array([problem.image_keys[runner.image] for runner in batch.runners], dtype=object)
        prompts = np.array(problem.prompt_keys, dtype=object)
        return pd.DataFrame(
            {
                "image": images[batch.runner],
                "prompt": prompts[batch.prompt],
                "draw": batch.draw.astype(np.int32),
                "score": scores,
                "seconds": np.float32(seconds),
            }
        )

    def finish(self, runner: Runner) -> None:
        """Take a finished image's scores and outcomes into the result."""
        self.result.scores.append(runner.used(self.problem.images[runner.image]))
        self.result.outcomes |= runner.outcomes()
        self.progress.images_done += 1
        self.progress.reused += runner.reused

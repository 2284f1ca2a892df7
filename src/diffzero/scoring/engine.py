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

from diffzero.diffusion.draws import sample_draw
from diffzero.models.base import Denoiser
from diffzero.pruning.policies import Policy
from diffzero.pruning.race import Outcome
from diffzero.scoring.batch import Batch, Outbox
from diffzero.scoring.image_state import Runner
from diffzero.scoring.oom import Pieces
from diffzero.scoring.problem import Problem

# Bump when the same inputs would give another score for a reason that no other part of the identity shows.
SCORING_VERSION = 1


class ScoreError(RuntimeError):
    """The network put out something that is not a score; the message names image, class and draw."""


class Interrupted(Exception):
    """The engine was asked to stop; everything scored so far has been handed to `record`."""


@dataclass
class Progress:
    """What has been done so far; handed to `report` after every batch."""

    images: int  # in all
    images_done: int = 0
    calls: int = 0
    reused: int = 0  # scores of finished images that came from the store, as far as their races used them
    seconds: float = 0.0


@dataclass
class Result:
    """The scores that the policy asked for, by image, and how each race ended."""

    scores: dict[str, dict[str, NDArray]] = field(default_factory=dict)  # Runner.used
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def frame(self) -> pd.DataFrame:
        """Columns image, draw, prompt, t, score, sorted by the first three: the same rows whatever the batch size or order."""
        names = sorted(self.scores)
        counts = [len(self.scores[name]["draw"]) for name in names]
        types = {"draw": np.int32, "prompt": np.int32, "t": np.float64, "score": np.float32}
        columns = {
            # The empty array: a data set with fewer images than the run has shards leaves some without any.
            name: np.concatenate([np.empty(0, dtype), *(self.scores[image][name] for image in names)])
            for name, dtype in types.items()
        }
        return pd.DataFrame({"image": pd.array(names, dtype="str").repeat(counts), **columns})

    @property
    def seconds(self) -> float:
        """The network's time for all these scores, whenever they were taken."""
        return float(sum(used["seconds"].sum(dtype=np.float64) for used in self.scores.values()))


class Engine:
    """Scores one problem with one denoiser.

    Images are dealt to two lanes. While the denoiser works on a batch of one lane, the other lane's scores are entered, its races
    advanced and its noise drawn. A lane's next batch is filled from its unfinished images in their order, and depends on
    that lane's scores alone. A lane that has become thin waits for the other to become thin too; then they go on as one.
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
        self.conditions = {name: torch.from_numpy(v).to(denoiser.device) for name, v in problem.conditions.items()}
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
        if that is more), and at the end. Also where an error or `stop` ends the run: all that was evaluated, but for a batch with a
        score that is none.
        Raises ScoreError for a non-finite score, Interrupted when `stop` says so.
        """
        start, outbox = time.monotonic(), Outbox(self.problem, record)
        flights: list[tuple[Batch, Future] | None] = [None, None]
        with ThreadPoolExecutor(1) as worker:
            try:
                for lane in itertools.cycle((0, 1)):
                    if flights[lane]:
                        batch, future = flights[lane]
                        scores, seconds = future.result()
                        flights[lane] = None
                        self.enter(batch, scores, seconds)
                        outbox.put(batch, scores, seconds)
                        self.progress.calls += len(scores)
                    # Counting the two batches that may be under way: a kill then costs `flush_calls` calls at the most.
                    if len(outbox) + 2 * self.batch_size > flush_calls:
                        outbox.flush()
                    if stop():
                        raise Interrupted
                    batch = self.compose(lane, alone=flights[1 - lane] is None)
                    flights[lane] = (batch, worker.submit(self.evaluate, batch)) if batch else None
                    self.progress.seconds = time.monotonic() - start
                    report(self.progress)
                    if flights == [None, None] and not any(self.lanes):
                        return self.result
            finally:
                # First without the batch under way: who asked for the end may not wait for it.
                outbox.flush()
                for flight in filter(None, flights):
                    outbox.put_late(*flight)
                outbox.flush()

    def thin(self, lane: int) -> bool:
        """Whether one more draw of all that is unfinished would not fill a batch. Once true it stays so, as classes only ever leave."""
        width = 0
        return all((width := width + runner.width) < self.batch_size for runner in self.lanes[lane])

    def compose(self, lane: int, alone: bool) -> Batch | None:
        """The lane's next batch: its unfinished images' missing triples, in order, until the batch is full.

        None at the end, and while a thin lane waits for the other. They are joined when both are thin and nothing is under way
        (`alone`): at the same scores of each, whichever was faster, so that a resumed run joins them there too.
        """
        other = 1 - lane
        if self.lanes[other] and self.thin(lane):
            if not (alone and self.thin(other)):
                return None
            self.lanes[lane] = sorted(self.lanes[0] + self.lanes[1], key=lambda runner: runner.image)
            self.lanes[other] = []
        parts: list[tuple[Runner, NDArray[np.int64]]] = []
        room, waiting = self.batch_size, []
        runners = iter(self.lanes[lane])
        for runner in runners:
            cells = runner.missing()
            if runner.finished:
                self.finish(runner)
                continue
            waiting.append(runner)
            parts.append((runner, cells[:room]))
            room -= len(parts[-1][1])
            if room == 0:
                break
        self.lanes[lane] = [*waiting, *runners]
        return self.assemble(parts) if parts else None

    def assemble(self, parts: list[tuple[Runner, NDArray[np.int64]]]) -> Batch:
        """Draw the noise of a batch and form its x_t."""
        addresses, draw, prompt, pair = [], [], [], []
        for runner, cells in parts:
            draws, columns = np.divmod(cells, len(runner.prompts))
            draw.append(draws)
            prompt.append(runner.prompts[columns])
            begins = np.ones(len(draws), dtype=bool)
            if not self.problem.unshared:  # cells are in order: where the draw changes, another x_t begins
                begins[1:] = draws[1:] != draws[:-1]
            pair.append(np.cumsum(begins) - 1 + len(addresses))
            texts = prompt[-1].tolist() if self.problem.unshared else itertools.repeat(None)
            addresses += zip(itertools.repeat(runner.image), draws[begins].tolist(), texts, strict=False)
        x_t, t = self.noised(addresses)
        lengths = [len(cells) for _, cells in parts]
        return Batch(
            runners=[runner for runner, _ in parts],
            bounds=np.cumsum([0, *lengths]),
            image=np.repeat([runner.image for runner, _ in parts], lengths),
            cell=np.concatenate([cells for _, cells in parts]),
            draw=np.concatenate(draw),
            prompt=np.concatenate(prompt),
            pair=np.concatenate(pair),
            x_t=x_t,
            t=t,
        )

    def noised(self, addresses: list[tuple[int, int, int | None]]) -> tuple[torch.Tensor, NDArray[np.float64]]:
        """x_t = alpha(t) x + sigma(t) eps [pair, *x] in fp32, and t [pair], of draws (image, draw, prompt or None)."""
        problem, shape = self.problem, self.x.shape[1:]
        texts = {index: problem.prompts[index] for _, _, index in addresses if index is not None} | {None: None}
        noise = [
            sample_draw(problem.seed, problem.dataset, problem.images[image], draw, shape, texts[prompt])
            for image, draw, prompt in addresses
        ]
        t = np.array([draw.t for draw in noise])
        eps = torch.from_numpy(np.stack([draw.eps for draw in noise]))
        x = self.x[torch.from_numpy(np.array([image for image, _, _ in addresses]))]
        alpha, sigma = self.denoiser.levels(t, self.x.ndim)
        return alpha * x + sigma * eps, t

    def evaluate(self, batch: Batch) -> tuple[NDArray[np.float32], float]:
        """The batch's scores, and the network's seconds for each."""
        start = time.monotonic()
        scores = self.pieces.evaluate(lambda rows: self.squared_errors(batch, rows), len(batch.pair))
        return scores, (time.monotonic() - start) / len(scores)

    @torch.inference_mode()
    def squared_errors(self, batch: Batch, rows: slice) -> NDArray[np.float32]:
        """Scores ||x - x_hat||^2 [triple] (paper, equation 4 without w_t) of some triples, squared and summed in fp32."""
        device = self.denoiser.device
        pair, prompt, image = (
            torch.from_numpy(indices[rows]).to(device) for indices in (batch.pair, batch.prompt, batch.image)
        )
        text = {name: values[prompt] for name, values in self.text.items()}
        text |= {name: values[image] for name, values in self.conditions.items()}
        with self.denoiser.reusing(pair, prompt):
            x_hat = self.denoiser.x0(batch.x_t.to(device)[pair], batch.t[batch.pair[rows]], text)
        x = self.x_device[image]
        if x_hat.shape != x.shape:
            raise ScoreError(
                f"{self.denoiser.folder}: found predictions {tuple(x_hat.shape)}, expected {tuple(x.shape)}."
            )
        return (x - x_hat).square().flatten(1).sum(dim=1).cpu().numpy()

    def enter(self, batch: Batch, scores: NDArray[np.float32], seconds: float) -> None:
        """Hand the scores to their runners. Raises ScoreError."""
        bad = np.flatnonzero(~np.isfinite(scores))
        if len(bad):
            first, problem, dtype = bad[0], self.problem, self.denoiser.dtype
            advice = (
                f"It ran in {dtype}, the widest there is: compare the files in {self.denoiser.folder} with their source."
                if dtype == torch.float32
                else f"It ran in {dtype}: set `dtype: float32` (or bfloat16) in the model's YAML and type the same command again."
            )
            raise ScoreError(
                f"data set {problem.dataset}, image {problem.images[batch.image[first]]}, prompt {problem.prompts[batch.prompt[first]]!r}, "
                f"draw {batch.draw[first]}: found score {scores[first]}, expected a finite number from the network "
                f"({len(bad)} of {len(scores)} in this batch). {advice}"
            )
        for runner, (first, last) in zip(batch.runners, itertools.pairwise(batch.bounds.tolist()), strict=True):
            runner.enter(batch.cell[first:last], scores[first:last], seconds)

    def finish(self, runner: Runner) -> None:
        """Take a finished image's scores and outcomes into the result."""
        used = self.result.scores[self.problem.images[runner.image]] = runner.used()
        self.result.outcomes |= runner.outcomes()
        self.progress.images_done += 1
        self.progress.reused += len(used["draw"]) - runner.calls

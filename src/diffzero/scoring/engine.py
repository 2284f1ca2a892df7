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
from diffzero.scoring.batch import Batch, WriteBuffer
from diffzero.scoring.image_state import ImageState
from diffzero.scoring.oom import MicroBatcher
from diffzero.scoring.problem import Problem

# Bump when the same inputs would give another score for a reason that no other part of the identity shows.
SCORING_VERSION = 1


class ScoreError(RuntimeError):
    """The network put out something that is not a score; the message names image, class and draw."""


class ScoringStoppedError(Exception):
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

    scores: dict[str, dict[str, NDArray]] = field(default_factory=dict)  # ImageState.used
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
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
        self.micro_batcher = MicroBatcher(batch_size)
        self.x = torch.from_numpy(problem.x)
        self.x_device = self.x.to(denoiser.device)
        self.text = {name: torch.from_numpy(values).to(denoiser.device) for name, values in problem.text.items()}
        self.conditions = {name: torch.from_numpy(v).to(denoiser.device) for name, v in problem.conditions.items()}
        states = ImageState.of(problem, policy, weight, known)
        self.groups = [states[0::2], states[1::2]]
        self.progress = Progress(len(states))
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
        Raises ScoreError for a non-finite score, ScoringStoppedError when `stop` says so.
        """
        start, outbox = time.monotonic(), WriteBuffer(self.problem, record)
        flights: list[tuple[Batch, Future] | None] = [None, None]
        with ThreadPoolExecutor(1) as worker:
            try:
                for lane in itertools.cycle((0, 1)):
                    if flights[lane]:
                        batch, future = flights[lane]
                        scores, seconds = future.result()
                        flights[lane] = None
                        self.record_scores(batch, scores, seconds)
                        outbox.add(batch, scores, seconds)
                        self.progress.calls += len(scores)
                    # Counting the two batches that may be under way: a kill then costs `flush_calls` calls at the most.
                    if len(outbox) + 2 * self.batch_size > flush_calls:
                        outbox.flush()
                    if stop():
                        raise ScoringStoppedError
                    batch = self.next_batch(lane, alone=flights[1 - lane] is None)
                    flights[lane] = (batch, worker.submit(self.evaluate, batch)) if batch else None
                    self.progress.seconds = time.monotonic() - start
                    report(self.progress)
                    if flights == [None, None] and not any(self.groups):
                        return self.result
            finally:
                # First without the batch under way: who asked for the end may not wait for it.
                outbox.flush()
                for flight in filter(None, flights):
                    outbox.add_late(*flight)
                outbox.flush()

    def is_underfull(self, lane: int) -> bool:
        """Whether one more draw of all that is unfinished would not fill a batch. Once true it stays so, as classes only ever leave."""
        width = 0
        return all((width := width + state.width) < self.batch_size for state in self.groups[lane])

    def next_batch(self, lane: int, alone: bool) -> Batch | None:
        """The lane's next batch: its unfinished images' missing triples, in order, until the batch is full.

        None at the end, and while a thin lane waits for the other. They are joined when both are thin and nothing is under way
        (`alone`): at the same scores of each, whichever was faster, so that a resumed run joins them there too.
        """
        other = 1 - lane
        if self.groups[other] and self.is_underfull(lane):
            if not (alone and self.is_underfull(other)):
                return None
            self.groups[lane] = sorted(self.groups[0] + self.groups[1], key=lambda state: state.image)
            self.groups[other] = []
        parts: list[tuple[ImageState, NDArray[np.int64]]] = []
        room, waiting = self.batch_size, []
        states = iter(self.groups[lane])
        for state in states:
            cells = state.missing()
            if state.finished:
                self.finish_image(state)
                continue
            waiting.append(state)
            parts.append((state, cells[:room]))
            room -= len(parts[-1][1])
            if room == 0:
                break
        self.groups[lane] = [*waiting, *states]
        return self.build_batch(parts) if parts else None

    def build_batch(self, parts: list[tuple[ImageState, NDArray[np.int64]]]) -> Batch:
        """Draw the noise of a batch and form its x_t."""
        addresses, draw, prompt, pair = [], [], [], []
        for state, cells in parts:
            draws, columns = np.divmod(cells, len(state.prompts))
            draw.append(draws)
            prompt.append(state.prompts[columns])
            begins = np.ones(len(draws), dtype=bool)
            if not self.problem.unshared:  # cells are in order: where the draw changes, another x_t begins
                begins[1:] = draws[1:] != draws[:-1]
            pair.append(np.cumsum(begins) - 1 + len(addresses))
            texts = prompt[-1].tolist() if self.problem.unshared else itertools.repeat(None)
            addresses += zip(itertools.repeat(state.image), draws[begins].tolist(), texts, strict=False)
        x_t, t = self.noisy_images(addresses)
        lengths = [len(cells) for _, cells in parts]
        return Batch(
            states=[state for state, _ in parts],
            bounds=np.cumsum([0, *lengths]),
            image=np.repeat([state.image for state, _ in parts], lengths),
            cell=np.concatenate([cells for _, cells in parts]),
            draw=np.concatenate(draw),
            prompt=np.concatenate(prompt),
            pair=np.concatenate(pair),
            x_t=x_t,
            t=t,
        )

    def noisy_images(self, addresses: list[tuple[int, int, int | None]]) -> tuple[torch.Tensor, NDArray[np.float64]]:
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
        alpha, sigma = self.denoiser.alpha_sigma(t, self.x.ndim)
        return alpha * x + sigma * eps, t

    def evaluate(self, batch: Batch) -> tuple[NDArray[np.float32], float]:
        """The batch's scores, and the network's seconds for each."""
        start = time.monotonic()
        scores = self.micro_batcher.evaluate(lambda rows: self.squared_errors(batch, rows), len(batch.pair))
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
        with self.denoiser.shared_compute(pair, prompt):
            x_hat = self.denoiser.x0(batch.x_t.to(device)[pair], batch.t[batch.pair[rows]], text)
        x = self.x_device[image]
        if x_hat.shape != x.shape:
            raise ScoreError(
                f"{self.denoiser.folder}: found predictions {tuple(x_hat.shape)}, expected {tuple(x.shape)}."
            )
        return (x - x_hat).square().flatten(1).sum(dim=1).cpu().numpy()

    def record_scores(self, batch: Batch, scores: NDArray[np.float32], seconds: float) -> None:
        """Hand the scores to their states. Raises ScoreError."""
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
        for state, (first, last) in zip(batch.states, itertools.pairwise(batch.bounds.tolist()), strict=True):
            state.enter(batch.cell[first:last], scores[first:last], seconds)

    def finish_image(self, state: ImageState) -> None:
        """Take a finished image's scores and outcomes into the result."""
        used = self.result.scores[self.problem.images[state.image]] = state.used()
        self.result.outcomes |= state.outcomes()
        self.progress.images_done += 1
        self.progress.reused += len(used["draw"]) - state.calls

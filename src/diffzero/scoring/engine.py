"""The scoring engine: Algorithm 1 of Clark & Jaini (2023) for many images at once.

The race of each image decides which triples (image, draw, class) are evaluated, exactly as if the algorithm ran image by image. The
engine only chooses their order, so that batches are full and no score is computed twice. The order is a function of the recorded
scores alone: a run that was killed and resumed forms exactly the batches that were lost.
"""

import itertools
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from diffzero.models.base import Denoiser
from diffzero.pruning.policies import Policy
from diffzero.scoring.batch import Batch, build_batch
from diffzero.scoring.claims import Claims
from diffzero.scoring.image_state import ImageState, add_known_scores, create_image_states
from diffzero.scoring.oom import MicroBatcher
from diffzero.scoring.problem import Problem
from diffzero.scoring.result import Progress, ScoringResult
from diffzero.scoring.write_buffer import Evaluation, WriteBuffer
from diffzero.typing import Ints, WeightFn

# Part of every score's identity. Increase it when the same inputs give other scores and the rest of the identity does not change.
SCORING_VERSION = 1


class ScoreError(RuntimeError):
    """The network returned something that is not a score."""


class ScoringStoppedError(Exception):
    """The engine was asked to stop; all scores so far have been passed to `record`."""


class Engine:
    """Scores the images of a problem with a denoiser until their races end.

    Double buffering keeps the denoiser busy: the images are split into two groups, and while the denoiser evaluates a batch of one
    group, the engine records the scores of the other, advances its races and samples the noise of its next batch. A batch is
    filled from the unfinished images of its group, in order. A group that cannot fill a batch any more waits until the other
    cannot either; then the two are merged.

    Parameters
    ----------
    denoiser
        The network.
    problem
        Images, prompts and items.
    policy
        The pruning policy of the races.
    weight
        The weighting w_t of the loss.
    batch_size
        Triples per batch.
    known
        Stored scores (columns of chunk.SCHEMA), which are used instead of evaluating the denoiser.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        problem: Problem,
        policy: Policy,
        weight: WeightFn,
        batch_size: int,
        known: pd.DataFrame | None = None,
    ) -> None:
        self.denoiser, self.problem, self.batch_size = denoiser, problem, batch_size
        self.micro_batcher = MicroBatcher(batch_size)
        self.x = torch.from_numpy(problem.x).to(denoiser.device)  # [image, *x]
        self.text = {name: torch.from_numpy(values).to(denoiser.device) for name, values in problem.text.items()}
        self.conditions = {name: torch.from_numpy(v).to(denoiser.device) for name, v in problem.conditions.items()}
        states = create_image_states(problem, policy, weight, known)
        self.groups: list[list[ImageState]] = [states[0::2], states[1::2]]  # unfinished images
        self.in_flight: list[tuple[Batch, Future[Evaluation]] | None] = [None, None]  # at most one batch per group
        self.progress = Progress(len(states))
        self.result = ScoringResult()
        self.claims: Claims | None = None
        self.claimed: set[int] = set()  # images that this job has claimed
        self.deferred: list[ImageState] = []  # unfinished images that other jobs have claimed
        self.releasable: list[str] = []  # keys of finished images whose scores may not be recorded yet

    @property
    def needs_calls(self) -> bool:
        """Return whether the races need scores that are not known."""
        return any(len(state.missing_cells()) for group in self.groups for state in group)

    def run(
        self,
        record: Callable[[pd.DataFrame], object],
        report: Callable[[Progress], None] = lambda progress: None,
        stop: Callable[[], bool] = lambda: False,
        flush_every: int = 4096,
        claims: Claims | None = None,
    ) -> ScoringResult:
        """Score all images until their races end.

        Parameters
        ----------
        record
            Receives new scores (columns of chunk.SCHEMA), and all remaining ones at the end, also if an error or `stop` ends the run.
        report
            Called after every batch.
        stop
            Polled after every batch; the run ends when it returns True.
        flush_every
            Calls after which `record` is called: a killed run loses at most this many, or two batches if that is more.
        claims
            Claims an image before its first call. Images of other jobs are scored last, with what those jobs recorded.

        Raises
        ------
        ScoreError
            If a score is not finite. The scores of that batch are not recorded.
        ScoringStoppedError
            If `stop` returned True.
        """
        start, buffer, self.claims = time.monotonic(), WriteBuffer(self.problem, record), claims
        with ThreadPoolExecutor(max_workers=1) as worker:
            try:
                for group in itertools.cycle((0, 1)):
                    self._collect(group, buffer)
                    # Two batches may be in flight; a killed run loses them as well.
                    if len(buffer) + 2 * self.batch_size > flush_every:
                        self._flush(buffer)
                    if stop():
                        raise ScoringStoppedError
                    if (batch := self.next_batch(group)) is not None:
                        self.in_flight[group] = (batch, worker.submit(self.evaluate, batch))
                    self.progress.seconds = time.monotonic() - start
                    report(self.progress)
                    if self.in_flight == [None, None] and not any(self.groups):
                        if not self.deferred:
                            break
                        self._flush(buffer)
                        self._await_other_jobs()
            finally:
                self._store_remaining(buffer)
        return self.result

    def _store_remaining(self, buffer: WriteBuffer) -> None:
        """Store what the buffer holds, then the scores of the batches in flight."""
        # In this order, because storing the finished scores must not wait for the network.
        buffer.flush()
        for late in filter(None, self.in_flight):
            buffer.add_late(*late)
        buffer.flush()

    def _flush(self, buffer: WriteBuffer) -> None:
        """Record all scores and release the images that have finished."""
        buffer.flush()
        if self.claims:
            self.claims.release(self.releasable)
            self.releasable.clear()

    def _claim(self, state: ImageState) -> bool:
        """Claim an image before its first call; an image of another job is deferred."""
        if self.claims is None or state.image in self.claimed:
            return True
        if not self.claims.take(self.problem.image_keys[state.image]):
            self.deferred.append(state)
            return False
        self.claimed.add(state.image)
        # Another job may have scored the image and released it after the store was read.
        others = [s for s in (*self.groups[0], *self.groups[1], *self.deferred) if s.image not in self.claimed]
        add_known_scores(self.problem, [state, *others], self.claims.read_new())
        return True

    def _await_other_jobs(self) -> None:
        """Wait and try the images of other jobs again."""
        if self.claims:
            self.claims.wait()
        self.groups, self.deferred = [self.deferred[0::2], self.deferred[1::2]], []

    def _collect(self, group: int, buffer: WriteBuffer) -> None:
        """Wait for the batch of a group that is in flight, if any, and record its scores."""
        if (evaluation := self.in_flight[group]) is None:
            return
        batch, future = evaluation
        scores, seconds = future.result()
        self.in_flight[group] = None
        self.record_scores(batch, scores, seconds)
        buffer.add(batch, scores, seconds)
        self.progress.calls += len(scores)

    def next_batch(self, group: int) -> Batch | None:
        """Build the next batch of a group: the missing scores of its unfinished images, in order, until the batch is full.

        Returns
        -------
        Batch or None
            None if all images of the group have finished, or if the group is underfull and waits for the other one.
        """
        other = 1 - group
        if self.groups[other] and self.is_underfull(group):
            # Merge only when no batch is in flight: the state then depends on recorded scores alone, not on which group was faster,
            # and a resumed run merges at the same point.
            if self.in_flight[other] is not None or not self.is_underfull(other):
                return None
            self.groups[group] = sorted(self.groups[0] + self.groups[1], key=lambda state: state.image)
            self.groups[other] = []
        free = self.batch_size
        requests: list[tuple[ImageState, Ints]] = []
        unfinished = []
        states = iter(self.groups[group])
        for state in states:
            if len(state.missing_cells()) and not self._claim(state):
                continue
            cells = state.missing_cells()
            if state.finished:
                self._finish(state)
                continue
            unfinished.append(state)
            requests.append((state, cells[:free]))
            free -= len(requests[-1][1])
            if free == 0:
                break
        self.groups[group] = [*unfinished, *states]
        return build_batch(self.problem, self.denoiser, requests) if requests else None

    def is_underfull(self, group: int) -> bool:
        """Return whether one more draw of all unfinished images of a group cannot fill a batch. Once true, it stays true."""
        size = 0
        return all((size := size + state.n_active) < self.batch_size for state in self.groups[group])

    def evaluate(self, batch: Batch) -> Evaluation:
        """Return the scores [triple] of a batch and the network seconds per score."""
        start = time.monotonic()
        scores = self.micro_batcher.evaluate(lambda rows: self.squared_errors(batch, rows), len(batch.draw))
        return scores, (time.monotonic() - start) / len(scores)

    @torch.inference_mode()
    def squared_errors(self, batch: Batch, rows: slice) -> NDArray[np.float32]:
        """Return the scores ||x - x_hat||^2 [triple] of some triples, squared and summed in fp32 (paper, equation 4 without w_t)."""
        device = self.denoiser.device
        noise, prompt, image = (
            torch.from_numpy(index[rows]).to(device) for index in (batch.noise, batch.prompt, batch.image)
        )
        inputs = {name: values[prompt] for name, values in self.text.items()}
        inputs |= {name: values[image] for name, values in self.conditions.items()}
        with self.denoiser.shared_compute(noise, prompt):
            x_hat = self.denoiser.x0(batch.x_t.to(device)[noise], batch.t[batch.noise[rows]], inputs)
        x = self.x[image]
        if x_hat.shape != x.shape:
            raise ScoreError(
                f"{self.denoiser.checkpoint_dir}: found predictions of shape {tuple(x_hat.shape)}, expected {tuple(x.shape)}."
            )
        scores: NDArray[np.float32] = (x - x_hat).square().flatten(1).sum(dim=1).cpu().numpy()
        return scores

    def record_scores(self, batch: Batch, scores: NDArray[np.float32], seconds: float) -> None:
        """Record the scores [triple] of a batch in the states of its images.

        Raises
        ------
        ScoreError
            If a score is not finite; the message names image, prompt and draw.
        """
        if not np.isfinite(scores).all():
            raise ScoreError(self._describe_non_finite(batch, scores))
        for state, (first, last) in zip(batch.states, itertools.pairwise(batch.offsets.tolist()), strict=True):
            state.record(batch.cell[first:last], scores[first:last], seconds)

    def _describe_non_finite(self, batch: Batch, scores: NDArray[np.float32]) -> str:
        problem, dtype, bad = self.problem, self.denoiser.dtype, np.flatnonzero(~np.isfinite(scores))
        row = bad[0]
        advice = (
            f"The network ran in {dtype}, the widest type: compare the files in {self.denoiser.checkpoint_dir} with their source."
            if dtype == torch.float32
            else f"The network ran in {dtype}: set `dtype: float32` (or bfloat16) in the model's YAML and re-run the same command."
        )
        return (
            f"data set {problem.dataset}, image {problem.images[batch.image[row]]}, prompt {problem.prompts[batch.prompt[row]]!r}, "
            f"draw {batch.draw[row]}: found score {scores[row]}, expected a finite number "
            f"({len(bad)} of {len(scores)} scores of this batch are not finite). {advice}"
        )

    def _finish(self, state: ImageState) -> None:
        """Move the scores and outcomes of a finished image to the result."""
        used = self.result.scores[self.problem.images[state.image]] = state.used_scores()
        self.result.outcomes |= state.outcomes()
        self.progress.images_done += 1
        self.releasable.append(self.problem.image_keys[state.image])
        self.progress.reused += len(used.draw) - state.calls

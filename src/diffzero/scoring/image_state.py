"""The state of one image in the engine: its scores so far and the races that run on them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffzero.diffusion.draws import sample_time
from diffzero.pruning.policies import Policy
from diffzero.pruning.race import Outcome, Race
from diffzero.scoring.problem import Item, Problem
from diffzero.typing import Floats, Ints, WeightFn


@dataclass(frozen=True)
class UsedScores:
    """The scores that the races of an image consumed, ordered by draw, then prompt: arrays [score] of equal length."""

    draw: NDArray[np.int32]
    prompt: NDArray[np.int32]  # row of Problem.prompts
    t: Floats
    score: NDArray[np.float32]  # ||x - x_hat||^2
    seconds: NDArray[np.float32]  # share of the network time of the batch


class ImageState:
    """An image with its scores and races: one race for a classification, one race per task for attribute binding.

    Races of one image share scores: a prompt that is a candidate in three tasks is evaluated once per draw.
    A *column* is a prompt that at least one race uses; a *cell* is the flat index `draw * columns + column` into `scores`.

    Parameters
    ----------
    problem
        Images and prompts.
    image
        Row of Problem.images.
    items
        The items of this image; one race each.
    policy
        The pruning policy of the races.
    weight
        The weighting w_t of the loss.
    """

    def __init__(self, problem: Problem, image: int, items: list[Item], policy: Policy, weight: WeightFn) -> None:
        self.problem, self.image, self.items, self.weight = problem, image, items, weight
        self.prompts: Ints = np.unique(np.concatenate([item.candidates for item in items]))  # [column]
        self.scores: NDArray[np.float32] = np.empty(
            (0, len(self.prompts)), dtype=np.float32
        )  # [draw, column], NaN: unknown
        self.seconds: NDArray[np.float32] = np.empty_like(self.scores)  # [draw, column] network time of each score
        self.t: Floats = np.empty((0, len(self.prompts) if problem.unshared else 1))  # [draw, column or 1]
        self.w: Floats = self.t  # [draw, column or 1] weights w_t
        self.columns: list[Ints] = [
            np.searchsorted(self.prompts, item.candidates) for item in items
        ]  # per race: [class]
        self.races = [Race(policy, len(columns), self._weighted_reader(columns)) for columns in self.columns]
        self.calls = 0  # scores evaluated in this process, as opposed to read from the store
        self._missing: Ints | None = None  # cached result of missing_cells

    def add_known_scores(self, known: pd.DataFrame) -> None:
        """Add stored scores: columns draw, prompt (row of Problem.prompts), score and seconds."""
        known = known[known["prompt"].isin(self.prompts)]
        if known.empty:
            return
        draws, columns = known["draw"].to_numpy(np.int64), np.searchsorted(self.prompts, known["prompt"])
        self._reserve(int(draws.max()) + 1)
        self._missing = None
        self.record(draws * len(self.prompts) + columns, known["score"].to_numpy(), known["seconds"].to_numpy())
        self.calls = 0

    def missing_cells(self) -> Ints:
        """Return the cells of the scores that the races need next, in ascending order.

        Every race first advances as far as the known scores allow. The result is empty when all races have finished.
        """
        if self._missing is None:
            cells = [self._advance(race, columns) for race, columns in zip(self.races, self.columns, strict=True)]
            # Two races of one image may need the same score.
            self._missing = cells[0] if len(cells) == 1 else np.unique(np.concatenate(cells))
        return self._missing

    def record(self, cells: Ints, scores: NDArray[np.float32], seconds: NDArray[np.float32] | float) -> None:
        """Record scores and the network time of each."""
        # Usually `cells` is the beginning of the missing cells. The others remain missing, so the races need not advance.
        missing = self._missing
        is_head = missing is not None and len(missing) > len(cells) and missing[0] == cells[0]
        self._missing = missing[len(cells) :] if missing is not None and is_head else None
        self.calls += len(cells)
        self.scores.reshape(-1)[cells] = scores
        self.seconds.reshape(-1)[cells] = seconds

    @property
    def n_active(self) -> int:
        """The number of classes still racing, summed over races: an upper bound of the scores that one more draw needs."""
        self.missing_cells()
        return sum(len(race.alive) for race in self.races if not race.finished)

    @property
    def finished(self) -> bool:
        """Return whether every race of the image has ended."""
        return all(race.finished for race in self.races)

    def outcomes(self) -> dict[str, Outcome]:
        """Return the outcome of each race by item name."""
        return {item.name: race.outcome() for item, race in zip(self.items, self.races, strict=True)}

    def used_scores(self) -> UsedScores:
        """Return the scores that the races consumed.

        Stored scores beyond that are left out, so that a shard's table does not depend on what was scored before.
        """
        used = np.zeros(self.scores.shape, dtype=bool)  # [draw, column]
        for race, columns in zip(self.races, self.columns, strict=True):
            end = np.where(race.eliminated_at < 0, race.n, race.eliminated_at)  # [class]
            used[:, columns] |= np.arange(len(used))[:, None] < end
        cells = np.flatnonzero(used)
        draw, column = np.divmod(cells, len(self.prompts))
        return UsedScores(
            draw=draw.astype(np.int32),
            prompt=self.prompts.astype(np.int32)[column],
            t=self.t.reshape(-1)[cells if self.problem.unshared else draw],
            score=self.scores.reshape(-1)[cells],
            seconds=self.seconds.reshape(-1)[cells],
        )

    def _advance(self, race: Race, columns: Ints) -> Ints:
        """Advance one race as far as the known scores allow and return the cells that its next decision needs."""
        while not race.finished:
            first, last = race.next_draws
            self._reserve(last)
            alive = columns[race.alive]
            unknown = np.flatnonzero(np.isnan(self.scores[first:last].take(alive, axis=1)))
            if len(unknown):
                draw, column = np.divmod(unknown, len(alive))
                cells: Ints = (draw + first) * len(self.prompts) + alive[column]
                return cells
            race.step(last)
        return np.empty(0, dtype=np.int64)

    def _weighted_reader(self, columns: Ints) -> Callable[[int, int, Ints], Floats]:
        """Return the function by which the race on `columns` reads its weighted scores [draw, class]."""

        def read(first: int, last: int, classes: Ints) -> Floats:
            """Return the weighted scores of the draws from `first` up to `last`, for these classes of the race."""
            selected = columns[classes]
            w = self.w[first:last]
            w = w if w.shape[1] == 1 else w.take(selected, axis=1)
            weighted: Floats = self.scores[first:last].take(selected, axis=1).astype(np.float64) * w
            return weighted

        return read

    def _reserve(self, draws: int) -> None:
        """Enlarge the arrays to hold at least `draws` draws, and sample the times t of the new draws."""
        size, problem = len(self.scores), self.problem
        if draws <= size:
            return
        # Doubling: the cost of copying stays proportional to the number of draws.
        empty = np.full((max(draws, 2 * size) - size, len(self.prompts)), np.nan, dtype=np.float32)
        self.scores, self.seconds = np.concatenate([self.scores, empty]), np.concatenate([self.seconds, empty])
        image = problem.images[self.image]
        texts = [problem.prompts[prompt] for prompt in self.prompts] if problem.unshared else [None]
        t = np.array(
            [
                [sample_time(problem.seed, problem.dataset, image, draw, text) for text in texts]
                for draw in range(size, len(self.scores))
            ]
        )
        self.t, self.w = np.concatenate([self.t, t]), np.concatenate([self.w, self.weight(t)])


def create_image_states(
    problem: Problem, policy: Policy, weight: WeightFn, known: pd.DataFrame | None
) -> list[ImageState]:
    """Create the states of all images that have items, in the order of Problem.images.

    Parameters
    ----------
    problem, policy, weight
        As for ImageState.
    known
        Stored scores with the columns of chunk.SCHEMA; scores of other images and prompts are ignored.
    """
    items: dict[int, list[Item]] = {}
    for item in problem.items:
        items.setdefault(item.image, []).append(item)
    states = [ImageState(problem, image, items[image], policy, weight) for image in sorted(items)]
    if known is not None:
        add_known_scores(problem, states, known)
    return states


def add_known_scores(problem: Problem, states: list[ImageState], known: pd.DataFrame) -> None:
    """Add stored scores (columns of chunk.SCHEMA) to the states of images that have not been scored in this process."""
    if len(known):
        # Translate the few distinct keys instead of millions of rows.
        keys = known["prompt"].astype("category").cat
        row_of = {key: row for row, key in enumerate(problem.prompt_keys)}
        rows = np.array([row_of.get(key, -1) for key in keys.categories], dtype=np.int64)
        known = known.assign(prompt=rows[keys.codes])
        known_of = known.groupby("image", observed=True).indices
        for state in states:
            state.add_known_scores(known.iloc[known_of.get(problem.image_keys[state.image], [])])

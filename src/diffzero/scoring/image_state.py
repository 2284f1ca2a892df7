"""One image's side of the engine: its known scores, the races that run on them, and what they still need."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffzero.diffusion.draws import sample_time
from diffzero.pruning.policies import Policy
from diffzero.pruning.race import Outcome, Race
from diffzero.scoring.problem import Item, Problem

Weight = Callable[[NDArray[np.float64]], NDArray[np.float64]]


class ImageState:
    """An image with its races: one for a classification, one per task for attribute binding.

    Races of one image share scores, so a sentence that three tasks ask about is evaluated once.
    """

    def __init__(self, problem: Problem, image: int, items: list[Item], policy: Policy, weight: Weight) -> None:
        self.problem, self.image, self.items = problem, image, items
        self.prompts = np.unique(np.concatenate([item.candidates for item in items]))  # [column]
        self.scores = np.empty((0, len(self.prompts)), dtype=np.float32)  # [draw, column], NaN where not scored
        self.seconds = np.empty_like(self.scores)  # [draw, column] what each score cost
        self.weight = weight
        self.t = np.empty((0, len(self.prompts) if problem.unshared else 1))  # [draw, column or 1]
        self.w = self.t  # w_t, of the same shape
        self.columns = [np.searchsorted(self.prompts, item.candidates) for item in items]
        self.races = [Race(policy, len(columns), self.reader(columns)) for columns in self.columns]
        self.calls = 0  # scores that were evaluated for this state, not remembered
        self.needed: NDArray[np.int64] | None = None  # what `missing` found, until scores are entered

    @classmethod
    def of(cls, problem: Problem, policy: Policy, weight: Weight, known: pd.DataFrame | None) -> list["ImageState"]:
        """One state an image, in the problem's order, holding the `known` scores (columns of store.Store)."""
        by_image: dict[int, list[Item]] = {}
        for item in problem.items:
            by_image.setdefault(item.image, []).append(item)
        states = [cls(problem, image, by_image[image], policy, weight) for image in sorted(by_image)]
        if known is not None and len(known):
            # Numbers for keys, by way of categories: millions of rows share a few keys.
            keys = known["prompt"].astype("category").cat
            number_of = {key: index for index, key in enumerate(problem.prompt_keys)}
            numbers = np.array([number_of.get(key, -1) for key in keys.categories], dtype=np.int64)
            known = known.assign(prompt=numbers[keys.codes])
            rows_of = known.groupby("image", observed=True).indices
            for state in states:
                state.remember(known.iloc[rows_of.get(problem.image_keys[state.image], [])])
        return states

    def remember(self, known: pd.DataFrame) -> None:
        """Take stored scores: columns draw, prompt (a number), score, seconds."""
        mine = known[known["prompt"].isin(self.prompts)]
        if len(mine):
            draws, columns = mine["draw"].to_numpy(int), np.searchsorted(self.prompts, mine["prompt"])
            self.reserve(int(draws.max()) + 1)
            self.enter(draws * len(self.prompts) + columns, mine["score"].to_numpy(), mine["seconds"].to_numpy())
            self.calls = 0

    def enter(self, cells: NDArray[np.int64], scores: NDArray, seconds: NDArray | float) -> None:
        """Take scores, and what each cost; a cell is draw x columns + column."""
        # What is left of a block of draws is known without a look at all of it.
        asked = self.needed is not None and len(self.needed) > len(cells) and self.needed[0] == cells[0]
        self.needed = self.needed[len(cells) :] if asked else None
        self.calls += len(cells)
        self.scores.reshape(-1)[cells] = scores
        self.seconds.reshape(-1)[cells] = seconds

    def reserve(self, draws: int) -> None:
        """Make room for the scores and times of `draws` draws."""
        have, problem = len(self.scores), self.problem
        if draws <= have:
            return
        empty = np.full((max(draws, 2 * have) - have, len(self.prompts)), np.nan, dtype=np.float32)
        self.scores, self.seconds = (np.concatenate([old, empty]) for old in (self.scores, self.seconds))
        address = (problem.seed, problem.dataset, problem.images[self.image])
        texts = [problem.prompts[prompt] for prompt in self.prompts] if problem.unshared else [None]
        times = [[sample_time(*address, draw, text) for text in texts] for draw in range(have, len(self.scores))]
        self.t, self.w = (
            np.concatenate([old, new]) for old, new in ((self.t, times), (self.w, self.weight(np.array(times))))
        )

    def reader(self, columns: NDArray[np.int64]) -> Callable[[int, int, NDArray[np.int64]], NDArray[np.float64]]:
        """Reads weighted scores [draw, class] for the race on `columns`."""

        def read(first: int, last: int, classes: NDArray[np.int64]) -> NDArray[np.float64]:
            chosen = columns[classes]
            w = self.w[first:last]
            w = w if w.shape[1] == 1 else w.take(chosen, axis=1)
            return self.scores[first:last].take(chosen, axis=1).astype(np.float64) * w

        return read

    def missing(self) -> NDArray[np.int64]:
        """The cells (draw x columns + column) of the scores that the races need next, in order.

        First advances every race as far as the known scores carry it; nothing is missing when all are finished.
        """
        if self.needed is None:
            cells = [self.advance(race, columns) for race, columns in zip(self.races, self.columns, strict=True)]
            # Races of one image may need the same score.
            self.needed = cells[0] if len(cells) == 1 else np.unique(np.concatenate(cells))
        return self.needed

    def advance(self, race: Race, columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Drive one race as far as the known scores carry it; comes back with the cells that it needs next."""
        while not race.finished:
            first, last = race.next_draws
            self.reserve(last)
            alive = columns[race.alive]
            unknown = np.flatnonzero(np.isnan(self.scores[first:last].take(alive, axis=1)))
            if len(unknown):
                draw, column = np.divmod(unknown, len(alive))
                return (draw + first) * len(self.prompts) + alive[column]
            race.step(last)
        return np.empty(0, dtype=np.int64)

    @property
    def width(self) -> int:
        """Classes still racing: the scores that one more draw would take at the most."""
        self.missing()
        return sum(len(race.alive) for race in self.races if not race.finished)

    @property
    def finished(self) -> bool:
        """Whether every race of the image has ended."""
        return all(race.finished for race in self.races)

    def outcomes(self) -> dict[str, Outcome]:
        """How each race ended, by item."""
        return {item.name: race.outcome() for item, race in zip(self.items, self.races, strict=True)}

    def used(self) -> dict[str, NDArray]:
        """The scores that the races consumed, ordered by draw, then prompt: draw, prompt, t, score, seconds, each [score].

        Scores that the store knew beyond that are left out, so the shard's table does not depend on what was scored before it.
        """
        taken = np.zeros(self.scores.shape, dtype=bool)
        for race, columns in zip(self.races, self.columns, strict=True):
            until = np.where(race.eliminated_at < 0, race.n, race.eliminated_at)
            taken[:, columns] |= np.arange(len(taken))[:, None] < until
        cells = np.flatnonzero(taken)
        draw, column = np.divmod(cells, len(self.prompts))
        return {
            "draw": draw.astype(np.int32),
            "prompt": self.prompts.astype(np.int32)[column],
            "t": self.t.reshape(-1)[cells if self.problem.unshared else draw],
            "score": self.scores.reshape(-1)[cells],
            "seconds": self.seconds.reshape(-1)[cells],
        }

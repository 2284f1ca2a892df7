"""One image's side of the engine: its known scores, the races that run on them, and what they still need."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from diffzero.noise import draw_time
from diffzero.problem import Item, Problem
from diffzero.race import Outcome, Policy, Race

Weight = Callable[[NDArray[np.float64]], NDArray[np.float64]]


class Runner:
    """An image with its races: one for a classification, one per task for attribute binding.

    Races of one image share scores, so a sentence that three tasks ask about is evaluated once.
    """

    def __init__(self, problem: Problem, image: int, items: list[Item], policy: Policy, weight: Weight) -> None:
        self.problem, self.image, self.items = problem, image, items
        self.prompts = np.unique(np.concatenate([item.candidates for item in items]))  # [column]
        self.scores = np.empty((0, len(self.prompts)), dtype=np.float32)  # [draw, column], NaN where not scored
        self.seconds = np.empty_like(self.scores)  # [draw, column] what each score cost
        self.t = np.empty((0, len(self.prompts) if problem.unshared else 1))  # [draw, column or 1]
        self.columns = [np.searchsorted(self.prompts, item.candidates) for item in items]
        self.races = [
            Race(policy, len(columns), lambda first, last, columns=columns: self.weights(weight, first, last, columns))
            for columns in self.columns
        ]
        self.reused = 0

    @classmethod
    def of(cls, problem: Problem, policy: Policy, weight: Weight, known: pd.DataFrame | None) -> list["Runner"]:
        """One runner an image, in the problem's order, holding the `known` scores (columns of store.Store)."""
        by_image: dict[int, list[Item]] = {}
        for item in problem.items:
            by_image.setdefault(item.image, []).append(item)
        runners = [cls(problem, image, by_image[image], policy, weight) for image in sorted(by_image)]
        if known is not None and len(known):
            prompt_of = {key: index for index, key in enumerate(problem.prompt_keys)}
            known = known[known["prompt"].isin(prompt_of)]
            rows_of = known.groupby("image").indices
            for runner in runners:
                rows = known.iloc[rows_of.get(problem.image_keys[runner.image], [])]
                runner.remember(rows.assign(prompt=rows["prompt"].map(prompt_of)))
        return runners

    def remember(self, known: pd.DataFrame) -> None:
        """Take stored scores: columns draw, prompt (a number), score, seconds."""
        mine = known[known["prompt"].isin(self.prompts)]
        if len(mine):
            where = mine["draw"].to_numpy(int), np.searchsorted(self.prompts, mine["prompt"])
            self.reserve(int(where[0].max()) + 1)
            self.enter(*where, mine["score"].to_numpy(), mine["seconds"].to_numpy())
            self.reused = len(mine)

    def enter(self, draws: NDArray, columns: NDArray, scores: NDArray, seconds: NDArray | float) -> None:
        """Take scores, and what each cost."""
        self.scores[draws, columns] = scores
        self.seconds[draws, columns] = seconds

    def reserve(self, draws: int) -> None:
        """Make room for the scores and times of `draws` draws."""
        have, problem = len(self.scores), self.problem
        if draws <= have:
            return
        empty = np.full((max(draws, 2 * have) - have, len(self.prompts)), np.nan, dtype=np.float32)
        self.scores, self.seconds = (np.concatenate([old, empty]) for old in (self.scores, self.seconds))
        address = (problem.seed, problem.dataset, problem.images[self.image])
        texts = [problem.prompts[prompt] for prompt in self.prompts] if problem.unshared else [None]
        times = [[draw_time(*address, draw, text) for text in texts] for draw in range(have, len(self.scores))]
        self.t = np.concatenate([self.t, times])

    def weights(self, weight: Weight, first: int, last: int, columns: NDArray) -> NDArray[np.float64]:
        """w_t of draws first..last-1 for the race on `columns`: [draw, 1], or [draw, class] for unshared noise."""
        t = self.t[first:last]
        return weight(t if t.shape[1] == 1 else t[:, columns])

    def missing(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draws and columns of the scores that the races need next, ordered by draw, then column.

        First advances every race as far as the known scores carry it; nothing is missing when all are finished.
        """
        parts = [np.empty((0, 2), dtype=np.int64)]
        for race, columns in zip(self.races, self.columns, strict=True):
            while not race.finished:
                first, last = race.due
                self.reserve(last)
                alive = columns[race.alive]
                block = self.scores[first:last, alive]
                unknown = np.isnan(block)
                if unknown.any():
                    draw, column = np.nonzero(unknown)
                    parts.append(np.column_stack([draw + first, alive[column]]))
                    break
                race.advance(block)
        needed = parts[1] if len(parts) == 2 else np.unique(np.concatenate(parts), axis=0)
        return needed[:, 0], needed[:, 1]

    @property
    def finished(self) -> bool:
        """Whether every race of the image has ended."""
        return all(race.finished for race in self.races)

    def outcomes(self) -> dict[str, Outcome]:
        """How each race ended, by item."""
        return {item.name: race.outcome() for item, race in zip(self.items, self.races, strict=True)}

    def used(self, image: str) -> pd.DataFrame:
        """The scores that the races consumed: columns image, draw, prompt, t, score, seconds.

        Scores that the store knew beyond that are left out, so the shard's table does not depend on what was scored before it.
        """
        taken = np.zeros(self.scores.shape, dtype=bool)
        for race, columns in zip(self.races, self.columns, strict=True):
            until = np.where(race.pruned_at < 0, race.n, race.pruned_at)
            taken[:, columns] |= np.arange(len(taken))[:, None] < until
        draw, column = np.nonzero(taken)
        return pd.DataFrame(
            {
                "image": image,
                "draw": draw.astype(np.int32),
                "prompt": self.prompts[column].astype(np.int32),
                "t": self.t[draw, column if self.problem.unshared else 0],
                "score": self.scores[draw, column],
                "seconds": self.seconds[draw, column],
            }
        )

"""Algorithm 1's paired t-tests, kept up to date draw by draw."""

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from diffzero.typing import Floats

Read = Callable[[int, int], Floats]
WIDE = 64  # classes from which on sums are faster draw by draw
LARGEST_BLOCK = 1024  # draws looked at together: one after an event, then doubled while nothing happens


class PairedTests:
    """Running sums from which the paired t statistic of every class against the best follows after each draw.

    Going through all draws again at every n would make a race quadratic in its draws. The sums are of differences to the best class
    less their mean when it became the best, so that no digits cancel, and are taken anew when another class becomes the best. They grow
    in the order of the draws whether one draw comes at a time or a thousand do: a replay has the bits of the race it replays.
    """

    def __init__(self, min_scores: int, max_scores: int, cutoff_pval: float) -> None:
        self.first = min(min_scores, max_scores)
        n = np.arange(max_scores + 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            # t^2 = mean^2 n (n - 1) / squares about the mean
            self.bound = critical_t(min_scores, max_scores, cutoff_pval) ** 2 / (n * (n - 1))
        self.block = 1

    def decide(self, read: Read, n: int, until: int) -> tuple[int, NDArray[np.bool_]]:
        """Go on after `n` draws, to the first n at which a class is dropped, or to `until`: that n, and who survives [class].

        `read(first, last)` gives the weighted scores [draw, class] of these draws and the classes still in the race.
        """
        if n == 0:
            n = self.first
            weighted = read(0, n)
            self.scores = weighted.sum(axis=0)
            self._refer(weighted)
            keep = self._keep(n)
        else:
            keep = np.ones(len(self.scores), dtype=bool)
        while keep.all() and n < until:
            rows = read(n, min(n + self.block, until))
            taken, keep = self._extend(rows, n, read)
            self.block = min(2 * self.block, LARGEST_BLOCK) if taken == len(rows) else 1
            n += taken
        if not keep.all():
            self._drop(keep)
        return n, keep

    def statistic(self, n: int) -> Floats:
        """Student's paired t [class] against the best, as scipy.stats.ttest_rel; NaN where all differences are zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._mean(n, self.total) / np.sqrt(_squares_about_mean(n, self.total, self.squares) / (n * (n - 1)))

    def _extend(self, rows: Floats, n: int, read: Read) -> tuple[int, NDArray[np.bool_]]:
        """Add rows until a class falls or another becomes the best: how many were taken, and who survives."""
        difference = rows - rows[:, self.best : self.best + 1] - self.shift  # [draw, class]
        sums = [_running(start, terms) for start, terms in self._terms(rows, difference)]
        scores, total, squares = sums
        counts = np.arange(n + 1, n + len(rows) + 1)[:, None]  # [draw, 1]
        falls = self._falls(counts, total, squares)
        events = np.flatnonzero((scores.argmin(axis=1) != self.best) | falls.any(axis=1))
        last = int(events[0]) if len(events) else len(rows) - 1
        self.scores, self.total, self.squares = (values[last] for values in sums)
        if self.scores.argmin() == self.best:
            return last + 1, ~falls[last]
        self._refer(read(0, n + last + 1))
        return last + 1, self._keep(n + last + 1)

    def _terms(self, rows: Floats, difference: Floats) -> list[tuple[Floats, Floats]]:
        return [(self.scores, rows), (self.total, difference), (self.squares, difference**2)]

    def _refer(self, weighted: Floats) -> None:
        """Take the best class of all draws so far as the one to compare with; a tie goes to the lowest label."""
        self.best = int(self.scores.argmin())
        difference = weighted - weighted[:, self.best : self.best + 1]
        self.shift = difference.mean(axis=0)
        difference -= self.shift
        self.total, self.squares = difference.sum(axis=0), np.einsum("ij,ij->j", difference, difference)

    def _mean(self, n: int | NDArray[np.int64], total: Floats) -> Floats:
        """Mean difference to the best after `n` draws."""
        return self.shift + total / n

    def _falls(self, n: int | NDArray[np.int64], total: Floats, squares: Floats) -> NDArray[np.bool_]:
        """Whether |t| is beyond the critical value, as squares: no root, and no division, so that an exact tie, zero by zero, stays."""
        return self._mean(n, total) ** 2 > self.bound[n] * _squares_about_mean(n, total, squares)

    def _keep(self, n: int) -> NDArray[np.bool_]:
        return ~self._falls(n, self.total, self.squares)

    def _drop(self, keep: NDArray[np.bool_]) -> None:
        self.best = int(keep[: self.best].sum())
        self.scores, self.shift, self.total, self.squares = (
            values[keep] for values in (self.scores, self.shift, self.total, self.squares)
        )


def _squares_about_mean(n: int | NDArray[np.int64], total: Floats, squares: Floats) -> Floats:
    """Sum of squares of `n` differences about their mean; not below zero, where rounding would take it."""
    return np.maximum(squares - total * total / n, 0)


def _running(start: Floats, terms: Floats) -> Floats:
    """Sums [draw, class] of `start` and the terms up to each draw, added one after the other."""
    if len(terms) == 1:  # a live race: no need to copy
        return start + terms
    if terms.shape[1] < WIDE:
        return np.cumsum(np.concatenate([start[None], terms]), axis=0)[1:]
    sums = np.empty_like(terms)
    for n, row in enumerate(terms):  # the same additions in the same order; cumsum takes a column at a time
        start = np.add(start, row, out=sums[n])
    return sums


@functools.cache
def critical_t(min_scores: int, max_scores: int, pval: float) -> Floats:
    """The |t| [n] beyond which a two-sided paired test on n draws has p < pval, for n up to `max_scores`; infinite below `min_scores`.

    Comparing with a number replaces a p-value per class and draw, which would cost more than all other bookkeeping.
    """
    n = np.arange(max_scores + 1)
    return np.where(n < min_scores, np.inf, stats.t.isf(pval / 2, np.maximum(n, 2) - 1))

"""The paired t-tests of Algorithm 1, updated draw by draw."""

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special

from diffzero.typing import Floats

Counts = int | NDArray[np.int64]
# (first, last) -> weighted scores [draw, class] of draws first..last-1 and of the classes still in the race
ReadScores = Callable[[int, int], Floats]

ROWWISE_CLASSES = 64  # with at least so many classes, adding row by row is faster than np.cumsum
# Maximum number of draws tested together. A block has one draw after a class was dropped or another became the best, and doubles otherwise.
MAX_BLOCK = 1024


class PairedTests:
    """Student's paired t-test of every class against the best class, after each draw of one race.

    Parameters
    ----------
    min_scores, max_scores, cutoff_pval
        The parameters of Algorithm 1.

    Notes
    -----
    Testing all draws again at every n would cost time quadratic in the number of draws, so three running sums per class are kept:
    of the scores, of d and of d^2, where d is the difference to the best class minus `shift`, the mean difference when that class
    became the best. Subtracting `shift` avoids cancellation. The sums are recomputed when another class becomes the best.
    They grow in the order of the draws, one at a time or a thousand at once, so a replay equals the live race bit for bit.
    """

    best: int  # column of the class with the lowest mean
    scores: Floats  # sum of scores [class]
    shift: Floats  # [class]
    total: Floats  # sum of d [class]
    squares: Floats  # sum of d^2 [class]

    def __init__(self, min_scores: int, max_scores: int, cutoff_pval: float) -> None:
        self.first = min(min_scores, max_scores)
        n = np.arange(max_scores + 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            # t^2 = mean^2 n (n - 1) / squares about the mean
            self.bound = critical_t(min_scores, max_scores, cutoff_pval) ** 2 / (n * (n - 1))
        self.block = 1

    def decide(self, read: ReadScores, n: int, until: int) -> tuple[int, NDArray[np.bool_]]:
        """Continue after `n` draws until a class is dropped, or to `until` draws.

        Parameters
        ----------
        read
            Returns the weighted scores [draw, class] of a range of draws and of the classes still in the race.
        n
            Draws at the previous decision, 0 at the start of a race.
        until
            Draws whose scores are available.

        Returns
        -------
        int
            Number of draws at this decision.
        NDArray[np.bool_]
            Mask of the surviving classes [class].
        """
        if n == 0:
            n = self.first
            weighted = read(0, n)
            self.scores = weighted.sum(axis=0)
            self._set_reference(weighted)
            keep = self._survivors(n)
        else:
            keep = np.ones(len(self.scores), dtype=np.bool_)
        while keep.all() and n < until:
            rows = read(n, min(n + self.block, until))
            n_used, keep = self._add_rows(rows, n, read)
            self.block = min(2 * self.block, MAX_BLOCK) if n_used == len(rows) else 1
            n += n_used
        if not keep.all():
            self._drop(keep)
        return n, keep

    def _add_rows(self, rows: Floats, n: int, read: ReadScores) -> tuple[int, NDArray[np.bool_]]:
        """Add rows [draw, class] until a class is dropped or another becomes the best.

        Returns the number of rows used and the mask of surviving classes [class].
        """
        difference = rows - rows[:, self.best : self.best + 1] - self.shift  # [draw, class]
        terms = [(self.scores, rows), (self.total, difference), (self.squares, difference**2)]
        sums = [_running_sums(start, values) for start, values in terms]
        scores, total, squares = sums
        counts = np.arange(n + 1, n + len(rows) + 1)[:, None]  # [draw, 1]
        is_dropped = self._is_dropped(counts, total, squares)
        events = np.flatnonzero((scores.argmin(axis=1) != self.best) | is_dropped.any(axis=1))
        last = int(events[0]) if len(events) else len(rows) - 1
        self.scores, self.total, self.squares = (values[last] for values in sums)
        if self.scores.argmin() == self.best:
            return last + 1, ~is_dropped[last]
        self._set_reference(read(0, n + last + 1))
        return last + 1, self._survivors(n + last + 1)

    def _set_reference(self, weighted: Floats) -> None:
        """Make the class with the lowest mean the reference of the tests; a tie goes to the lowest label."""
        self.best = int(self.scores.argmin())
        difference = weighted - weighted[:, self.best : self.best + 1]  # [draw, class]
        self.shift = difference.mean(axis=0)
        difference -= self.shift
        self.total, self.squares = difference.sum(axis=0), np.einsum("ij,ij->j", difference, difference)

    def _is_dropped(self, n: Counts, total: Floats, squares: Floats) -> NDArray[np.bool_]:
        """Return whether |t| exceeds the critical value.

        Compares squares instead of dividing, so that an exact tie, 0/0, keeps the class.
        """
        mean = self.shift + total / n
        return mean**2 > self.bound[n] * _squares_about_mean(n, total, squares)

    def _survivors(self, n: int) -> NDArray[np.bool_]:
        return ~self._is_dropped(n, self.total, self.squares)

    def _drop(self, keep: NDArray[np.bool_]) -> None:
        self.best = int(keep[: self.best].sum())
        self.scores, self.shift, self.total, self.squares = (
            values[keep] for values in (self.scores, self.shift, self.total, self.squares)
        )


def _squares_about_mean(n: Counts, total: Floats, squares: Floats) -> Floats:
    """Return the sum of squares of `n` differences about their mean; rounding must not make it negative."""
    return np.maximum(squares - total * total / n, 0)


def _running_sums(start: Floats, terms: Floats) -> Floats:
    """Return the sums [draw, class] of `start` and the terms up to each draw, added one after the other."""
    if len(terms) == 1:  # a live race: no need to copy
        return start + terms
    if terms.shape[1] < ROWWISE_CLASSES:
        return np.cumsum(np.concatenate([start[None], terms]), axis=0)[1:]
    sums = np.empty_like(terms)
    for n, row in enumerate(terms):  # the same additions in the same order; cumsum goes column by column
        start = np.add(start, row, out=sums[n])
    return sums


@functools.cache
def critical_t(min_scores: int, max_scores: int, pval: float) -> Floats:
    """Return the |t| [n] above which a two-sided paired test on n draws has p < `pval`, for n from 0 to `max_scores`.

    It is infinite below `min_scores`. Comparing with a critical value avoids a p-value per class and draw, which would cost more than
    all other bookkeeping.
    """
    n = np.arange(max_scores + 1)
    # scipy.stats.t.isf gives bitwise equal values but takes a second to import.
    return np.where(n < min_scores, np.inf, -special.stdtrit(np.maximum(n, 2) - 1, pval / 2))

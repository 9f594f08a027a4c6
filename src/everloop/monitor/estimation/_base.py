"""What an estimator promises: what a window's labels may be, before they come.

An estimator looks at a champion's held-out rows (whose labels are known) and at the rows of a
window (whose labels are not), and says what each of the window's labels may be. It never says what
a score is: whatever can be computed from labels is computed from labels drawn by its belief, so
that every metric, of the test stage or of a user, is estimated by the same few lines of
:mod:`everloop.monitor.estimation.estimate`.

Obligations. ``believe`` is called with importance weights or bootstrap counts over the held-out
rows and must use them; it keeps no state, draws no random numbers and may be called from any
thread. It never raises for rows of the schema: where it cannot tell, its ``warnings`` say so, one
sentence each, and such an estimate raises no alert. ``relevance`` is what it would weigh the
held-out rows by. Every estimator is blind to concept shift (the same inputs, answered by other
labels) and says so in ``blind``. To add one, write a class in a file of its own::

    @estimators.register("my_estimator")
    class MyEstimator(Estimator): ...
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from everloop.data.schema import Task
from everloop.monitor.estimation.heldout import Codes, Floats, HeldOut

BLIND = "It assumes that the same inputs still have the same labels: concept shift stays unseen."


class Rows:
    """Rows whose labels are to be guessed.

    ``codes`` n by the features of the held-out rows; ``pred`` n codes or numbers; ``proba`` n by
    k, or None.
    """

    def __init__(self, codes: Codes, pred: NDArray[Any], proba: Floats | None) -> None:
        self.codes, self.pred, self.proba = codes, pred, proba

    def __len__(self) -> int:
        return len(self.pred)

    def on(self, rows: NDArray[np.intp]) -> Rows:
        """Some of them, by their numbers."""
        proba = None if self.proba is None else self.proba[rows]
        return Rows(self.codes[rows], self.pred[rows], proba)


class Belief(Protocol):
    """What the n labels of some rows may be, each independent of the others."""

    def draw(self, rng: np.random.Generator) -> NDArray[Any]:
        """One way in which they may turn out, n codes or numbers."""

    def even(self, offset: float) -> NDArray[Any]:
        """Labels spread so evenly over alike rows that a metric of them is its expected value,
        nearly: the mean over some ``offset`` in [0, 1) is it."""

    def on(self, rows: NDArray[np.intp]) -> Belief:
        """The same about some of the rows, by their numbers in rising order."""


class Estimator:
    """Base class of the ways to guess labels.

    Attributes
    ----------
    tasks : what it can judge.
    refits : how often it is fitted anew to see how sure it is; few where fitting is slow.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset()
    refits: ClassVar[int] = 12
    blind: ClassVar[str] = BLIND

    def relevance(self, held: HeldOut, rows: Rows) -> tuple[Floats, list[str]]:
        """How much each held-out row says about these rows, and what makes that doubtful."""
        return np.ones(len(held)), []

    def believe(self, held: HeldOut, weights: Floats, rows: Rows) -> Belief:
        """What the labels of ``rows`` may be, learned from the weighted held-out rows."""
        raise NotImplementedError


class ClassBelief:
    """Independent labels with the probabilities ``c``, n by k, of rows ordered by ``along``."""

    def __init__(self, c: Floats, along: NDArray[np.intp]) -> None:
        self.c, self.along = c, along
        self._upto = np.cumsum(c, axis=1)[:, :-1]

    def draw(self, rng: np.random.Generator) -> NDArray[np.int64]:
        return self._at(rng.random(len(self.c)))

    def even(self, offset: float) -> NDArray[np.int64]:
        """Each class is dealt out by its running sum along the order (systematic sampling)."""
        if self.c.shape[1] > 2:
            # A low-discrepancy sequence along the order (Weyl, 1916) does it for many classes.
            u = np.empty(len(self.c))
            u[self.along] = (offset + np.arange(len(self.c)) * 0.6180339887498949) % 1.0
            return self._at(u)
        steps = np.floor(np.cumsum(self.c[self.along, 1]) + offset)
        out = np.empty(len(self.c), dtype=np.int64)
        out[self.along] = np.diff(steps, prepend=np.floor(offset)).astype(np.int64)
        return np.clip(out, 0, 1)

    def on(self, rows: NDArray[np.intp]) -> ClassBelief:
        return ClassBelief(self.c[rows], order_on(self.along, rows))

    def _at(self, u: Floats) -> NDArray[np.int64]:
        found: NDArray[np.int64] = (u[:, None] >= self._upto).sum(axis=1)
        return found


def order_on(along: NDArray[np.intp], rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """An order of all rows as one of some of them."""
    place = np.full(len(along), -1)
    place[rows] = np.arange(len(rows))
    kept = place[along]
    return kept[kept >= 0]


def effective_rows(weights: Floats) -> float:
    """``(Σw)² / Σw²`` (Kish, 1965)."""
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0

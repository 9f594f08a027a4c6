"""A linear model that learns on, in copies that forget at different speeds.

Where the concept is linear, trees are slow to follow it and a line is not. Each copy is the optimum
of the loss, in which all rows so far count by a quadratic that forgets (the same Laplace
approximation as in the mixture: no rate of learning is chosen):

    P ← f P,    w ← argmin  ½ (w - w')ᵀ P (w - w') + ½ λ |w|² + Σ loss,    P ← P + Xᵀ W X

For several outputs the second derivatives of one are taken apart from those of another.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from everloop.train.pool.links import Link
from everloop.train.pool.newton import descend

MEMORIES = (0.7, 0.9, 0.98, 0.995)  # f of each copy
PRIOR = 1.0  # λ, in rows
FREE = 1e-3  # share of it that holds the column of ones
WIDEST = 256  # columns; the price of a step grows with their square
FURTHEST = 8.0  # in units of a scaled column; what is further counts as that far
STEPS = 4  # of Newton's for a window
FIRST_STEPS = 12  # for the rows it begins with


class Line:
    """Weights of some of the prepared columns, and one for all rows.

    Attributes
    ----------
    used : which columns: those that differ among the rows that it began with, since a level that
        is none of theirs would only widen it. width : of all.
    weights : copies by used + 1 by outputs. bends : copies by outputs by used + 1 squared.
    rows : that it began with. fresh : whether no window has come since.
    """

    def __init__(self, used: np.ndarray, width: int, outputs: int) -> None:
        self.used, self.width = used, width
        copies, size = len(MEMORIES), len(used) + 1
        self.weights = np.zeros((copies, size, outputs))
        self.bends = np.zeros((copies, outputs, size, size))
        self.rows, self.fresh = 0, True

    @property
    def members(self) -> int:
        return len(self.weights)

    @classmethod
    def begun(cls, front: Any, X: np.ndarray, y: np.ndarray, link: Link) -> Line | None:
        """From the first rows, with every copy the same; None where it would be too wide."""
        rows = _prepared(front, X)
        used = np.flatnonzero(np.ptp(rows, axis=0) > 0)
        if not 0 < len(used) * link.outputs <= WIDEST:
            return None
        made = cls(used, rows.shape[1], link.outputs)
        return made._begin(made.columns(rows), y, link)

    def _begin(self, columns: np.ndarray, y: np.ndarray, link: Link) -> Line:
        self._step(0, columns, y, link, FIRST_STEPS)
        self.weights[1:], self.bends[1:] = self.weights[0], self.bends[0]
        self.rows = len(y)
        return self

    def reads(self, front: Any, X: np.ndarray) -> np.ndarray:
        """What it takes of n rows, n by used + 1."""
        return self.columns(_prepared(front, X))

    def columns(self, prepared: np.ndarray) -> np.ndarray:
        """Those that it uses, no further than it looks, and a column of ones."""
        near = np.clip(prepared[:, self.used], -FURTHEST, FURTHEST)
        return np.column_stack([near, np.ones(len(near))])

    def kept(self) -> Line:
        """The same, which learns nothing any more when this one does."""
        same = copy.copy(self)
        same.weights = self.weights.copy()
        return same

    def scores(self, columns: np.ndarray) -> np.ndarray:
        """Of every copy: copies by n by outputs."""
        return np.asarray(columns @ self.weights)

    def learn(self, columns: np.ndarray, y: np.ndarray, link: Link) -> None:
        """Learn one window's rows, n by used + 1."""
        if self.fresh:  # as of a forest: no more than a copy can remember
            for place, memory in enumerate(MEMORIES):
                self.bends[place] *= min(1.0, len(y) / (1.0 - memory) / max(self.rows, 1))
            self.fresh = False
        for place, memory in enumerate(MEMORIES):
            self.bends[place] *= memory
            self._step(place, columns, y, link, STEPS)

    def _step(self, place: int, columns: np.ndarray, y: np.ndarray, link: Link, steps: int) -> None:
        start, bends = self.weights[place].copy(), self.bends[place]
        prior = PRIOR * link.unit * np.ones(len(start))
        prior[-1] *= FREE

        def loss(at: np.ndarray) -> float:
            away = at - start
            told = float(link.losses(columns @ at, y).sum())
            held = sum(float(a @ b @ a) for a, b in zip(away.T, bends, strict=True))
            return told + 0.5 * (held + float((prior @ np.square(at)).sum()))

        added = np.zeros_like(bends)  # as of the last step

        def step(at: np.ndarray) -> np.ndarray:
            first, second = (link.unit * one for one in link.slopes(columns @ at, y))
            found = np.empty_like(at)
            for output, bend in enumerate(bends):
                added[output] = (columns * second[:, output, None]).T @ columns
                slope = columns.T @ first[:, output] + bend @ (at - start)[:, output]
                slope += prior * at[:, output]
                inner = bend + added[output] + np.diag(prior)
                found[:, output] = np.linalg.solve(inner, slope)
            return found

        self.weights[place] = descend(start, loss, step, steps, smallest=1e-3, enough=1e-5)
        bends += added


def _prepared(front: Any, X: np.ndarray) -> np.ndarray:
    rows = front.transform(X)
    return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows, dtype=np.float64)

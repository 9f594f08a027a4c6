"""The trees of one full fit, whose splits stay, and copies of their leaves, which go on learning.

A leaf of a copy is a mean that forgets: with ``G`` and ``H`` the sums of the loss's first and
second derivatives over a window's rows in the leaf, and ``M`` the mass (sum of ``H``) that it
remembers,

    M ← f M + H,        v ← v + H / (M + λ) · (-η G / (H + ε) - v),

tree after tree, each on the scores of those before it. A leaf that no row reaches stays as it is,
and few rows move it little; LightGBM's own ``refit`` moves every leaf by the same share, towards 0
where no row came, and counts the mean of the target, which is in the first tree, among its leaves.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np

from everloop.train.pool.links import Link

MEMORIES = (0.7, 0.9, 0.98, 0.995)  # f of each copy: the share that it remembers after a window
PRIOR = 1.0  # λ, in units of mass
SMALLEST = 0.1  # ε


class Forest:
    """A fitted LightGBM model as arrays: leaves of all trees in a row, tree after tree.

    Attributes
    ----------
    text : the model as LightGBM writes it. booster : the same, loaded.
    starts : place of each tree's first leaf, and their number at the end; trees + 1.
    values : scores of the leaves, ``1 + len(MEMORIES)`` copies by leaves; the first copy stays as
        it was fitted.
    mass : what each copy's leaf remembers, the first copy's being those of the fit.
    bias : mean score of each output, which LightGBM adds to its first trees.
    rows : that it was fitted on. fresh : whether no window has come since.
    """

    def __init__(self, text: str, outputs: int, rows: int) -> None:
        self.text, self.outputs, self.rows, self.fresh = text, outputs, rows, True
        self.booster = lightgbm.Booster(model_str=text)
        values, mass = _leaves(text)
        self.rate = _shrinkage(text)
        self.starts = np.concatenate([[0], np.cumsum([len(v) for v in values])])
        self.bias = np.array(
            [np.average(values[k], weights=mass[k]) for k in range(outputs)], dtype=np.float64
        )
        for k in range(outputs):
            values[k] = values[k] - self.bias[k]
        copies = 1 + len(MEMORIES)
        self.values = np.tile(np.concatenate(values), (copies, 1))
        self.mass = np.tile(np.concatenate(mass), (copies, 1))

    @classmethod
    def of(cls, model: Any, outputs: int, rows: int) -> Forest:
        """Of a fitted estimator of LightGBM."""
        best = model.best_iteration_ or -1
        return cls(model.booster_.model_to_string(num_iteration=best), outputs, rows)

    @property
    def members(self) -> int:
        return len(self.values)

    def kept(self) -> Forest:
        """The same, which learns nothing any more when this one does."""
        same = copy.copy(self)
        same.values = self.values.copy()
        return same

    def leaves(self, X: Any) -> np.ndarray:
        """Which leaf of each tree a row reaches, n by trees, as places in ``values``."""
        found = np.asarray(self.booster.predict(X, pred_leaf=True, num_threads=1), dtype=np.int64)
        places: np.ndarray = found.reshape(len(found), -1) + self.starts[:-1]
        return places

    def scores(self, leaves: np.ndarray) -> np.ndarray:
        """Of every copy: copies by n by outputs."""
        rows, trees = leaves.shape
        found = np.empty((len(self.values), rows, self.outputs))
        for member, values in enumerate(self.values):
            by_tree = values[leaves].reshape(rows, trees // self.outputs, self.outputs)
            found[member] = by_tree.sum(axis=1) + self.bias
        return found

    def learn(self, leaves: np.ndarray, y: np.ndarray, link: Link) -> None:
        """Refit the leaves of every copy but the first to n rows of one window."""
        if self.fresh:
            self._forget_size(len(y))
        copies, rows = len(MEMORIES), len(y)
        self.mass[1:] *= np.array(MEMORIES)[:, None]
        targets = np.tile(y, copies)
        scores = np.tile(self.bias, (copies * rows, 1))  # rows of one copy after those of another
        for tree in range(leaves.shape[1]):
            output = tree % self.outputs
            if output == 0:
                first, second = link.slopes(scores, targets)
            start, end = self.starts[tree], self.starts[tree + 1]
            width = end - start
            own = (np.arange(copies)[:, None] * width + (leaves[:, tree] - start)).ravel()
            G = np.bincount(own, first[:, output], copies * width)
            H = np.bincount(own, second[:, output], copies * width)
            step = np.clip(-G / (H + SMALLEST), -link.longest_step, link.longest_step)
            values, mass = self.values[1:, start:end], self.mass[1:, start:end]
            mass += H.reshape(mass.shape)
            share = H.reshape(mass.shape) / (mass + PRIOR)
            values += share * (self.rate * step.reshape(mass.shape) - values)
            scores[:, output] += values.ravel()[own]

    def _forget_size(self, rows: int) -> None:
        """Let a copy take its fit for no more windows like the first than it can remember."""
        for member, memory in enumerate(MEMORIES, start=1):
            self.mass[member] *= min(1.0, rows / (1.0 - memory) / max(self.rows, 1))
        self.fresh = False


def _fields(text: str, name: str) -> list[str]:
    """What the text of a model says of ``name``, for each tree."""
    trees = text.partition("end of trees")[0].split("\nTree=")[1:]
    found = []
    for tree in trees:
        lines = [line for line in tree.splitlines() if line.startswith(f"{name}=")]
        found.append(lines[0].partition("=")[2] if lines else "")
    return found


def _leaves(text: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Scores and masses of the leaves of each tree; a tree that is one leaf has the mass 1."""
    values = [_numbers(field) for field in _fields(text, "leaf_value")]
    said = [_numbers(field) for field in _fields(text, "leaf_weight")]
    mass = [m if len(m) == len(v) and m.sum() > 0 else np.ones(len(v))
            for v, m in zip(values, said, strict=True)]  # fmt: skip
    return values, mass


def _numbers(field: str) -> np.ndarray:
    return np.array(field.split(), dtype=np.float64)


def _shrinkage(text: str) -> float:
    """The learning rate; the first trees hold the mean as well and say 1."""
    said: Sequence[str] = _fields(text, "shrinkage")
    return float(said[-1]) if said and said[-1] else 0.1

"""Candidates for a fairer model, each with the accuracy it costs.

None is applied by itself: whether an equal rate is worth its cost is for a person to say.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from everloop.evaluate.fairness.groups import FOUR_FIFTHS, MIN_ROWS, Fairness, Z, rates_ratio

RATES = 99  # common selection rates that are tried


class Mitigation(msgspec.Struct, frozen=True):
    """What a candidate would do, on rows that it was not made with.

    ``cost`` is the accuracy lost against the model as it is, on the same rows; ``ratio`` and
    ``difference`` are of selection rates over groups of 30 rows. Both have their 95 % interval.
    """

    name: str
    accuracy: float
    cost: float
    cost_low: float
    cost_high: float
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    difference: float | None
    four_fifths: bool | None
    thresholds: dict[str, float] = {}


class Mitigated(msgspec.Struct, frozen=True):
    """Groups as they are treated now, and what each candidate would change."""

    fairness: Fairness
    candidates: list[Mitigation]
    left_out: list[str] = []


def as_it_is(names: np.ndarray, pred: np.ndarray, y: np.ndarray) -> Mitigation:
    """The model without any change."""
    return measured("as it is", names, pred, y, pred)


def group_thresholds(
    names: np.ndarray, score: NDArray[np.float64], y: np.ndarray
) -> dict[str, float]:
    """A threshold for each group, so that all groups are selected equally often.

    Of all common rates the one with the most right answers is taken. This is demographic parity as
    Fairlearn's ``ThresholdOptimizer`` means it, without its randomised answers; the definition is
    that of M. Hardt, E. Price, N. Srebro (NeurIPS, 2016).
    """
    groups = {str(name): names == name for name in np.unique(names)}
    best: tuple[float, dict[str, float]] = (-1.0, {})
    for rate in np.linspace(0.01, 0.99, RATES):
        cuts = {name: float(np.quantile(score[mask], 1 - rate)) for name, mask in groups.items()}
        pred = with_thresholds(names, score, cuts)
        right = float((pred == y).mean())
        if right > best[0]:
            best = (right, cuts)
    return best[1]


def with_thresholds(
    names: np.ndarray,
    score: NDArray[np.float64],
    cuts: dict[str, float],
    before: np.ndarray | None = None,
) -> np.ndarray:
    """Answers by each group's own threshold; a group without one keeps its answers ``before``."""
    bound = np.array([cuts.get(str(name), np.nan) for name in names])
    chosen = (score > bound).astype(np.int64)
    return chosen if before is None else np.where(np.isnan(bound), before, chosen)


def reweighing(names: np.ndarray, y: np.ndarray) -> NDArray[np.float64]:
    """Weights of training rows under which group and label are independent.

    Each row weighs P(group) P(label) / P(group, label). Source: F. Kamiran, T. Calders, KAIS 33
    (2012).
    """
    _, group = np.unique(names, return_inverse=True)
    _, label = np.unique(y, return_inverse=True)
    both = np.zeros((group.max() + 1, label.max() + 1))
    np.add.at(both, (group, label), 1.0)
    alone = both.sum(axis=1, keepdims=True) * both.sum(axis=0, keepdims=True) / both.sum()
    weights: NDArray[np.float64] = (alone / np.maximum(both, 1.0))[group, label]
    return weights


def measured(
    name: str,
    names: np.ndarray,
    pred: np.ndarray,
    y: np.ndarray,
    before: np.ndarray,
    thresholds: dict[str, float] | None = None,
) -> Mitigation:
    """A candidate's answers, held against ``before``, those of the model as it is, row by row."""
    lost = (before == y).astype(np.float64) - (pred == y)
    half = Z * float(lost.std()) / np.sqrt(len(y))
    masks = [names == group for group in np.unique(names)]
    counts = [(int((pred[m] == 1).sum()), int(m.sum())) for m in masks if m.sum() >= MIN_ROWS]
    ratio, low, high = rates_ratio(counts)
    rates = [chosen / rows for chosen, rows in counts]
    return Mitigation(
        name=name,
        accuracy=float((pred == y).mean()),
        cost=float(lost.mean()),
        cost_low=float(lost.mean() - half),
        cost_high=float(lost.mean() + half),
        ratio=ratio,
        ratio_low=low,
        ratio_high=high,
        difference=max(rates) - min(rates) if len(rates) > 1 else None,
        four_fifths=None if ratio is None else ratio >= FOUR_FIFTHS,
        thresholds=thresholds or {},
    )

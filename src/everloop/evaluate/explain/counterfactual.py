"""A counterfactual: the smallest change to one row that makes the model answer otherwise."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from everloop.data.schema import Feature, Schema
from everloop.evaluate.explain.dependence import DRAWN, Output, raw_value

STEPS = 24  # values of a number that are tried
BEAM = 6  # partial changes that are carried on
# Of rows of X and of what ``output`` says of them: which are answered as wished.
Reached = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]


class Change(msgspec.Struct, frozen=True):
    """One feature of a counterfactual."""

    feature: str
    before: Any
    after: Any


class Counterfactual(msgspec.Struct, frozen=True):
    """``found`` is False when no change of so few features reaches the wish; then ``changes`` are
    those that come nearest. ``distance`` counts spreads of the features that change. ``before`` and
    ``after`` are numbers, or probabilities of the class ``of``."""

    found: bool
    changes: list[Change]
    before: float
    after: float
    distance: float
    of: Any = None


def counterfactual(
    output: Output,
    reached: Reached,
    row: NDArray[np.float64],
    X: NDArray[np.float64],
    schema: Schema,
    *,
    upwards: bool,
    most: int = 3,
    fixed: Collection[str] = (),
) -> Counterfactual:
    """Change at most ``most`` features of ``row`` until ``reached`` holds.

    Parameters
    ----------
    output : the number that is to move; ``upwards`` says which way.
    X : rows whose values are tried, so that what comes out is a value that occurs.
    fixed : features that must stay, such as an age.

    Fewest features first, then the least distance (S. Wachter, B. Mittelstadt, C. Russell, 2017:
    the L1 distance in spreads of each feature); found by a beam search over one feature at a
    time, so it is small but not proven to be the smallest.
    """
    tried = {
        f.name: _values(X[:, schema.spans[f.name].start], f)
        for f in schema.features
        if f.kind in DRAWN and f.name not in fixed
    }
    scale = {name: _spread(X[:, schema.spans[name].start]) for name in tried}
    kinds = {f.name: f for f in schema.features}
    before = float(output(row[None, :])[0])
    beam, best = [row], row
    if reached(row[None, :], np.array([before]))[0]:  # there is nothing to change
        return _said(output, row, row, before, scale, schema, kinds, found=True)
    for _ in range(most):
        rows = np.array([r for one in beam for r in _neighbours(one, row, tried, schema)])
        if not len(rows):
            break
        rows = np.unique(rows, axis=0)
        answers = output(rows)
        far = np.array([_distance(r, row, scale, schema, kinds) for r in rows])
        good = np.flatnonzero(reached(rows, answers))
        if len(good):
            best = rows[good[np.argmin(far[good])]]
            return _said(output, best, row, before, scale, schema, kinds, found=True)
        order = np.argsort(-answers if upwards else answers, kind="stable")[:BEAM]
        beam, best = [rows[i] for i in order], rows[order[0]]
    return _said(output, best, row, before, scale, schema, kinds, found=False)


def _values(column: NDArray[np.float64], feature: Feature) -> list[float]:
    if feature.kind == "boolean":
        return [0.0, 1.0]
    if feature.kind == "category":
        return [float(code) for code in range(min(len(feature.levels), 3 * STEPS))]
    known = column[np.isfinite(column)]
    if not len(known):
        return []
    return [float(v) for v in np.unique(np.quantile(known, np.linspace(0, 1, STEPS)))]


def _spread(column: NDArray[np.float64]) -> float:
    known = column[np.isfinite(column)]
    low, high = np.quantile(known, [0.25, 0.75]) if len(known) else (0.0, 0.0)
    return float(high - low) or (float(known.std()) if len(known) else 0.0) or 1.0


def _neighbours(
    one: NDArray[np.float64],
    row: NDArray[np.float64],
    tried: dict[str, list[float]],
    schema: Schema,
) -> list[NDArray[np.float64]]:
    out = []
    for name, values in tried.items():
        place = schema.spans[name].start
        if not _same(one[place], row[place]):
            continue
        for value in values:
            if not _same(value, row[place]):
                changed = one.copy()
                changed[place] = value
                out.append(changed)
    return out


def _same(a: float, b: float) -> bool:
    return bool(a == b or (np.isnan(a) and np.isnan(b)))


def _distance(
    changed: NDArray[np.float64],
    row: NDArray[np.float64],
    scale: dict[str, float],
    schema: Schema,
    kinds: dict[str, Feature],
) -> float:
    far = 0.0
    for name, spread in scale.items():
        place = schema.spans[name].start
        if _same(changed[place], row[place]):
            continue
        number = kinds[name].kind == "number" and np.isfinite(row[place])
        far += abs(changed[place] - row[place]) / spread if number else 1.0
    return float(far)


def _said(
    output: Output,
    changed: NDArray[np.float64],
    row: NDArray[np.float64],
    before: float,
    scale: dict[str, float],
    schema: Schema,
    kinds: dict[str, Feature],
    *,
    found: bool,
) -> Counterfactual:
    changes = []
    for name in scale:
        place = schema.spans[name].start
        if not _same(changed[place], row[place]):
            old, new = (raw_value(v, kinds[name]) for v in (row[place], changed[place]))
            missing = isinstance(old, float) and np.isnan(old)
            changes.append(Change(name, None if missing else old, new))
    after = float(output(changed[None, :])[0])
    far = _distance(changed, row, scale, schema, kinds)
    return Counterfactual(found, changes, before, after, far)

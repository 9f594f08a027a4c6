"""A feature that only the outcome can have filled in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from everloop.data.leaks._base import Leak, LeakCheck, Sides
from everloop.data.leaks._strength import area, strength
from everloop.data.schema import Feature
from everloop.extensions import leak_checks

_TOO_GOOD = 0.99  # strength alone: ROC AUC 0.995, or R² 0.99
_FILLED = 0.95  # area under the curve of "has a value"
_LEAST = 30  # test rows
_THIN, _THINNED = 10, 2_000  # each so many-th row, when that many test rows are left
_OF_EACH = 50  # of them in each class
_MAYBE = 0.8  # strength by those, below which all rows would not tell so well either


@leak_checks.register("after_outcome")
class AfterOutcome(LeakCheck):
    """Known only after the outcome: it alone tells the target, or is filled for one class only.

    Both happen in honest data too, when the question is easy; so a person must say. Exact copies
    are the business of ``target_copy``.
    """

    def find(self, sides: Sides) -> Iterator[Leak]:
        if len(sides.test) < _LEAST:
            return
        for feature in sides.features:
            found = _filled(sides, feature) or _too_good(sides, feature)
            if found is not None:
                yield found


def _filled(sides: Sides, feature: Feature) -> Leak | None:
    """Filled for one of two classes."""
    if len(sides.schema.classes) != 2 or not feature.nullable:
        return None
    filled = ~np.isnan(np.concatenate(sides.column(feature)))
    y = np.concatenate(sides.targets) == 1
    told = area(y, filled.astype(np.float64))
    if not max(told, 1 - told) >= _FILLED:
        return None
    label = sides.schema.classes[1 if told > 0.5 else 0]
    share = float(np.mean(filled[y] if told > 0.5 else filled[~y]))
    return Leak(
        "after_outcome",
        "suspect",
        f'Column "{feature.name}" has a value in {share:.0%} of the rows with '
        f'"{sides.schema.target}" {label} and almost none of the others: it may be filled in after '
        "the outcome. Ignore it unless it is known when a prediction is asked for.",
        feature.name,
        round(max(told, 1 - told), 4),
    )


def _too_good(sides: Sides, feature: Feature) -> Leak | None:
    # Few rows leave rare levels unseen, so categories are not judged by them.
    if feature.kind != "category" and _enough(sides) and strength(sides, feature, _THIN) < _MAYBE:
        return None
    told = strength(sides, feature)
    if not told >= _TOO_GOOD:
        return None
    measure = f"ROC AUC {(told + 1) / 2:.4f}" if sides.schema.classes else f"R² {told:.4f}"
    return Leak(
        "after_outcome",
        "suspect",
        f'Column "{feature.name}" alone tells "{sides.schema.target}" almost without error '
        f"({measure} on the test rows): it may be known only after the outcome. Ignore it unless "
        "it is known when a prediction is asked for.",
        feature.name,
        round(told, 4),
    )


def _enough(sides: Sides) -> bool:
    """Whether a tenth of the rows can say that a feature is far from telling all."""
    if len(sides.held) < _THIN * _THINNED:
        return False
    rarest = (np.unique(codes[::_THIN], return_counts=True)[1].min() for codes in sides.targets)
    return not sides.schema.classes or min(rarest) >= _OF_EACH

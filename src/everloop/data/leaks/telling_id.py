"""A feature that numbers rows or things, and tells the target although it means nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np
import polars as pl

from everloop.data.leaks._base import Leak, LeakCheck, Sides
from everloop.data.leaks._strength import strength
from everloop.extensions import leak_checks

_NAME = re.compile(r"(^|[_\W])(id|ids|key|uuid|guid|nr|number|index)$|[a-z]I[dD]$", re.IGNORECASE)
_UNIQUE = 0.9  # of the rows have a value of their own: the column numbers rows
_MANY = 0.02  # different values a row: the column numbers things, by its name
_GLANCE = 1_000  # values that most columns of fractions show themselves by
_TELLS = 0.1  # strength from which it is said
_DEVIATIONS = 4.0  # from chance, on the test rows


@leak_checks.register("telling_id")
class TellingId(LeakCheck):
    """An id among the features that predicts: rows to come have ids that were never seen."""

    def find(self, sides: Sides) -> Iterator[Leak]:
        for feature in sides.features:
            if feature.kind not in ("number", "category"):
                continue
            what = _numbers(sides.frame[feature.name])
            if what is None:
                continue
            told = strength(sides, feature)
            if told >= max(_TELLS, _DEVIATIONS * _chance(sides)):
                yield Leak(
                    "telling_id",
                    "leak",
                    f'Column "{feature.name}" {what} and yet tells the target '
                    f'"{sides.schema.target}" ({_measure(sides, told)} alone, on the test rows): '
                    "the order of the rows or their grouping leaks. Name it in data.id or "
                    "data.ignore, or divide by it with evaluate.group_by.",
                    feature.name,
                    round(told, 4),
                )


def _numbers(series: pl.Series) -> str | None:
    """What the column counts; None when it is no id."""
    series = series.drop_nulls()
    if series.dtype.is_float() and not (_whole(series.head(_GLANCE)) and _whole(series)):
        return None
    if series.is_empty() or series.dtype.is_nested():
        return None
    distinct = series.n_unique()
    if series.dtype.is_numeric() and distinct > _UNIQUE * len(series):
        low, high = float(series.min()), float(series.max())  # type: ignore[arg-type]
        dense = high - low + 1 <= 2 * len(series)
        if dense or _NAME.search(series.name):
            return "numbers the rows"
    if _NAME.search(series.name) and distinct > max(20, _MANY * len(series)):
        return f"is an id by its name ({distinct:,} values)"
    return None


def _whole(series: pl.Series) -> bool:
    return bool((series == series.round(0)).all())


def _chance(sides: Sides) -> float:
    """The deviation of the strength of a feature that tells nothing."""
    truth = sides.targets[1]
    if not sides.schema.classes:
        return 1 / math.sqrt(max(len(truth), 1))
    least = int(np.unique(truth, return_counts=True)[1].min()) if len(truth) else 1
    return 2 / math.sqrt(12 * max(least, 1)) * math.sqrt(1 + least / max(len(truth), 1))


def _measure(sides: Sides, told: float) -> str:
    if sides.schema.classes:
        return f"ROC AUC {(told + 1) / 2:.3f}"
    return f"R² {told:.3f}"

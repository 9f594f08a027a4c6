"""What a model does to each group of people, and to each intersection of groups.

Here: the rates of a binary target, where being chosen is what people want or fear. Other targets
are measured in :mod:`everloop.evaluate.fairness.by_metric`. The definitions are Fairlearn's
(``MetricFrame`` and its differences and ratios); the tests compare every number with it. They are
written out here so that a report needs no extra package.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
import polars as pl

from everloop.errors import invalid, no_column

MIN_ROWS = 30  # of a group, below which its numbers are shown and not judged
MOST_GROUPS = 50
MOST_VALUES = 12  # of a number, beyond which it is cut
BINS = 4  # of a number with many values, such as an age
FOUR_FIFTHS = 0.8
Z = 1.959964


class Measure(msgspec.Struct, frozen=True):
    """A number of ``n`` rows with its 95 % interval, of a share Wilson's (1927); ``value`` is None
    where there is none."""

    value: float | None
    low: float | None
    high: float | None
    n: int


class Group(msgspec.Struct, frozen=True):
    """One group. ``judged`` is False for fewer than 30 rows (lists, of a ranking).

    The four rates are those of a binary target; ``metrics`` by name those of any other.
    """

    name: str
    rows: int
    judged: bool
    selection_rate: Measure | None = None
    accuracy: Measure | None = None
    true_positive_rate: Measure | None = None
    false_positive_rate: Measure | None = None
    metrics: dict[str, Measure] = {}


class GroupGap(msgspec.Struct, frozen=True):
    """How far apart two groups are in ``metric``: the ``highest`` value less the ``lowest``.

    The interval is wide enough for two groups that were picked among all that are judged.
    """

    metric: str
    value: float
    low: float
    high: float
    highest: str
    lowest: str


class Fairness(msgspec.Struct, frozen=True):
    """One sensitive column, or an intersection of several.

    ``four_fifths`` says whether the least selected group is selected at least 0.8 times as often
    as the most (US EEOC, 1978), which is the demographic parity ratio; ``ratio_low`` and
    ``ratio_high`` are its 95 % interval. Differences and ratios are over judged groups; None
    below two. Of a target that is not binary they are all None: ``overall`` and the groups have
    ``metrics``, and ``gaps`` are between judged groups.
    """

    columns: list[str]
    groups: list[Group]
    demographic_parity_difference: float | None = None
    demographic_parity_ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    equalized_odds_difference: float | None = None
    equalized_odds_ratio: float | None = None
    equal_opportunity_difference: float | None = None
    accuracy_difference: float | None = None
    four_fifths: bool | None = None
    overall: Group | None = None
    gaps: list[GroupGap] = []


def by_group(
    frame: pl.DataFrame, columns: Sequence[str], y: np.ndarray, pred: np.ndarray
) -> Fairness:
    """Shares and their differences by the values of ``columns`` together.

    ``y`` and ``pred`` are codes, 1 the positive class. A number of more than 12 values is cut at
    its quartiles. Raises :class:`~everloop.errors.InvalidInput` for a column that is not there
    and for more than 50 groups.
    """
    names = group_names(frame, columns)
    groups = [_group(name, y[names == name], pred[names == name]) for name in np.unique(names)]
    groups.sort(key=lambda g: (-g.rows, g.name))
    judged = [g for g in groups if g.judged]
    selected = _values(judged, "selection_rate")
    tpr, fpr = _values(judged, "true_positive_rate"), _values(judged, "false_positive_rate")
    chosen = [(round(rate * g.rows), g.rows) for rate, g in zip(selected, judged, strict=True)]
    ratio, low, high = rates_ratio(chosen)
    odds = [d for d in (_difference(tpr), _difference(fpr)) if d is not None]
    ratios = [r for r in (_ratio(tpr), _ratio(fpr)) if r is not None]
    return Fairness(
        columns=list(columns),
        groups=groups,
        demographic_parity_difference=_difference(selected),
        demographic_parity_ratio=ratio,
        ratio_low=low,
        ratio_high=high,
        equalized_odds_difference=max(odds, default=None),
        equalized_odds_ratio=min(ratios, default=None),
        equal_opportunity_difference=_difference(tpr),
        accuracy_difference=_difference(_values(judged, "accuracy")),
        four_fifths=None if ratio is None else ratio >= FOUR_FIFTHS,
    )


def group_names(frame: pl.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """The group of each row, as text; values of several columns are joined."""
    parts = []
    for column in columns:
        if column not in frame.columns:
            raise no_column("group", column, frame.columns)
        parts.append(levels(frame[column]))
    names = np.array([" × ".join(values) for values in zip(*parts, strict=True)])
    if len(np.unique(names)) > MOST_GROUPS:
        what = f"columns of at most {MOST_GROUPS} groups, not {len(np.unique(names))}"
        raise invalid("group", " × ".join(columns), what)
    return names


def wilson(hits: int, n: int) -> Measure:
    """A share with its 95 % interval, also sound at 0, at 1 and for few rows."""
    if n == 0:
        return Measure(None, None, None, 0)
    p = hits / n
    middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return Measure(p, max(0.0, middle - half), min(1.0, middle + half), n)


def ratio_interval(worst: tuple[int, int], best: tuple[int, int]) -> tuple[float, float]:
    """95 % interval of the ratio of two shares, ``(hits, rows)`` each (Katz et al., 1978)."""
    (a, m), (b, n) = worst, best
    half = 0.5 if min(a, b) == 0 else 0.0  # a group with none selected still has an interval
    p, q = (a + half) / (m + half), (b + half) / (n + half)
    spread = math.sqrt((1 - p) / (p * (m + half)) + (1 - q) / (q * (n + half)))
    centre = math.log(p / q)
    return math.exp(centre - Z * spread), math.exp(centre + Z * spread)


def rates_ratio(
    counts: Sequence[tuple[int, int]],
) -> tuple[float | None, float | None, float | None]:
    """The smallest rate over the largest of ``(selected, rows)`` of groups, with its interval.

    None of fewer than two groups, and where nobody is selected.
    """
    if len(counts) < 2:
        return None, None, None
    worst, best = (f(counts, key=lambda c: c[0] / c[1]) for f in (min, max))
    if best[0] == 0:
        return None, None, None
    low, high = ratio_interval(worst, best)
    return (worst[0] / worst[1]) / (best[0] / best[1]), low, high


def plain(value: float, digits: int = 4) -> str:
    """A number of the data as people write it: few digits, and no exponent where none helps."""
    if 1e4 <= abs(value) < 1e9:
        rounded = float(f"{value:.{digits}g}")
        return f"{rounded:,.0f}" if rounded.is_integer() else f"{rounded:,}"
    return f"{value:.{digits}g}"


def plain_edges(edges: np.ndarray) -> list[str]:
    """Different numbers as people write them, with so many digits that they differ then too."""
    for digits in (4, 6, 9, 12):
        shown = [plain(edge, digits) for edge in edges.tolist()]
        if len(set(shown)) == len(edges):
            return shown
    return [repr(edge) for edge in edges.tolist()]


def is_cut(series: pl.Series) -> bool:
    """Whether it is a number of so many values that its groups are ranges of it."""
    return series.dtype.is_numeric() and series.n_unique() > MOST_VALUES


def levels(series: pl.Series) -> list[str]:
    """The group of each row by one column: its value, or the quarter of the rows it lies in."""
    if series.dtype.is_float():
        series = series.fill_nan(None)
    if is_cut(series):
        known = series.drop_nulls().cast(pl.Float64).to_numpy()
        cuts = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
        edges = plain_edges(cuts)
        labels = [f"{series.name} < {edges[0]}"]
        labels += [f"{a} ≤ {series.name} < {b}" for a, b in pairwise(edges)]
        labels.append(f"{series.name} ≥ {edges[-1]}")
        return [
            "(missing)" if v is None else labels[int(np.searchsorted(cuts, float(v), "right"))]
            for v in series.to_list()
        ]
    return ["(missing)" if v is None else str(v) for v in series.to_list()]


def _group(name: str, y: np.ndarray, pred: np.ndarray) -> Group:
    positive, chosen = y == 1, pred == 1
    return Group(
        name=str(name),
        rows=len(y),
        judged=len(y) >= MIN_ROWS,
        selection_rate=wilson(int(chosen.sum()), len(y)),
        accuracy=wilson(int((y == pred).sum()), len(y)),
        true_positive_rate=wilson(int((chosen & positive).sum()), int(positive.sum())),
        false_positive_rate=wilson(int((chosen & ~positive).sum()), int((~positive).sum())),
    )


def _values(groups: list[Group], name: str) -> list[float]:
    shares: list[Measure | None] = [getattr(group, name) for group in groups]
    return [share.value for share in shares if share is not None and share.value is not None]


def _difference(values: list[float]) -> float | None:
    return max(values) - min(values) if len(values) > 1 else None


def _ratio(values: list[float]) -> float | None:
    return min(values) / max(values) if len(values) > 1 and max(values) > 0 else None

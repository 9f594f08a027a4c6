"""Charts of models that answer numbers: residuals, quantiles, ranks, a forecast over time."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.quantiles import values_and_levels
from everloop.evaluate.report._base import Chart, Curve

DOTS = 400
LATEST = 80  # rows of a forecast, or of quantiles, that are drawn
POSITIONS = 10
FEWEST, MOST = 6, 30  # bars of a spread

Floats = NDArray[np.float64]


def residuals(y: Floats, pred: Floats, seed: int) -> list[Chart]:
    """Residuals over the predictions, and how they are spread."""
    chosen = np.arange(len(y))
    if len(y) > DOTS:
        chosen = np.sort(np.random.default_rng(seed).choice(len(y), DOTS, replace=False))
    left = y - pred
    order = chosen[np.argsort(pred[chosen])]
    return [
        Chart("Predicted and actual", "predicted", "actual",
              [Curve("row", _pairs(pred[order], y[order]))], diagonal=True, dots=True,
              note="On the line, a row is predicted exactly."),
        Chart("Residuals", "predicted", "actual − predicted",
              [Curve("row", _pairs(pred[order], left[order]))], dots=True,
              note="A pattern here is something the model has not learned."),
        spread(left, "Spread of the residuals", "actual − predicted", "rows"),
    ]  # fmt: skip


def spread(values: Floats, title: str, x: str, of: str) -> Chart:
    """A histogram, of its middle 99 %, as an outline."""
    low, high = (float(v) for v in np.quantile(values, [0.005, 0.995]))
    count = int(np.clip(np.sqrt(len(values)), FEWEST, MOST))
    if high - low <= 1e-9 * max(1.0, abs(high)):  # all the same: one bar around it
        low, high, count = low - 0.5, high + 0.5, 1
    bars, edges = np.histogram(values, bins=count, range=(low, high))
    outline = [(float(edges[0]), 0.0)]
    for k, bar in enumerate(bars):
        share = float(bar / len(values))
        outline += [(float(edges[k]), share), (float(edges[k + 1]), share)]
    outline.append((float(edges[-1]), 0.0))
    return Chart(title, x, f"share of {of}", [Curve(of, outline)])


def over_time(times: pl.Series, y: Floats, pred: Floats) -> list[Chart]:
    """The newest rows of a forecast beside what came."""
    order = np.argsort(times.to_numpy(), kind="stable")[-LATEST:]
    places = np.arange(len(order), dtype=np.float64)
    said = f"The newest {len(order)} held-out rows, from {times[int(order[0])]!s} on."
    curves = [
        Curve("actual", _pairs(places, y[order])),
        Curve("predicted", _pairs(places, pred[order])),
    ]
    return [Chart("Over time", "held-out row", "value", curves, note=said, plain=True)]  # fmt: skip


def quantile_charts(y: Floats, both: Floats) -> list[Chart]:
    """Whether each quantile has as many rows below it as it says, and how wide they lie."""
    values, levels = values_and_levels(both)
    level = levels[0]
    below = (y[:, None] <= values).mean(axis=0)
    order = np.argsort(values[:, values.shape[1] // 2])
    if len(order) > LATEST:
        order = order[np.linspace(0, len(order) - 1, LATEST).astype(int)]
    places = np.arange(len(order), dtype=np.float64)
    names = [
        f"{share:.0%}" if round(share * 100, 6).is_integer() else f"{share:g}" for share in level
    ]
    lines = [Curve(n, _pairs(places, values[order, k])) for k, n in enumerate(names)][:4]
    return [
        Chart("Quantiles that hold", "share said to be below", "share that was below",
              [Curve("quantile", _pairs(level, below))], diagonal=True,
              note="On the line, a quantile has as many rows below it as it says."),
        Chart("Width", "held-out rows, by the middle quantile", "value", lines, plain=True,
              note="The distance between lines is how sure the model is."),
    ]  # fmt: skip


def ranking_charts(relevance: Floats, groups: NDArray[np.int64], pred: Floats) -> list[Chart]:
    """Mean relevance of what stands first, second, …, beside the best order and none."""
    found = np.full((len(np.unique(groups)), POSITIONS), np.nan)
    best = found.copy()
    for place, group in enumerate(np.unique(groups)):
        rows = np.flatnonzero(groups == group)
        ranked = relevance[rows[np.argsort(-pred[rows], kind="stable")]][:POSITIONS]
        found[place, : len(ranked)] = ranked
        best[place, : len(ranked)] = np.sort(relevance[rows])[::-1][:POSITIONS]
    some = ~np.isnan(found).all(axis=0)
    x = np.arange(1, POSITIONS + 1, dtype=np.float64)[some]
    lines = [
        Curve("as ranked", _pairs(x, np.nanmean(found[:, some], axis=0))),
        Curve("best order", _pairs(x, np.nanmean(best[:, some], axis=0))),
        Curve("any order", _pairs(x, np.full(len(x), relevance.mean()))),
    ]
    said = f"Means over {len(found)} held-out groups."
    return [Chart("Relevance by place", "place in the ranking", "mean relevance", lines, note=said)]


def _pairs(x: NDArray[np.floating], y: NDArray[np.floating]) -> list[tuple[float, float]]:
    return [(float(f"{a:.6g}"), float(f"{b:.6g}")) for a, b in zip(x, y, strict=True)]

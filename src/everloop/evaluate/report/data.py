"""What the model saw: its features in the rows that train and those that test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from everloop.data.frames import counted
from everloop.data.multilabel import matrix
from everloop.data.schema import Feature, Schema
from everloop.evaluate.fairness.groups import plain
from everloop.evaluate.report._base import Column, DataPart

ROWS = 100_000
LEVELS = 3
MOST_CLASSES = 12


def data_part(
    schema: Schema, train: pl.DataFrame | None, test: pl.DataFrame, snapshot: Mapping[str, Any]
) -> DataPart:
    """Each column in a line. Long frames are described by their first rows."""
    test_rows = test.height
    train = test.clear() if train is None else train.head(ROWS)
    test = test.head(ROWS)
    return DataPart(
        dataset=snapshot.get("dataset"),
        train_rows=snapshot.get("train_rows"),
        test_rows=int(snapshot.get("test_rows") or test_rows),
        how=snapshot.get("split"),
        target=_target(schema, train, test),
        columns=[_column(f, train, test) for f in schema.features if f.name in test.columns],
        notes=[str(note) for note in snapshot.get("notes") or []],
        source=_source(snapshot),
    )


def _column(feature: Feature, train: pl.DataFrame, test: pl.DataFrame) -> Column:
    a, b = train[feature.name], test[feature.name]
    return Column(
        name=feature.name,
        kind=feature.kind,
        missing_train=_missing(a),
        missing_test=_missing(b),
        train=_summary(a, feature),
        test=_summary(b, feature),
    )


def _missing(series: pl.Series) -> float:
    gone = series.is_null()
    if series.dtype.is_float():
        gone = gone | series.is_nan().fill_null(False)
    return _mean(gone) if len(series) else 0.0


def _summary(series: pl.Series, feature: Feature) -> str:
    known = series.drop_nulls()
    if not len(known):
        return "–"
    if feature.kind == "number" and known.dtype.is_numeric():
        numbers = known.cast(pl.Float64)
        low, middle, high = (numbers.quantile(q) or 0.0 for q in (0.05, 0.5, 0.95))
        return f"{plain(low)} … {plain(middle)} … {plain(high)}"
    if feature.kind in ("category", "boolean"):
        counts = counted(known.cast(pl.String))
        shown = [f"{name} {n / len(known):.0%}" for name, n in counts.head(LEVELS).iter_rows()]
        rest = counts.height - LEVELS
        return ", ".join(shown) + (f", {rest} more" if rest > 0 else "")
    if feature.kind == "datetime":
        return f"{known.min()!s} … {known.max()!s}"
    return " × ".join(str(n) for n in feature.shape) or feature.kind


def _target(
    schema: Schema, train: pl.DataFrame, test: pl.DataFrame
) -> list[tuple[str, float, float]]:
    if schema.target not in test.columns or not test[schema.target].dtype.is_numeric():
        numbers = False
    else:
        numbers = schema.numeric_labels
    if schema.target not in test.columns or test[schema.target].dtype.is_nested():
        return []
    a, b = train[schema.target].drop_nulls(), test[schema.target].drop_nulls()
    if numbers:
        first, second = a.cast(pl.Float64), b.cast(pl.Float64)
        out = [("mean", _mean(first), _mean(second))]
        for q in (0.05, 0.5, 0.95):
            out.append(
                (f"{q:.0%} quantile", float(first.quantile(q) or 0), float(second.quantile(q) or 0))
            )
        return out
    if schema.task == "multilabel":
        shares = [matrix(s, schema.classes).mean(axis=0) for s in (a, b)]
        return [
            (str(n), float(p), float(q)) for n, p, q in zip(schema.classes, *shares, strict=True)
        ]
    x, y = a.cast(pl.String), b.cast(pl.String)
    named = [str(c).lower() if isinstance(c, bool) else str(c) for c in schema.classes]
    return [(n, _mean(x == n), _mean(y == n)) for n in named[:MOST_CLASSES]]


def _mean(series: pl.Series) -> float:
    mean = series.cast(pl.Float64).mean()
    return float(mean) if isinstance(mean, float) else 0.0


def _source(snapshot: Mapping[str, Any]) -> str | None:
    origin = snapshot.get("origin")
    source = origin.get("source") if isinstance(origin, dict) else None
    return None if source is None else str(source)

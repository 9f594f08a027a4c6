"""From a frame to the numbers a model reads; the table in :mod:`everloop.data.schema` says how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data import images, sequences, texts
from everloop.data.columns import as_kind, as_text, refuse, wrong_value
from everloop.data.multilabel import known_labels, matrix
from everloop.data.rewards import COLUMNS, logged
from everloop.data.schema import Feature, Schema
from everloop.errors import invalid

_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_BLOCK = 1 << 12  # rows turned from columns at a time, which stay in the processor's cache


def encode(
    df: pl.DataFrame, schema: Schema, out: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """The model's input matrix, shape (rows, ``schema.width``), float64, rows contiguous.

    It is written to ``out`` where that is given. Columns are found by name; others are left out.
    Raises :class:`~everloop.errors.InvalidInput` for a missing column or a value of another kind.
    """
    X = np.empty((df.height, schema.width), dtype=np.float64) if out is None else out
    if _all_numbers(df, schema, X):
        return X
    position = 0
    for feature in schema.features:
        if feature.name not in df.columns:
            raise invalid(
                "columns",
                df.columns,
                f'a column "{feature.name}"',
                code="missing_column",
                path=f"$.{feature.name}",
            )
        block = X[:, position : position + feature.width]
        _fill(block, df[feature.name], feature)
        position += feature.width
    return X


def encode_target(df: pl.DataFrame, schema: Schema) -> NDArray[Any]:
    """The labels, shape (rows,): int64 codes into ``schema.classes``, float64 for regression.

    Of several labels a row 0 and 1, shape (rows, k). Of anomalies -1 where the label is not
    known. Of a bandit what :func:`everloop.data.rewards.logged` says. Raises
    :class:`~everloop.errors.InvalidInput` for another missing label and an unknown class.
    """
    if schema.target not in df.columns:
        raise invalid(
            "columns",
            df.columns,
            f'the target "{schema.target}"',
            code="missing_target",
            path=f"$.{schema.target}",
        )
    target = as_target(df[schema.target], schema)
    if schema.task == "anomaly":
        known = dict(zip(schema.classes, range(len(schema.classes)), strict=True))
        found = target.replace_strict(known, default=None, return_dtype=pl.Int64)
        return found.fill_null(-1).to_numpy()
    refuse(target, target.is_null(), "a label", fix="Leave out the rows without one.")
    if schema.task == "bandit":
        return logged(df, target, schema)
    if schema.task == "multilabel":
        return matrix(target, schema.classes)
    if not schema.classes:
        return target.to_numpy()
    codes = dict(zip(schema.classes, range(len(schema.classes)), strict=True))
    return target.replace_strict(codes, return_dtype=pl.Int64).to_numpy()


@dataclass(frozen=True)
class Examples:
    """Labelled rows as a model learns from them: what :func:`encode` and its target make."""

    X: NDArray[np.float64]
    y: NDArray[Any]

    def __len__(self) -> int:
        return len(self.y)


def encode_batches(batches: Iterable[pl.DataFrame], rows: int, schema: Schema) -> Examples:
    """Labelled ``rows`` that come in batches; only one of them is held beside the numbers."""
    X = np.empty((rows, schema.width))
    wide = {"multilabel": (len(schema.classes),), "bandit": (COLUMNS,)}
    shape = (rows, *wide.get(schema.task, ()))
    y = np.empty(shape, dtype=np.float64 if schema.numeric_labels else np.int64)
    first = 0
    for batch in batches:
        span = slice(first, first + batch.height)
        encode(batch, schema, X[span])
        y[span] = encode_target(batch, schema)
        first = span.stop
    return Examples(X, y)


def as_target(series: pl.Series, schema: Schema) -> pl.Series:
    """The target column as the type of its classes (Float64 for regression); null stays null.

    Raises :class:`~everloop.errors.InvalidInput` for a value that is none of the classes.
    """
    if schema.numeric_labels:
        flags = series.dtype == pl.Boolean
        return as_kind(series.cast(pl.Float64) if flags else series, "number")
    if schema.task == "multilabel":
        return known_labels(series, schema.classes)
    first = schema.classes[0]
    if isinstance(first, bool):
        return as_kind(series, "boolean")
    if isinstance(first, str):
        labels = as_text(series)
    else:
        numbers = as_kind(series, "number")
        refuse(series, numbers != numbers.round(0), f"one of the classes {list(schema.classes)}")
        labels = numbers.cast(pl.Int64)
    unknown = labels.is_not_null() & ~labels.is_in(list(schema.classes))
    refuse(series, unknown, f"one of the classes {_some(schema.classes)}")
    return labels


def _all_numbers(df: pl.DataFrame, schema: Schema, X: NDArray[np.float64]) -> bool:
    """Write the matrix of a table of nothing but numbers, all at once; False where that may not be.

    A missing value is NaN; a wrong one is left to the way by columns, which says where it is.
    """
    names = schema.names
    if any(f.kind != "number" or f.name not in df.columns for f in schema.features):
        return False
    some = df.select(names)
    if not all(dtype.is_numeric() for dtype in some.dtypes):
        return False
    columns = [some[name].cast(pl.Float64).to_numpy() for name in names]
    for first in range(0, len(X), _BLOCK):
        span = slice(first, first + _BLOCK)
        for place, column in enumerate(columns):
            X[span, place] = column[span]
    return not any(np.isinf(column).any() for column in columns)


def _fill(block: NDArray[np.float64], series: pl.Series, feature: Feature) -> None:
    """Write one feature's columns of the matrix."""
    if feature.kind == "category":
        block[:, 0] = _levels(series, feature)
        return
    values = as_kind(series, feature.kind)
    if feature.shape:
        _fill_rows(block, values, feature)
    elif feature.kind == "datetime":
        block[:, 0] = values.dt.month().cast(pl.Float64).to_numpy()
        block[:, 1] = (values.dt.weekday() - 1).cast(pl.Float64).to_numpy()
        # NumPy divides; Polars would multiply by the inverse, which rounds otherwise than serving.
        block[:, 2] = (values.cast(pl.Int64) % _DAY_MS).cast(pl.Float64).to_numpy() / _HOUR_MS
    else:
        block[:, 0] = values.cast(pl.Float64).to_numpy()


def _fill_rows(block: NDArray[np.float64], values: pl.Series, feature: Feature) -> None:
    """Write a text, an image or a sequence, one row after the other."""
    if feature.kind == "text":
        read = texts.text_reader(feature)
        for row, text in enumerate(values):
            block[row] = read(text)
        return
    for row, value in enumerate(values.to_list()):
        try:
            if feature.kind == "sequence":
                block[row] = sequences.last_steps(value, feature.shape)
            else:
                block[row] = np.nan if value is None else images.pixels(value, feature.shape)
        except ValueError as error:
            what = images.EXPECTED if feature.kind == "image" else sequences.EXPECTED
            raise wrong_value(values, row, f"{what} ({error})") from None


def _levels(series: pl.Series, feature: Feature) -> NDArray[np.float64]:
    """Positions in ``feature.levels``; -1 for missing and unseen."""
    if not feature.levels:
        return np.full(len(series), -1.0)
    codes = as_text(series).cast(pl.Enum(feature.levels), strict=False).to_physical()
    return codes.cast(pl.Float64).fill_null(-1.0).to_numpy()


def _some(classes: tuple[Any, ...], limit: int = 10) -> str:
    shown = ", ".join(repr(c) for c in classes[:limit])
    return f"({shown}, …)" if len(classes) > limit else f"({shown})"

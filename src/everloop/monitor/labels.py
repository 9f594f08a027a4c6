"""Labels as callers send them, as the classes or numbers that they stand for."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.multilabel import from_json, texts
from everloop.data.schema import Schema


def label_codes(labels: pl.Series, schema: Schema) -> NDArray[np.float64]:
    """JSON texts as class codes or numbers; NaN for none and for what is no label of the task.

    ``1``, ``1.0``, ``"1"`` and, for classes false and true, ``true`` all find their class. Of
    several labels a row they are n by k of 0 and 1, or of NaN; of a bandit they are rewards.
    """
    if schema.task == "multilabel":
        return _several(labels, schema)
    if schema.numeric_labels:
        plain = labels.str.strip_chars('"')
        return _numbers(plain.replace({"true": "1", "false": "0"}) if schema.classes else plain)
    texts = labels.drop_nulls().unique().to_list()
    codes = [_code(msgspec.json.decode(text), schema) for text in texts]
    return (
        labels.replace_strict(texts, codes, default=None, return_dtype=pl.Float64)
        .to_numpy()
        .astype(np.float64)
    )


def meanings(labels: pl.Series, schema: Schema | None) -> pl.Series:
    """JSON texts, those alike that stand for one label of the task, as ``true`` and ``"true"``."""
    if schema is None:
        return labels
    texts = labels.drop_nulls().unique()
    codes = label_codes(texts, schema)
    meant = [
        str(code) if known else text
        for text, code, known in zip(texts.to_list(), codes.tolist(), present(codes), strict=True)
    ]
    return labels.replace_strict(texts, meant, default=None, return_dtype=pl.String)


def target_column(labels: pl.Series, schema: Schema) -> pl.Series:
    """JSON texts as the target column of a training frame; null where it is no label."""
    codes = label_codes(labels, schema)
    if schema.task == "multilabel":
        return pl.Series(labels.name, texts(codes, schema.classes), dtype=pl.String)
    if schema.numeric_labels:
        return pl.Series(codes).fill_nan(None)
    return class_column(codes, schema)


def class_column(codes: NDArray[np.float64], schema: Schema) -> pl.Series:
    """Codes as the classes they stand for, of the classes' type; null for NaN."""
    kind = type(schema.classes[0])
    dtype = {bool: pl.Boolean, int: pl.Int64, float: pl.Float64}.get(kind, pl.String)
    found = pl.Series(codes).fill_nan(None).cast(pl.Int64)
    known = list(range(len(schema.classes)))
    return found.replace_strict(known, list(schema.classes), default=None, return_dtype=dtype)


def answer_codes(answers: pl.Series, schema: Schema) -> NDArray[np.float64]:
    """Logged answers as class codes or numbers; NaN where there is none.

    Of several labels a row n by k, as :func:`label_codes`: the log keeps each row's as JSON.
    """
    if schema.task == "multilabel":
        return _several(answers, schema)
    if schema.numeric:
        return _numbers(answers)
    values = answers.drop_nulls().unique().to_list()
    codes = [_code(value, schema) for value in values]
    return (
        answers.replace_strict(values, codes, default=None, return_dtype=pl.Float64)
        .to_numpy()
        .astype(np.float64)
    )


def present(codes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows have a label at all, n."""
    finite = np.isfinite(codes)
    return finite if finite.ndim == 1 else np.asarray(finite.all(axis=1))


def _several(values: pl.Series, schema: Schema) -> NDArray[np.float64]:
    if values.dtype != pl.String:  # a version of another task answered, or nobody
        return np.full((len(values), len(schema.classes)), np.nan)
    known = {text: from_json(text, schema.classes) for text in values.unique()}
    rows = [known[text] for text in values]
    return np.array(rows).reshape(len(values), len(schema.classes))


def _numbers(values: pl.Series) -> NDArray[np.float64]:
    return values.cast(pl.Float64, strict=False).to_numpy().astype(np.float64)


def _code(value: Any, schema: Schema) -> float:
    for code, label in enumerate(schema.classes):
        if value == label or _plain(value) == _plain(label):
            return float(code)
    return float("nan")


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)

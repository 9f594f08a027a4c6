"""Several labels a row: as columns of 0 and 1, as a list or as text, and as the matrix in between.

Inside, the labels of a row are one text, ``"even;prime"``, in the order of ``schema.classes`` and
empty where there is none: so one column is the target in a frame, in a snapshot and in the log.
Models and metrics see a matrix of 0 and 1, n by k.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.columns import as_text, is_text, refuse, wrong_value
from everloop.data.schema import SEPARATOR
from everloop.errors import invalid, no_column

COMBINED = "labels"  # the target's name where the loop file names columns of 0 and 1
FEW = 10  # rows with the same labels; rarer combinations are one stratum
_EXPECTED = f'a list of labels, or text such as "a{SEPARATOR}b"'

Matrix = NDArray[np.int64]


def holds_lists(series: pl.Series) -> bool:
    """Whether each row is a list of texts, which only labels are."""
    return series.dtype == pl.List(pl.String)


def combine(frame: pl.DataFrame, labels: Sequence[str], target: str) -> pl.DataFrame:
    """``frame`` with the columns ``labels`` as one column of texts called ``target``.

    Raises :class:`~everloop.errors.InvalidInput` for a column that is missing and a value that is
    neither 0 nor 1, nor false nor true.
    """
    for name in labels:
        if name not in frame.columns:
            raise no_column("data.labels", name, frame.columns, code="missing_column")
        if SEPARATOR in name:
            raise invalid("data.labels", name, f'names without "{SEPARATOR}"')
    if target in frame.columns:
        raise invalid(
            "data.target",
            target,
            "a name that is no column of the data, since the labels become one column",
            fix="Write data.labels = [...] and another data.target.",
        )
    matrix = np.column_stack([_zero_or_one(frame[name]) for name in labels])
    column = pl.Series(target, texts(matrix, labels), dtype=pl.String)
    return frame.drop(labels).with_columns(column)


def canonical(series: pl.Series) -> pl.Series:
    """Lists, or texts with ``;`` between labels, as texts: each label once, in order of the name.

    Raises :class:`~everloop.errors.InvalidInput` for anything else.
    """
    if series.dtype == pl.Null:
        return series.cast(pl.String)
    listed = series.dtype == pl.List(pl.String) or series.dtype == pl.List(pl.Null)
    if not (listed or is_text(series)):
        refuse(series, series.is_not_null(), _EXPECTED)
    values = series.to_list() if listed else as_text(series).to_list()
    out: list[str | None] = []
    for row, value in enumerate(values):
        parts = named(value)
        if any(SEPARATOR in part for part in parts or ()):
            raise wrong_value(series, row, f'labels without "{SEPARATOR}"')
        out.append(None if parts is None else SEPARATOR.join(sorted(parts)))
    return pl.Series(series.name, out, dtype=pl.String)


def named(value: Any) -> set[str] | None:
    """The labels that a list or a text names; None where it says nothing."""
    if value is None:
        return None
    parts = value.split(SEPARATOR) if isinstance(value, str) else value
    return {part.strip() for part in parts if part is not None} - {""}


def distinct_labels(series: pl.Series) -> tuple[str, ...]:
    """Every label that occurs in a column of texts, in order of the name."""
    return tuple(sorted(set().union(*(named(v) or set() for v in series.unique()))))


def matrix(values: Iterable[Any], classes: Sequence[Any]) -> Matrix:
    """Lists or texts as 0 and 1, n by k; a label that is none of ``classes`` is left out."""
    code = {label: place for place, label in enumerate(classes)}
    rows = list(values)
    out = np.zeros((len(rows), len(code)), dtype=np.int64)
    for row, value in enumerate(rows):
        for label in named(value) or ():
            if label in code:
                out[row, code[label]] = 1
    return out


def texts(matrix: NDArray[Any], classes: Sequence[Any]) -> list[str | None]:
    """The texts of rows of 0 and 1; None where a row has a value that is not known."""
    names = np.array([str(label) for label in classes], dtype=object)
    known: NDArray[np.bool_] = np.asarray(np.isfinite(matrix.astype(np.float64)).all(axis=1))
    return [
        SEPARATOR.join(names[row > 0.5]) if there else None
        for row, there in zip(matrix, known, strict=True)
    ]


def known_labels(series: pl.Series, classes: Sequence[Any]) -> pl.Series:
    """The column as texts in the order of ``classes``; null stays null.

    Raises :class:`~everloop.errors.InvalidInput` for a label that is none of them.
    """
    plain = canonical(series)
    known = set(classes)
    for row, value in enumerate(plain):
        strange = sorted((named(value) or set()) - known)
        if strange:
            shown = ", ".join(repr(c) for c in classes[:10])
            raise wrong_value(series, row, f"labels among {shown}, not {strange[0]!r}")
    some = texts(matrix(plain, classes), classes)
    out = [None if value is None else text for value, text in zip(plain, some, strict=True)]
    return pl.Series(series.name, out, dtype=pl.String)


def from_json(value: str | None, classes: Sequence[Any]) -> NDArray[np.float64]:
    """Labels as the log keeps them, JSON of a list or of a text, as k numbers.

    NaN where there are none, and where one is no label of the model.
    """
    unknown = np.full(len(classes), np.nan)
    if value is None:
        return unknown
    try:
        said = msgspec.json.decode(value, type=list[str] | str)
    except msgspec.MsgspecError:
        return unknown
    parts = named(said) or set()
    if not parts <= set(classes):
        return unknown
    return np.asarray(matrix([parts], classes)[0], dtype=np.float64)


def strata(labels: NDArray[Any], least: int = FEW) -> tuple[Matrix, int]:
    """A code for each row's combination of labels, and how many rare ones share the code 0.

    A combination of fewer than ``least`` rows cannot be divided in any proportion, so all such
    rows are one stratum. Of a bandit, whose labels are no whole numbers, the action is the code.
    """
    if labels.dtype.kind == "f":
        labels = labels[:, :1]
    _, codes, counts = np.unique(labels, axis=0, return_inverse=True, return_counts=True)
    rare = counts < least
    return np.where(rare[codes.ravel()], 0, codes.ravel() + 1), int(rare.sum())


def check_labels(column: pl.Series, classes: Sequence[str]) -> None:
    """Refuse labels that no row has, or every row: nothing can be learned about them.

    Raises :class:`~everloop.errors.InvalidInput`.
    """
    if not classes:
        raise invalid(f'target "{column.name}"', "<no label>", "labels in some rows")
    found = matrix(column, classes)
    check_both(found, classes, "the data")


def check_both(found: NDArray[Any], classes: Sequence[Any], where: str) -> None:
    """Refuse a label that is the same in each row of a matrix of 0 and 1; ``where`` says which."""
    for label, count in zip(classes, found.sum(axis=0), strict=True):
        if count in (0, len(found)):
            raise invalid(
                f"label {str(label)!r}",
                f"<{'no' if count == 0 else 'every'} row of {where} has it>",
                "a label that some rows have and others have not",
                code="constant_target",
                fix="Leave the label out, or bring rows of the other kind.",
            )


def _zero_or_one(series: pl.Series) -> NDArray[np.float64]:
    expected = "0 or 1, as it is a column of data.labels"
    if series.dtype == pl.Boolean:
        values = series.cast(pl.Float64)
    elif series.dtype.is_numeric():
        values = series.cast(pl.Float64).fill_nan(None)
        refuse(series, ~values.is_in([0.0, 1.0]), expected)
    else:
        words = {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0}
        plain = as_text(series).str.strip_chars().str.to_lowercase()
        values = plain.replace_strict(words, default=None, return_dtype=pl.Float64)
        refuse(series, values.is_null() & series.is_not_null(), expected)
    refuse(series, values.is_null(), "a label in every row", fix="Leave out the rows without one.")
    return values.to_numpy()

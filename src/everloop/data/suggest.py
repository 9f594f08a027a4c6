"""Looking at data for ``everloop init``: which column is the target, the time, the id."""

from __future__ import annotations

from pathlib import Path

import msgspec
import polars as pl

from everloop.data.columns import as_text, is_text, parse_iso
from everloop.data.infer import infer_schema
from everloop.data.schema import Task
from everloop.data.sources import read_table
from everloop.data.spec import DataSpec
from everloop.errors import EverloopError

_TARGETS = ("target", "label", "class", "outcome", "y", "response")
_TIMES = ("time", "timestamp", "datetime", "date", "created", "created_at", "at", "when")
_IDS = ("id", "uuid", "key", "guid")


class Suggestion(msgspec.Struct, frozen=True):
    """A first ``[data]`` section, and ``why``: the reason for the target, in words.

    ``notes`` say what else was seen: columns left out, levels cut, and what must be mended before
    training.
    """

    target: str
    why: str
    time: str | None
    id: str | None
    task: Task | None
    notes: list[str]


def suggest(path: Path) -> Suggestion:
    """What a loop on the file (or the pattern of files) at ``path`` would most likely need.

    Raises :class:`~everloop.errors.InvalidInput` when the data cannot be read.
    """
    df = read_table(path.name, path.parent)
    time = _time(df)
    identifier = _identifier(df, time)
    target, why = _target(df, (time, identifier))
    try:
        spec = DataSpec(path.name, target, time=time, id=identifier)
        found = infer_schema(df, spec, allow_null_target=True)
    except EverloopError as error:
        return Suggestion(target, why, time, identifier, None, [error.message])
    return Suggestion(target, why, time, identifier, found.schema.task, found.notes)


def _target(df: pl.DataFrame, keys: tuple[str | None, ...]) -> tuple[str, str]:
    names = [name for name in df.columns if name not in keys] or df.columns
    for wanted in _TARGETS:
        for name in names:
            if name.lower() == wanted:
                return name, f'"{name}" is what a target is often called'
    return names[-1], f'"{names[-1]}" is the last column'


def _time(df: pl.DataFrame) -> str | None:
    """A column whose every value is an instant, not all the same; a telling name goes first."""
    found = [series.name for series in df if _holds_instants(series)]
    named = [name for name in found if _ends_in(name, _TIMES)]
    return next(iter(named + found), None)


def _holds_instants(series: pl.Series) -> bool:
    if series.null_count() or series.n_unique() < 2:
        return False
    if isinstance(series.dtype, pl.Datetime | pl.Date):
        return True
    if not is_text(series) or parse_iso(as_text(series.head(1))).null_count():
        return False
    return parse_iso(as_text(series)).null_count() == 0


def _identifier(df: pl.DataFrame, time: str | None) -> str | None:
    """A column of text or whole numbers that is called an id and has a value for each row."""
    for series in df:
        kind = is_text(series) or series.dtype.is_integer()
        if kind and series.name != time and _ends_in(series.name, _IDS):
            complete = series.null_count() == 0 and series.n_unique() == len(series)
            if complete and len(series) > 1:
                return series.name
    return None


def _ends_in(name: str, words: tuple[str, ...]) -> bool:
    plain = name.lower()
    return plain in words or any(plain.endswith("_" + word) for word in words)

"""The history: rows in the order of time, cut into windows, with the time when each label comes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.columns import as_instant
from everloop.data.declared import infer_declared, read_declared
from everloop.data.encode import encode_target
from everloop.data.schema import Schema
from everloop.data.spec import DataSpec
from everloop.errors import invalid, no_column
from everloop.loop.backtests.records import Begun, Plan, Span
from everloop.loop.declaration import Declaration
from everloop.monitor.foreign import times_of
from everloop.monitor.spans import DAY

TASKS = ("binary", "multiclass", "regression")
ROW_ID = "backtest_row"
UNITS = ((DAY, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"))
FINE = 20  # windows are of whole days, hours … where that changes them by less than one in so many
LEAST_ROWS = 60  # with labels, to train and test the first champion
FILE = "stream.parquet"


@dataclass(frozen=True)
class History:
    """The stream as it was read: sorted rows, their times (ms), and what they are called."""

    frame: pl.DataFrame
    times: NDArray[np.int64]
    data: DataSpec
    schema: Schema

    @property
    def known(self) -> NDArray[np.bool_]:
        """Rows with a label, whenever it comes."""
        return self.frame[self.data.target].is_not_null().to_numpy()


def read_history(declaration: Declaration, folder: Path) -> History:
    """The rows that ``[data]`` names, by time, with an id each.

    Raises :class:`~everloop.errors.InvalidInput` for what cannot be replayed: no time, no or only
    one label, a task whose rows are not answered one by one.
    """
    data = declaration.data
    time = _timed(data)
    frame = read_declared(data, folder, declaration.loop.seed)
    for role, column in (("time", time), ("target", data.target)):
        if column not in frame.columns:
            raise no_column(f"data.{role}", column, frame.columns)
    _check_labels(frame[data.target], data)
    frame, data = _with_ids(frame, data)
    instants = as_instant(frame[time])
    if missing := instants.null_count():
        raise invalid(f"data.time: {time}", None, f"a time in every row; {missing:,} have none")
    frame = frame[instants.arg_sort()]
    schema = _schema(frame, data, folder)
    if schema.task not in TASKS:
        raise invalid("data.task", schema.task, "a task of a backtest: " + ", ".join(TASKS))
    return History(frame, times_of(frame[time]).to_numpy(), data, schema)


def _schema(frame: pl.DataFrame, data: DataSpec, folder: Path) -> Schema:
    """Of all labelled rows, so that every class of the stream is one of it."""
    return infer_declared(frame.filter(pl.col(data.target).is_not_null()), data, folder).schema


def _timed(data: DataSpec) -> str:
    """The column of times, of a table whose rows are answered one by one."""
    if data.time is None:
        raise invalid(
            "data.time", None, "the column that says when each row was", code="untimed",
            fix='Write time = "COLUMN" into [data].',
        )  # fmt: skip
    if (
        data.forecast
        or data.environment
        or data.action
        or data.labels
        or data.group
        or data.unlabelled
    ):
        raise invalid("data", data.task, "rows that are answered one by one, with one label each")
    return data.time


def _check_labels(labels: pl.Series, data: DataSpec) -> None:
    count = labels.n_unique() - int(labels.null_count() > 0)
    if count == 0:
        raise invalid(f"data.target: {data.target}", "no label at all", "labels to compare with")
    if count == 1:
        only = labels.drop_nulls()[0]
        raise invalid(
            f"data.target: {data.target}", f"{only!r} in every row", "at least two labels"
        )


def _with_ids(frame: pl.DataFrame, data: DataSpec) -> tuple[pl.DataFrame, DataSpec]:
    """Labels are joined to answers by an id; rows without one, or with one twice, are given one."""
    named = data.id or ROW_ID
    if named in frame.columns and not frame[named].is_duplicated().any():
        return frame.with_columns(pl.col(named).cast(pl.String)), data
    numbers = pl.Series(ROW_ID, np.arange(frame.height)).cast(pl.String)
    dropped = [named] if named in frame.columns else []
    return frame.drop(dropped).with_columns(numbers), msgspec.structs.replace(data, id=ROW_ID)


def windows_of(history: History, plan: Plan) -> tuple[int, int, int]:
    """Where the first window begins, how long each is (ms), and how many there are.

    They are those that the monitors will find, which begin at midnight where they are of a day or
    more; so the last one may end some time after the stream, or hours before it. Raises
    :class:`~everloop.errors.InvalidInput` when too little is left on either side.
    """
    times = history.times
    first, after = int(times[0]), int(times[-1]) + 1
    start = first + int((after - first) * plan.train)
    width = _rounded((after - start) / plan.windows)
    left = times[times >= start]
    if len(left):
        unit = DAY if width >= DAY else width
        start = int(left[0]) // unit * unit
    count = min(-(-(after - start) // width), plan.windows)
    places = (times[times >= start] - start) // width
    filled = len(np.unique(places[places < count]))
    if filled < 2:
        raise invalid(
            "data", f"rows in {filled} of {count} windows", "rows in two windows or more",
            code="too_few_rows",
        )  # fmt: skip
    return start, width, count


def _rounded(ms: float) -> int:
    """A length of windows in whole days, hours, minutes or seconds, a little longer at most."""
    unit = next((u for u, _ in UNITS if ms >= FINE * u), UNITS[-1][0])
    return max(math.ceil(ms / unit), 1) * unit


def width_text(ms: int) -> str:
    """The same as a loop file has it."""
    unit, sign = next((u, s) for u, s in UNITS if ms % u == 0)
    return f"{ms // unit}{sign}"


def check_delay(history: History, begin: int, delay: int, text: str) -> None:
    """Raises :class:`~everloop.errors.InvalidInput` when no label could teach anything."""
    times = history.times
    if delay >= int(times[-1]) - int(times[0]):
        raise invalid("delay", text, "less than the stream lasts: no label would come in time")
    known = (times + delay <= begin) & history.known
    early = history.frame.filter(pl.Series(known))[history.data.target]
    if early.len() < LEAST_ROWS:
        raise invalid(
            "data", f"{early.len()} labelled rows before the first window", f"{LEAST_ROWS} or more",
            code="too_few_rows", fix="Train on a larger share, or let labels come sooner.",
        )  # fmt: skip
    if early.n_unique() < 2:
        raise invalid(
            f"data.target: {history.data.target}",
            f"{early[0]!r} in every row before the first window", "at least two labels",
            fix="Train on a larger share.",
        )  # fmt: skip


class Stream:
    """What a backtest replays: the rows of each window, and the labels that come in it."""

    def __init__(self, folder: Path, begun: Begun, data: DataSpec) -> None:
        self.frame = pl.read_parquet(folder / FILE)
        self.data, self.begun = data, begun
        self.times = times_of(self.frame[data.time or ""]).to_numpy()
        self.schema = _schema(self.frame, data, folder / "base")
        labels = self.frame[data.target]
        self.known = labels.is_not_null().to_numpy()
        arriving = np.random.default_rng(begun.plan.seed).random(len(labels)) < begun.plan.labels
        self.due = np.where(self.known & arriving, self.times + begun.delay, np.iinfo(np.int64).max)

    def span(self, number: int) -> tuple[int, int]:
        start = self.begun.begin + number * self.begun.width
        return start, start + self.begun.width

    def spans(self) -> list[Span]:
        """Every window with what is in it."""
        found = []
        for number in range(self.begun.count):
            start, end = self.span(number)
            inside = self._inside(start, end)
            found.append(Span(start, end, int(inside.sum()), int((inside & self.known).sum())))
        return found

    def history(self) -> pl.DataFrame:
        """The rows whose labels had come when the first window began."""
        before = (self.times < self.begun.begin) & self.known
        return self.frame.filter(
            pl.Series(before & (self.times + self.begun.delay <= self.begun.begin))
        )

    def asked(self, number: int) -> pl.DataFrame:
        """The rows of a window, with their labels, which nobody is told yet."""
        return self.frame.filter(pl.Series(self._inside(*self.span(number))))

    def arrived(self, number: int) -> pl.DataFrame:
        """Labels that came while a window went on, of it or of those before."""
        start, end = self.span(number)
        came = (self.due >= start) & (self.due < end) & (self.times >= self.begun.begin)
        return self.frame.filter(pl.Series(came)).select(self.data.id or "", self.data.target)

    def targets(self, rows: pl.DataFrame) -> NDArray[Any]:
        """The labels of rows that have one, as metrics read them."""
        return encode_target(rows, self.schema)

    def _inside(self, start: int, end: int) -> NDArray[np.bool_]:
        return (self.times >= start) & (self.times < end)

"""The rows that an explanation looks at: a bounded sample of the log, with labels and sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.quantiles import with_levels
from everloop.data.schema import Schema
from everloop.monitor.inputs import answers_of, feature_frame
from everloop.monitor.labels import answer_codes, present
from everloop.monitor.log import PredictionLog
from everloop.monitor.parts import FEATURE
from everloop.monitor.profile import Floats, Ints
from everloop.monitor.selection import META
from everloop.monitor.windows import Window

MOST_ROWS = 40_000  # of all windows together
MOST_SOURCES = 200  # different values of a column that may name who sent a row


@dataclass(frozen=True)
class Rows:
    """n answered rows in the order of time.

    Attributes
    ----------
    times : event times in ms, n.
    frame : the schema's features.
    sources : columns that say who sent or answered a row: arm, version, and those that the log has
        beside the features, as text.
    answers : one number a row, as profiles take it.
    y, pred : labels and answers as metrics take them, NaN where there is none.
    proba : n by k, NaN where there is none; None for a task without.
    """

    times: Ints
    frame: pl.DataFrame
    sources: pl.DataFrame
    answers: Floats
    y: Floats
    pred: Floats
    proba: Floats | None

    def __len__(self) -> int:
        return len(self.times)

    def take(self, which: NDArray[Any]) -> Rows:
        """Some of the rows, by a mask or by their numbers."""
        index = np.flatnonzero(which) if which.dtype == np.bool_ else which
        return Rows(
            self.times[index],
            self.frame[index],
            self.sources[index],
            self.answers[index],
            self.y[index],
            self.pred[index],
            None if self.proba is None else self.proba[index],
        )

    @property
    def scorable(self) -> NDArray[np.bool_]:
        """Which rows have a label, an answer and, where the others do, probabilities."""
        known: NDArray[np.bool_] = present(self.y) & present(self.pred)
        if self.proba is not None:
            given = np.asarray(np.isfinite(self.proba).all(axis=1))
            if given[known].any():
                known &= given
        return known

    def losses(self) -> Floats:
        """How wrong each row was: surprise at its label, distance from it, or 0 and 1; NaN where
        its label has not come."""
        known, lost = self.scorable, np.full(len(self), np.nan)
        y, pred = self.y[known], self.pred[known]
        if y.ndim == 2:
            lost[known] = (y != pred).mean(axis=1)
        elif self.proba is None or not np.isfinite(self.proba[known]).all():
            lost[known] = np.abs(y - pred)
        else:
            p = self.proba[known][np.arange(len(y)), y.astype(np.int64)]
            lost[known] = -np.log(np.clip(p, 1e-6, 1.0))
        return lost


def read_rows(
    log: PredictionLog, endpoint: str, schema: Schema, windows: list[Window], hidden: frozenset[str]
) -> Rows:
    """At most :data:`MOST_ROWS` rows of the windows (oldest first), drawn evenly, with labels.

    One window is held at a time. ``hidden`` features, which the log does not tell, are null.
    """
    apart = max(1, -(-sum(window.rows for window in windows) // MOST_ROWS))
    parts: list[pl.DataFrame] = []
    extra: list[pl.DataFrame] = []
    for window in windows:
        found = log.predictions(endpoint, window.start, window.end, schema=schema, hidden=hidden)
        parts.append(found.gather_every(apart))
        sent = log.predictions(endpoint, window.start, window.end).gather_every(apart)
        extra.append(_sources(sent, schema))
    rows = pl.concat(parts, how="diagonal_relaxed")
    return _rows(rows, pl.concat(extra, how="diagonal_relaxed"), schema, log, endpoint)


def _rows(
    rows: pl.DataFrame, sources: pl.DataFrame, schema: Schema, log: PredictionLog, endpoint: str
) -> Rows:
    wide = len(schema.classes or schema.quantiles)
    proba = None
    if wide:
        fits = (rows["p"].list.len() == wide).fill_null(False).to_numpy()
        if fits.any():
            proba = np.full((rows.height, wide), np.nan)
            proba[fits] = rows["p"].filter(pl.Series(fits)).explode().to_numpy().reshape(-1, wide)
            proba = with_levels(proba, schema) if schema.quantiles else proba
    few = [n for n in sources.columns if sources[n].n_unique() <= MOST_SOURCES]
    return Rows(
        times=rows["time"].dt.timestamp("ms").to_numpy(),
        frame=feature_frame(rows, schema),
        sources=sources.select(few),
        answers=answers_of(rows, schema),
        y=log.codes(endpoint, rows["id"], schema),
        pred=answer_codes(rows["y"], schema),
        proba=proba,
    )


def _sources(sent: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    beside = [
        name
        for name in sent.columns
        if name not in META and name.removeprefix(FEATURE) not in schema.names
    ]
    return sent.select(pl.col("arm", "version", *beside).cast(pl.String, strict=False))

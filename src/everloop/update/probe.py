"""The quick challenger: the champion's own kind of model, fitted once on what is known now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import polars as pl

from everloop.data.conform import conform
from everloop.data.encode import encode, encode_batches
from everloop.data.merge import by_time, newer_over
from everloop.data.schema import Schema
from everloop.evaluate.answers import Answers
from everloop.monitor.answers import ScoredRows, scored_rows
from everloop.monitor.log import PredictionLog
from everloop.monitor.performance import Score
from everloop.train.check import find_candidate
from everloop.train.fit import fit_candidates
from everloop.train.fitting import silent
from everloop.train.predictions import predict
from everloop.train.search.space import fixed
from everloop.train.spec import SearchSpec, TrainSpec
from everloop.train.training import Score as TrainingScore
from everloop.train.validation import Known
from everloop.update.situation import Situation
from everloop.update.worth import Ask, Worth, worth_it

BATCH = 16_384  # rows that are encoded at a time
MAX_ROWS = 200_000  # the newest of more; a probe must stay cheap beside the cycle it may save
WINDOWS = 2  # an update must help beyond one odd window


Divide = Callable[[Sequence[pl.DataFrame]], Known]


def _nothing(_frames: Sequence[pl.DataFrame]) -> Known:
    """Rows that nothing but their order divides."""
    return Known()


@dataclass(frozen=True)
class History:
    """Labelled rows by time, as a fit takes them: n by width, n targets, and what divides them."""

    X: np.ndarray
    y: np.ndarray
    known: Known = Known()  # noqa: RUF009 - frozen

    def __len__(self) -> int:
        return len(self.y)


def quick_fit(
    schema: Schema,
    algorithm: str,
    score: TrainingScore,
    spec: TrainSpec = TrainSpec(),  # noqa: B008 - frozen
    params: dict[str, Any] | None = None,
    seed: int = 0,
    costs: np.ndarray | None = None,
) -> Callable[[History], Ask]:
    """Fit ``algorithm`` with ``params`` (its defaults when None) as a cycle would.

    With the preparation, calibration, threshold and validation parts of ``spec``, but no search.
    """
    alone = msgspec.structs.replace(spec, candidates=(algorithm,), search=SearchSpec())

    def fit(history: History) -> Ask:
        usual = find_candidate(algorithm).defaults(len(history))
        best = fit_candidates(
            history.X,
            history.y,
            schema,
            alone,
            score,
            seed,
            silent,
            time_ordered=schema.time is not None,
            keep=usual | fixed(spec.space.get(algorithm, {})) if params is None else params,
            known=history.known,
            costs=costs,
        )[0]

        def ask(frame: pl.DataFrame) -> Answers:
            return Answers(*predict(best.estimator, encode(frame, schema), schema))

        return ask

    return fit


def probe_update(
    log: PredictionLog,
    endpoint: str,
    schema: Schema,
    situation: Situation,
    known: pl.DataFrame,
    trained_until: int,
    exclude: list[tuple[int, int]],
    fit: Callable[[History], Ask],
    score: Score,
    metric: str,
    min_gain: float,
    divide: Divide = _nothing,
    group_by: str | None = None,
    hidden: frozenset[str] = frozenset(),
) -> Worth:
    """Whether an update would have been worth it in the newest sound windows.

    Parameters
    ----------
    known : labelled rows from elsewhere than the log (the first training data), with the
        schema's columns.
    trained_until : event time (ms) up to which the champion was trained or chosen; windows that
        begin earlier would flatter it.
    exclude : quarantined windows, which neither train nor judge.
    divide, group_by : what the rows of the history are divided by for validation, and a column
        that it wants beside those of the schema.
    hidden : features that the log does not tell.
    """
    spans = [
        (window.start, window.end)
        for window in situation.windows
        if window.start >= trained_until and not window.quarantined
    ][-WINDOWS:]
    recent = _together([scored_rows(log, endpoint, schema, *span, hidden) for span in spans])
    until = spans[0][0] if spans else situation.now
    rows = _history(log, endpoint, schema, known, until, exclude, group_by, hidden)
    divided = divide(rows)
    examples = encode_batches(_let_go(rows), sum(batch.height for batch in rows), schema)
    history = History(examples.X, examples.y, divided)
    if recent is None:
        empty = np.empty(0)
        nothing = Answers(empty)
        return worth_it(history, known.clear(), empty, nothing, fit, score, metric, min_gain)
    champion = Answers(recent.pred, recent.proba)
    return worth_it(history, recent.frame, recent.y, champion, fit, score, metric, min_gain)


def _history(
    log: PredictionLog,
    endpoint: str,
    schema: Schema,
    known: pl.DataFrame,
    until: int,
    exclude: list[tuple[int, int]],
    group_by: str | None,
    hidden: frozenset[str],
) -> list[pl.DataFrame]:
    """The newest rows labelled before ``until``, typed alike; the log's word is the newer."""
    columns = [c for c in (schema.id, schema.time) if c] + [*schema.names, schema.target]
    present = [c for c in columns if c in known.columns]
    old = conform(known.select(present), schema)
    if group_by is not None and group_by in known.columns and group_by not in old.columns:
        old = old.with_columns(known[group_by])
    new = log.labelled(
        endpoint, schema, until=until, exclude=exclude, newest=MAX_ROWS, hidden=hidden
    )
    rows = by_time(newer_over(old, new, schema.id), schema.time).tail(MAX_ROWS)
    return list(rows.iter_slices(BATCH))


def _let_go(batches: list[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Each in turn; the list keeps none that was read."""
    batches.reverse()
    while batches:
        yield batches.pop()


def _together(parts: list[ScoredRows]) -> ScoredRows | None:
    parts = [part for part in parts if len(part.y)]
    if not parts:
        return None
    probas = [part.proba for part in parts if part.proba is not None]
    return ScoredRows(
        pl.concat([part.frame for part in parts]),
        np.concatenate([part.y for part in parts]),
        np.concatenate([part.pred for part in parts]),
        np.concatenate(probas) if len(probas) == len(parts) else None,
    )

"""The quick challenger: the champion's own kind of model, fitted once on what is known now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from everloop.data.conform import conform
from everloop.data.encode import encode, encode_batches
from everloop.data.merge import by_time, newer_over
from everloop.data.schema import Schema
from everloop.errors import EverloopError
from everloop.evaluate.answers import Answers
from everloop.monitor.answers import ScoredRows, scored_rows
from everloop.monitor.log import PredictionLog
from everloop.monitor.performance import Score
from everloop.train.check import find_candidate
from everloop.train.fit import fit_candidates
from everloop.train.fitting import silent
from everloop.train.predictions import predict
from everloop.train.search.space import fixed
from everloop.train.spec import TrainSpec
from everloop.train.training import Score as TrainingScore
from everloop.train.validation import Known
from everloop.update.situation import Situation
from everloop.update.windows import Window, windowed
from everloop.update.worth import Ask, Worth, worth_it

BATCH = 16_384  # rows that are encoded at a time
MAX_ROWS = 200_000  # the newest of more; a probe must stay cheap beside the cycle it may save
LEARN_ROWS = 20_000  # that a method without a fit learns from, about
WINDOWS = 2  # an update must help beyond one odd window


ALL = Window("all", "all")
Divide = Callable[[Sequence[pl.DataFrame]], Known]


@dataclass(frozen=True)
class Own:
    """Which version the champion is, and what it answers; ``ask`` None where it cannot be asked."""

    version: int
    ask: Ask | None


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
    window: Window = ALL,
    since: int | None = None,
) -> Callable[[History], Ask]:
    """Fit ``algorithm`` with ``params`` (its defaults when None) as a cycle would.

    With the preparation, calibration, threshold and validation parts of ``spec``, but no search;
    on the rows of ``window``, of which ``since`` says where the last change was.
    """
    alone = spec.alone(algorithm)

    def fit(history: History) -> Ask:
        part = windowed(window, history.known.times, len(history), since)
        if part.rows is not None:
            known = history.known.of(part.rows, 0)
            history = History(history.X[part.rows], history.y[part.rows], known)
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
            weights=part.weights,
        )[0]

        def ask(frame: pl.DataFrame) -> Answers:
            return Answers(*predict(best.estimator, encode(frame, schema), schema))

        return ask

    return fit


@dataclass(frozen=True)
class Grounds:
    """What a probe stands on.

    Attributes
    ----------
    history : labelled rows from before those that judge, for a fit.
    judge : the newest ones, which neither the champion nor any challenger has seen, with the
        champion's answers; None without any.
    learn : those before them that the champion has not seen either, part of the history, with
        its answers; None without any.
    learn_times : event times (ms) of the rows of ``learn``.
    """

    history: History
    judge: ScoredRows | None
    learn: ScoredRows | None = None
    learn_times: np.ndarray | None = None

    def worth(
        self, fit: Callable[[History], Ask], score: Score, metric: str, min_gain: float
    ) -> Worth:
        """What a challenger brings; see :func:`everloop.update.worth.worth_it`."""
        judge = self.judge
        if judge is None:
            empty = np.empty(0)
            rows = pl.DataFrame()
            return worth_it(self.history, rows, empty, Answers(empty), fit, score, metric, min_gain)
        champion = Answers(judge.pred, judge.proba)
        return worth_it(self.history, judge.frame, judge.y, champion, fit, score, metric, min_gain)


@dataclass(frozen=True)
class Sources:
    """Where the labelled rows of a probe come from.

    Attributes
    ----------
    known : labelled rows from elsewhere than the log (the first training data), with the
        schema's columns; of a bandit also what was done and how probable it was.
    trained_until : event time (ms) up to which the champion was trained or chosen; windows that
        begin earlier would flatter it.
    exclude : quarantined windows, which neither train nor judge.
    hidden : features that the log does not tell.
    """

    log: PredictionLog
    endpoint: str
    schema: Schema
    situation: Situation
    known: pl.DataFrame
    trained_until: int
    exclude: list[tuple[int, int]]
    hidden: frozenset[str] = frozenset()

    def new_spans(self) -> list[tuple[int, int]]:
        """Start and end (event time, ms) of the sound windows that the champion knows nothing of,
        oldest first."""
        return [
            (window.start, window.end)
            for window in self.situation.windows
            if window.start >= self.trained_until and not window.quarantined
        ]

    def labelled(
        self, until: int, since: int | None = None, newest: int | None = None
    ) -> pl.DataFrame:
        """The log's labelled rows, as :meth:`PredictionLog.labelled` has them."""
        return self.log.labelled(
            self.endpoint, self.schema, until=until, exclude=self.exclude, since=since,
            newest=newest, hidden=self.hidden,
        )  # fmt: skip


def grounds_of(
    sources: Sources,
    divide: Divide = _nothing,
    group_by: str | None = None,
    own: Own | None = None,
) -> Grounds:
    """The rows of a probe; the newest sound windows judge.

    Parameters
    ----------
    divide, group_by : what the rows of the history are divided by for validation, and a column
        that it wants beside those of the schema.
    own : the champion, which is asked about rows that other versions answered: those before it,
        and those beside it in a rollout. Where it cannot be asked, they are left out. None: all
        answers of the log count as its own.
    """
    new = sources.new_spans()
    spans, before = new[-WINDOWS:], new[:-WINDOWS]

    schema = sources.schema

    def scored(span: tuple[int, int]) -> ScoredRows:
        rows = scored_rows(sources.log, sources.endpoint, schema, *span, sources.hidden)
        return _as_own(rows, own)

    judge = _together([scored(span) for span in spans])
    learn, times = _learnt(scored, before)
    until = spans[0][0] if spans else sources.situation.now
    rows = _history(sources, until, group_by)
    divided = divide(rows)
    examples = encode_batches(_let_go(rows), sum(batch.height for batch in rows), schema)
    return Grounds(History(examples.X, examples.y, divided), judge, learn, times)


def _as_own(rows: ScoredRows, own: Own | None) -> ScoredRows:
    """The rows with the champion's answers, whoever answered then."""
    if own is None or rows.version is None:
        return rows
    other = rows.version != own.version
    if not other.any():
        return rows
    try:
        said = None if own.ask is None else own.ask(rows.frame.filter(pl.Series(other)))
    except EverloopError:  # it was made elsewhere, for another runtime
        said = None
    if said is None:
        return rows.of(~other)
    pred = rows.pred.copy()
    pred[other] = said.pred
    proba = None
    if rows.proba is not None and said.proba is not None:
        proba = rows.proba.copy()
        proba[other] = said.proba
    return rows._replace(pred=pred, proba=proba)


def _learnt(
    scored: Callable[[tuple[int, int]], ScoredRows], spans: list[tuple[int, int]]
) -> tuple[ScoredRows | None, np.ndarray | None]:
    """The newest labelled rows of the windows before those that judge, at most a bounded number;
    a row has the time at which its window began."""
    parts: list[tuple[int, ScoredRows]] = []
    count = 0
    for start, end in reversed(spans):
        rows = scored((start, end))
        parts.append((start, rows))
        count += len(rows.y)
        if count >= LEARN_ROWS:
            break
    parts = [(start, rows) for start, rows in reversed(parts) if len(rows.y)]
    if not parts:
        return None, None
    times = np.concatenate([np.full(len(rows.y), start) for start, rows in parts])
    return _together([rows for _, rows in parts]), times


def _history(sources: Sources, until: int, group_by: str | None) -> list[pl.DataFrame]:
    """The newest rows labelled before ``until``, typed alike; the log's word is the newer."""
    schema, known = sources.schema, sources.known
    columns = [c for c in (schema.id, schema.time) if c] + [*schema.names, schema.target]
    present = [c for c in columns if c in known.columns]
    old = conform(known.select(present), schema)
    if group_by is not None and group_by in known.columns and group_by not in old.columns:
        old = old.with_columns(known[group_by])
    new = sources.labelled(until, newest=MAX_ROWS)
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

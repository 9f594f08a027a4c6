"""Scoring the answers of one window with the labels that have come."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.quantiles import with_levels
from everloop.data.schema import Schema
from everloop.monitor.episodes import follow
from everloop.monitor.gauges import MetricFunction
from everloop.monitor.inputs import feature_frame
from everloop.monitor.judging import Judging
from everloop.monitor.labels import answer_codes, present
from everloop.monitor.log import PredictionLog
from everloop.monitor.performance import (
    Baseline,
    Performance,
    PerformanceChain,
    Score,
    Scores,
    measure,
)
from everloop.monitor.profile import Floats
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.suspicion import contradicted
from everloop.monitor.windows import Alert, Window, alert_id
from everloop.store.clock import now_ms


@dataclass(frozen=True)
class Scoring:
    """What it takes to score any window of an endpoint."""

    log: PredictionLog
    schema: Schema
    spec: MonitorSpec
    scores: Scores
    judging: Judging


class ScoredRows(NamedTuple):
    """Labelled rows as metrics take them: n features, labels, answers and probabilities.

    Of a bandit labels are rewards, and ``proba`` is the propensity of each action, n by 1.
    ``version`` says which one answered; None where nobody asks.
    """

    frame: pl.DataFrame
    y: NDArray[Any]
    pred: NDArray[Any]
    proba: Floats | None
    version: NDArray[np.int64] | None = None

    def of(self, some: NDArray[np.bool_]) -> ScoredRows:
        """Some of the rows."""
        return ScoredRows(
            self.frame.filter(pl.Series(some)),
            self.y[some],
            self.pred[some],
            None if self.proba is None else self.proba[some],
            None if self.version is None else self.version[some],
        )


def measure_window(
    scoring: Scoring, window: Window, before: dict[str, Any] | None
) -> tuple[dict[str, Any], int, list[Alert]]:
    """The window's ``performance``, its number of labelled rows, and the alert if it is news.

    ``before`` is the ``performance`` of the last scored window before this one. A window in
    quarantine is scored, but raises no alert and spends nothing: its loss has a better explanation.
    """
    waiting = window.performance or {}
    baseline = msgspec.convert(waiting["baseline"], Baseline)
    chain = msgspec.convert((before or {}).get("chain", {}), PerformanceChain)
    every = scored_rows(scoring.log, window.endpoint, scoring.schema, window.start, window.end)
    rows = _of_version(every, waiting.get("version"), scoring.judging)
    y = rows.y
    if len(y) < scoring.spec.min_rows <= len(every.y):
        note = f"answered by other versions than {waiting['version']}, by whose test it is judged"
        return waiting | {"note": note, "others": True}, len(every.y), []
    if len(y) < scoring.spec.min_rows:
        note = f"not enough evidence: {len(y)} labelled rows, {scoring.spec.min_rows} needed"
        return waiting | {"note": note}, len(y), []
    assert scoring.spec.performance is not None
    level = chain.spending.level(scoring.spec.false_alarm_rate)
    tolerance = scoring.spec.performance.tolerance
    baseline, score = as_told(scoring, baseline, rows)
    found = measure(y, rows.pred, rows.proba, baseline, score, level, tolerance)
    alerts: list[Alert] = []
    if not window.quarantined:
        lost = {"performance": found.loss} if found.worse else {}
        episodes, news = follow(chain.episodes, lost, window.start)
        chain = PerformanceChain(chain.spending.after(found.worse), episodes)
        alerts = [_alert(window, found) for _ in news]
    # The baseline stays whole: more labels may come, and then the window is scored again.
    done = waiting | msgspec.to_builtins(found) | {"baseline": waiting["baseline"]}
    done |= {"state": "done", "level": level, "chain": msgspec.to_builtins(chain)}
    done |= scoring.judging.labelled(rows.frame, rows.y, rows.pred, rows.proba, scoring.schema)
    done["contradicted"] = contradicted(rows.frame, rows.y, rows.pred, rows.proba, scoring.schema)
    return done, len(every.y), alerts


def _of_version(rows: ScoredRows, version: int | None, judging: Judging) -> ScoredRows:
    """Without the answers of other versions of the model, before a promotion or in a rollout."""
    others = [number for number in judging.versions if number != version]
    if version is None or rows.version is None or not others:
        return rows
    theirs = np.isin(rows.version, others)
    return rows.of(~theirs) if theirs.any() else rows


def as_told(scoring: Scoring, baseline: Baseline, rows: ScoredRows) -> tuple[Baseline, Score]:
    """What the rows are scored by: of answers without probabilities, which another server may
    have logged, the first metric that does without and was measured at the test."""
    own = scoring.judging.gauge(baseline.metric)
    if rows.proba is not None or own is None or not own.needs_probabilities:
        return baseline, scoring.scores(baseline.metric)
    for gauge in scoring.judging.gauges:
        was = gauge.tested
        if gauge.needs_probabilities or was is None or None in (was.value, was.low, was.high):
            continue
        sign = 1.0 if gauge.greater_is_better else -1.0
        value, *ends = (sign * float(x or 0.0) for x in (was.value, was.low, was.high))
        return Baseline(gauge.name, value, min(ends), max(ends)), partial(
            _signed, gauge.function, sign
        )
    return baseline, scoring.scores(baseline.metric)


def _signed(
    function: MetricFunction, sign: float, y: Any, pred: Any, proba: Floats | None
) -> float:
    return sign * function(y, pred, proba)


def scored_rows(
    log: PredictionLog,
    endpoint: str,
    schema: Schema,
    start: int,
    end: int,
    hidden: frozenset[str] = frozenset(),
) -> ScoredRows:
    """The rows of ``[start, end)`` that were answered and whose labels have come, by time.

    ``hidden`` features are null.
    """
    rows = log.predictions(endpoint, start, end, schema=schema, hidden=hidden)
    y = log.codes(endpoint, rows["id"], schema)
    return labelled_rows(rows, y, schema)


def labelled_rows(rows: pl.DataFrame, y: NDArray[Any], schema: Schema) -> ScoredRows:
    """Those of the log's ``rows`` that were answered as the schema says and whose label is known.

    ``y`` are n codes or numbers, NaN where there is none.
    """
    pred = answer_codes(rows["y"], schema)
    known = present(y) & present(pred)
    # Of a bandit the log has how probable the action was that was drawn.
    wide = 1 if schema.task == "bandit" else len(schema.classes or schema.quantiles)
    given = (rows["p"].list.len() == wide).fill_null(False).to_numpy()
    proba = None
    if wide and given[known].any():
        known &= given  # a version with other classes cannot be scored beside this one
        p = rows["p"].filter(pl.Series(known)).explode()
        proba = p.to_numpy().reshape(-1, wide)
        proba = with_levels(proba, schema) if schema.quantiles else proba
    kind = np.float64 if schema.numeric else np.int64
    told = np.float64 if schema.numeric_labels else np.int64
    frame = feature_frame(rows, schema, beside=True).filter(pl.Series(known))
    version = rows["version"].to_numpy()[known] if "version" in rows.columns else None
    return ScoredRows(frame, y[known].astype(told), pred[known].astype(kind), proba, version)


def _alert(window: Window, found: Performance) -> Alert:
    return Alert(
        id=alert_id(window.endpoint, window.start, "performance", None),
        endpoint=window.endpoint,
        window=window.start,
        kind="performance",
        severity="critical",
        feature=None,
        summary=found.summary(),
        evidence=msgspec.to_builtins(found),
        at=now_ms(),
    )

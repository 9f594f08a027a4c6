"""What a window's score may be before its labels come, and whether that calls for an alert."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
import scipy
from numpy.typing import NDArray

from everloop.data.schema import Schema
from everloop.monitor.answers import ScoredRows, labelled_rows
from everloop.monitor.episodes import follow
from everloop.monitor.estimation._base import Belief, Estimator, Rows
from everloop.monitor.estimation.estimate import (
    LEAST_HELD,
    Believed,
    believe,
    estimate,
    estimator_for,
    row_error,
)
from everloop.monitor.estimation.prediction_powered import LEAST, prediction_powered
from everloop.monitor.gauges import told
from everloop.monitor.judging import Judging
from everloop.monitor.labels import present
from everloop.monitor.performance import Baseline, PerformanceChain
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.windows import Alert, alert_id
from everloop.store.clock import now_ms


class _Found(NamedTuple):
    """A belief about answered rows; ``places`` are those of all of them in the log's rows."""

    method: str
    estimator: Estimator
    believed: Believed
    places: NDArray[np.int64]


@dataclass(frozen=True)
class Expecting:
    """What it takes to estimate the score of any window of an endpoint."""

    endpoint: str
    schema: Schema
    spec: MonitorSpec
    judging: Judging

    def expect(
        self,
        start: int,
        log_rows: pl.DataFrame,
        baseline: Baseline,
        before: dict[str, Any] | None,
        scored: dict[str, Any] | None,
        quarantined: bool,
    ) -> tuple[dict[str, Any], list[Alert]] | None:
        """The window's ``expected`` and the alert if it is news; None where nothing is estimated.

        ``before`` is the ``expected`` of the window before, ``scored`` the ``performance`` of the
        last one whose labels have come: an expectation that was wrong then is not believed now.
        """
        chain = msgspec.convert((before or {}).get("chain", {}), PerformanceChain)
        found = self._believe(log_rows)
        if found is None:
            return None
        if isinstance(found, str):
            return {"note": found, "chain": msgspec.to_builtins(chain)}, []
        belief, rows = found.believed.belief, found.believed.rows
        said = self._said(found)
        said["warnings"] = [*said["warnings"], *_was_wrong(scored)]
        said |= self._tested(said, belief, rows, baseline, chain)
        news: list[str] = []
        if said["loss"] is not None and not quarantined:
            lost = {"estimate": said["loss"]} if said["worse"] else {}
            episodes, news = follow(chain.episodes, lost, start)
            chain = PerformanceChain(chain.spending.after(said["worse"]), episodes)
        said["chain"] = msgspec.to_builtins(chain)
        return said, [self._alert(start, said, baseline) for _ in news]

    def _tested(
        self,
        said: dict[str, Any],
        belief: Belief,
        rows: Rows,
        baseline: Baseline,
        chain: PerformanceChain,
    ) -> dict[str, Any]:
        """Whether the expected loss is more than tolerated, at the level that is left to spend.

        Unsure are the rows of the window, the held-out rows' lesson and the score at test time;
        what is doubted by a warning is never called worse.
        """
        level = chain.spending.level(self.spec.false_alarm_rate)
        out = {"metric": baseline.metric, "level": level, "p_value": 1.0, "loss": None}
        own, gauge = said["metrics"].get(baseline.metric), self.judging.gauge(baseline.metric)
        if own is None or gauge is None or self.spec.performance is None:
            return out | {"worse": False}
        value = own["value"] if gauge.greater_is_better else -own["value"]
        size = abs(baseline.value)
        beyond = baseline.value - value - self.spec.performance.tolerance * size
        fit = said["errors"][gauge.name]
        spread = math.hypot(row_error(gauge, belief, rows), fit, baseline.error)
        # NaN spreads stay 1
        p_value = float(scipy.special.ndtr(-beyond / spread)) if spread > 0 else 1.0
        return out | {
            "p_value": p_value,
            "loss": (baseline.value - value) / (size or 1.0),
            "worse": p_value <= level and not said["warnings"],
        }

    def powered(self, log_rows: pl.DataFrame, y: NDArray[Any], metric: str) -> dict[str, Any]:
        """``prediction_powered`` of a window some of whose labels ``y`` have come, or nothing."""
        gauge = self.judging.gauge(metric)
        labelled = int(present(y).sum())
        if min(labelled, len(y) - labelled) < LEAST:
            return {}
        found = self._believe(log_rows)
        if gauge is None or found is None or isinstance(found, str):
            return {}
        belief, rows = found.believed.belief, found.believed.rows
        # The same rows in the same order as those of the belief, now with their labels.
        kept = np.linspace(0, len(found.places) - 1, len(rows)).astype(np.intp)
        places = found.places[kept]
        known = present(y[places])
        labels = y[places][known].astype(rows.pred.dtype)
        made = prediction_powered(gauge, belief, rows, labels, known)
        return {} if made is None else {"prediction_powered": msgspec.to_builtins(made)}

    def _answered(self, log_rows: pl.DataFrame) -> ScoredRows:
        """The rows that an estimate is about; their ``y`` are their places in the log's rows."""
        places = np.arange(log_rows.height, dtype=np.float64)
        found = labelled_rows(log_rows, places, self.schema)
        return found._replace(y=found.y.astype(np.int64))

    def _believe(self, log_rows: pl.DataFrame) -> _Found | str | None:
        """What the labels may be; a sentence where that cannot be told, None where never."""
        judging, spec = self.judging, self.spec.performance
        held = judging.held
        if held is None or spec is None or not judging.gauges:
            return None
        chosen = estimator_for(spec.estimate, self.schema.task)
        if chosen is None:
            return None
        answered = self._answered(log_rows)
        if len(answered.y) < self.spec.min_rows:
            need = self.spec.min_rows
            return f"not enough evidence: {len(answered.y)} answered rows, {need} needed"
        if answered.proba is None and held.proba is not None:
            return "not enough evidence: the answers were logged without probabilities"
        if len(held) < LEAST_HELD or (held.proba is None) != (answered.proba is None):
            return f"not enough evidence: {len(held)} held-out rows, {LEAST_HELD} needed"
        rows = Rows(held.encode(answered.frame, self.schema), answered.pred, answered.proba)
        if rows.proba is not None and not np.isfinite(rows.proba).all():
            return "not enough evidence: some answers have no probability"
        name, estimator = chosen
        return _Found(name, estimator, believe(estimator, held, rows), answered.y)

    def _said(self, about: _Found) -> dict[str, Any]:
        """What the scores may be, and those of the segments."""
        judging = self.judging
        assert judging.held is not None  # or nothing would be believed
        belief, rows = about.believed.belief, about.believed.rows
        total = len(about.places)
        found = estimate(
            about.method, about.estimator, judging.held, about.believed, total, judging.gauges
        )
        said: dict[str, Any] = msgspec.to_builtins(found)
        said["metrics"] = {
            gauge.name: told(found.metrics[gauge.name], gauge)
            for gauge in judging.gauges
            if gauge.name in found.metrics
        }
        segments = judging.believed(belief, rows, self.schema.numeric)
        said["segments"] = msgspec.to_builtins(segments)
        return said

    def _alert(self, start: int, said: dict[str, Any], baseline: Baseline) -> Alert:
        own = said["metrics"][baseline.metric]
        summary = (
            f"{baseline.metric} is expected to be {own['value']:.4g} ({own['low']:.4g} to "
            f"{own['high']:.4g}), {abs(baseline.value):.4g} when it was tested"
        )
        evidence = {k: v for k, v in said.items() if k not in ("chain", "segments")}
        return Alert(
            id=alert_id(self.endpoint, start, "estimate", None),
            endpoint=self.endpoint,
            window=start,
            kind="estimate",
            severity="warning",
            feature=None,
            summary=summary,
            evidence=evidence,
            at=now_ms(),
        )


def _was_wrong(scored: dict[str, Any] | None) -> list[str]:
    """Whether the last window with labels came out other than was expected of it."""
    expected = (scored or {}).get("expected") or {}
    name = expected.get("metric")
    said = expected.get("metrics", {}).get(name)
    real = (scored or {}).get("metrics", {}).get(name)
    if said is None or real is None or said["low"] is None or real["low"] is None:
        return []
    if said["low"] <= real["high"] and real["low"] <= said["high"]:
        return []
    return [
        f"In the last window with labels {name} was expected to be {said['value']:.4g} and was "
        f"{real['value']:.4g}: labels follow the inputs otherwise than they did."
    ]

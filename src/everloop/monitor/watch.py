"""Looks at each window of an endpoint's traffic once it is over, and again when its labels come."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import polars as pl
import sqlalchemy as sa

from everloop.data.schema import Schema
from everloop.durations import milliseconds
from everloop.errors import Conflict
from everloop.monitor.agenda import AGAIN, FULL, Agenda
from everloop.monitor.answers import Scoring, measure_window
from everloop.monitor.claims import Claim, claimed
from everloop.monitor.coverage import BEFORE, look_at_labels
from everloop.monitor.expecting import Expecting
from everloop.monitor.inputs import Chain, answers_of, fault_alert, inspect, profile_rows, restarted
from everloop.monitor.judging import Judging
from everloop.monitor.kept import profile_window
from everloop.monitor.label_drift import look_at_label_drift, with_label_drift
from everloop.monitor.labels import present
from everloop.monitor.likeness import Likeness
from everloop.monitor.log import PredictionLog
from everloop.monitor.past import Past
from everloop.monitor.performance import Baseline, Scores
from everloop.monitor.profile import Profile
from everloop.monitor.quality.expectations import Expectations, learn
from everloop.monitor.rows import repeated, row_faults
from everloop.monitor.sequence import PAST, changes
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.suspicion import LABELS, suspicion
from everloop.monitor.windows import COUNTED, Alert, Window, WindowStore
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.store.texts import check_long

LONGEST = 2000  # characters of a reason
ONLY = "labels are counted, not scored: there is no score of a test to hold answers against"
TRICKLE = 0.5  # with more of the labels than this they tell by themselves


class Watch:
    """Evaluates windows and stores what it finds; one for a database, used from any thread.

    Windows are ``[start, end)`` of event time, see :mod:`everloop.monitor.spans`. A window is over
    when an event at or after its end was seen. Every write is one transaction for one window, so
    a tick that is killed and repeated finds the same and doubles nothing. Of several processes one
    looks at an endpoint's windows, and the others wait (:mod:`everloop.monitor.claims`).
    """

    def __init__(self, db: Database, log: PredictionLog, events: EventLog) -> None:
        self.db = db
        self.log = log
        self.events = events
        self.windows = WindowStore(db)
        self._expected: tuple[Profile, Expectations] | None = None

    def tick(
        self,
        endpoint: str,
        schema: Schema,
        reference: Profile | None,
        baseline: Baseline | None,
        spec: MonitorSpec,
        scores: Scores,
        now: int | None = None,
        sample: pl.DataFrame | None = None,
        expected: Expectations | None = None,
        judging: Judging | None = None,
    ) -> list[Alert]:
        """Evaluate what is over or due, and return the alerts that are new.

        Parameters
        ----------
        reference, baseline : of the champion that serves now. A window keeps the baseline that it
            was closed with, since its answers came from that champion; None leaves performance out
            of windows that are over now. Without a reference none of them is looked at.
        scores : what answers are scored by, by the name of the metric.
        now : event time (ms) to take for the present, for a replay that knows more than its
            events say; by default the time of the newest event.
        sample : some of the champion's training rows, by time, for tests of all features together.
        expected : of the rows of a window; what the training rows let expect unless given.
        judging : what to say of answers beside the score, and to expect before labels come.
        """
        digest = None if reference is None else reference.digest
        if not self.waits(endpoint, spec, digest, now):
            return []
        judging = judging or Judging()
        with claimed(self.db, endpoint) as claim:
            # Another may have looked while this one waited, so what waits is asked anew.
            agenda = self._agenda(endpoint, spec, digest, now)
            assert agenda is not None  # a log does not become empty of parts
            look = _Look(
                self, claim, agenda, schema, reference, baseline, spec, scores, judging, sample
            )
            if reference is not None:
                look.expected = expected or self._learned(reference, sample)
            new = [*look.late(), *look.close(), *look.measure()]
            look.count()
            return new

    def waits(
        self, endpoint: str, spec: MonitorSpec, digest: str | None, now: int | None = None
    ) -> bool:
        """Whether a window waits to be looked at; some queries, and no row of the log is read.

        ``digest`` is the reference's; None where there is none.
        """
        agenda = self._agenda(endpoint, spec, digest, now)
        return agenda is not None and agenda.anything()

    def _agenda(
        self, endpoint: str, spec: MonitorSpec, digest: str | None, now: int | None
    ) -> Agenda | None:
        extent = self.log.extent(endpoint)
        if extent is None:
            return None
        # An event that claims to be from the future must not close windows that go on.
        seen = min(extent.last, now_ms()) if now is None else now
        return Agenda(self.log, self.windows, endpoint, spec, digest, extent, seen)

    def _learned(self, reference: Profile, sample: pl.DataFrame | None) -> Expectations:
        """What was learned of one reference, without the features, which have their own checks."""
        if self._expected is None or self._expected[0] is not reference:
            found = msgspec.structs.replace(learn(reference, sample), features={})
            self._expected = (reference, found)
        return self._expected[1]

    def raise_alert(self, alert: Alert) -> bool:
        """Keep an alert that is not about a window's rows; False when it was raised before."""
        with self.events.transaction() as conn:
            new = self.windows.add(conn, alert)
            if new:
                self.events.append(
                    conn,
                    actor="monitor",
                    kind="alert.raised",
                    subject=f"endpoint:{alert.endpoint}",
                    payload=_told(alert),
                )
        return new

    def release(self, endpoint: str, start: int, actor: str, comment: str = "") -> Window:
        """Take a window out of quarantine, and record who said so, and why.

        Raises :class:`~everloop.errors.NotFound`, and :class:`~everloop.errors.Conflict` for one
        that is in none.
        """
        check_long("comment", comment, LONGEST)
        if not self.windows.get(endpoint, start).quarantined:
            raise Conflict(f"window {start}: is not in quarantine.", code="not_quarantined")
        with self.events.transaction() as conn:
            self.windows.release(conn, endpoint, start, actor)
            self.events.append(
                conn,
                actor=actor,
                kind="window.released",
                subject=f"endpoint:{endpoint}",
                payload={"window": start, "comment": comment},
            )
        return self.windows.get(endpoint, start)


class _Look:
    """One tick: everything that stays the same during it."""

    def __init__(
        self,
        watch: Watch,
        claim: Claim,
        agenda: Agenda,
        schema: Schema,
        reference: Profile | None,
        baseline: Baseline | None,
        spec: MonitorSpec,
        scores: Scores,
        judging: Judging,
        sample: pl.DataFrame | None,
    ) -> None:
        self.log, self.windows, self.events = watch.log, watch.windows, watch.events
        self.claim, self.agenda, self.extent = claim, agenda, agenda.extent
        self.endpoint, self.schema, self._reference = agenda.endpoint, schema, reference
        self.baseline, self.spec, self.scores, self.judging = baseline, spec, scores, judging
        self.expecting = Expecting(self.endpoint, schema, spec, judging)
        self.past = Past(self.log, self.windows, self.endpoint, schema, spec)
        self._sample = sample
        self.expected = Expectations()

    @property
    def reference(self) -> Profile:
        assert self._reference is not None  # or the agenda has no window to look at
        return self._reference

    @cached_property
    def training(self) -> Likeness:
        return Likeness(self.reference, self._sample)

    # -- windows that are over -------------------------------------------------------------------

    def close(self) -> list[Alert]:
        """Evaluate every window that is over and was not looked at, oldest first."""
        new: list[Alert] = []
        closed = False
        for start, end in self.agenda.over():
            new += self._evaluate(start, end) or []
            closed = True
        if closed:
            self._trickle()
        return new

    def late(self) -> list[Alert]:
        """Look again at recent windows that got rows after they were closed, and at those that had
        none before."""
        new: list[Alert] = []
        for start, end in self.agenda.missed():
            new += self._evaluate(start, end) or []
        for window in self.agenda.late():
            new += self._evaluate(window.start, window.end, window) or []
        return new

    def _evaluate(self, start: int, end: int, before: Window | None = None) -> list[Alert] | None:
        """Store a window and its alerts; returns the new ones, or None when there are no rows."""
        rows = self.log.predictions(self.endpoint, start, end, schema=self.schema)
        if not rows.height:
            return None
        found = inspect(
            self.endpoint,
            start,
            rows,
            self.schema,
            self.reference,
            self.spec,
            self._chain(start),
            lambda: self._recent(start),
            self.past.likeness(start, end, self.training),
            row_faults(
                self.log, self.windows, self.endpoint, (start, end), rows, self.schema,
                self.expected,
            ),
        )  # fmt: skip
        checks = found.checks | {"reference": self.reference.digest, "part": self.extent.parts}
        checks["profile"] = self._keep(rows)
        checks |= repeated(rows)
        checks = with_label_drift(checks, before)
        doubted = before.checks.get("faults", {}).get(LABELS) if before else None
        if doubted is not None:  # by labels, of which the rows say nothing
            checks["faults"] = checks.get("faults", {}) | {LABELS: doubted}
        quarantined = found.quarantined or doubted is not None
        alerts = found.alerts
        if self.spec.sequential and not quarantined:
            checks["sequential"], seen = self._sequential(start, rows)
            alerts = [*alerts, *seen]
        released = before.checks.get("released_by") if before else None
        if released is not None:
            checks["released_by"] = released
        window = Window(
            endpoint=self.endpoint,
            start=start,
            end=end,
            rows=rows.height,
            labelled=before.labelled if before else 0,
            checks=checks,
            performance=self._performance(end, before),
            quarantined=quarantined and released is None,
            updated=now_ms(),
        )
        window, expected = self._expect(window, rows)
        return self._save(window, [*alerts, *expected], before)

    def _keep(self, rows: pl.DataFrame) -> str:
        """Keep the window's profile, and the reference beside it; returns the profile's digest."""
        self.log.blobs.put(self.reference.to_json())
        kept = profile_window(rows, self.schema, self.spec.segments)
        return self.log.blobs.put(kept.to_bytes())

    def _expect(self, window: Window, rows: pl.DataFrame) -> tuple[Window, list[Alert]]:
        """The window with what its score may be, as long as no labels tell."""
        waiting = window.performance
        if self.baseline is None or waiting is None or waiting["state"] != "waiting":
            return window, []
        before = self.windows.page(self.endpoint, before=window.start, limit=1)
        last = before[0].performance or {} if before else {}
        scored = self.windows.measured_before(self.endpoint, window.start)
        found = self.expecting.expect(
            window.start, rows, self.baseline, last.get("expected"), scored, window.quarantined
        )
        if found is None:
            return window, []
        performance = waiting | {"expected": found[0]}
        return msgspec.structs.replace(window, performance=performance), found[1]

    def _chain(self, start: int) -> Chain:
        before = self.windows.page(self.endpoint, before=start, limit=1)
        if not before:
            return Chain()
        chain = msgspec.convert(before[0].checks["chain"], Chain)
        same = before[0].checks["reference"] == self.reference.digest
        return chain if same else restarted(chain, self.spec)

    def _sequential(self, start: int, rows: pl.DataFrame) -> tuple[dict[str, Any], list[Alert]]:
        times = rows["time"].dt.timestamp("ms").to_list()
        answers = answers_of(rows, self.schema)
        before = self.past.answers(start)
        names = self.spec.sequential
        return changes(self.endpoint, start, "answers", names, before, answers, times)

    def _errors(self, window: Window) -> tuple[dict[str, Any], list[Alert]]:
        before = [(w.start, w.end) for w in self.past.sound(window.start, PAST)]
        known = self.past.errors(before)[0] if before else np.empty(0)
        now, times = self.past.errors([(window.start, window.end)])
        names = self.spec.sequential
        return changes(self.endpoint, window.start, "errors", names, known, now, times)

    def _recent(self, start: int) -> Profile | None:
        for window in self.past.sound(start, 1):
            rows = self.past.rows([(window.start, window.end)])
            return profile_rows(rows, self.schema)
        return None

    def _performance(self, end: int, before: Window | None) -> dict[str, Any] | None:
        """What is known of the answers; labels that were only counted are counted anew."""
        known = before.performance if before else None
        return self._waiting(end) if known is None or known["state"] == COUNTED else known

    def _waiting(self, end: int) -> dict[str, Any] | None:
        if self.spec.performance is None or self.baseline is None:
            return None
        after = milliseconds(self.spec.performance.labels_after, "monitor.performance.labels_after")
        baseline = msgspec.to_builtins(self.baseline)
        waiting = {"state": "waiting", "due": end + after, "baseline": baseline, "part": 0}
        version = self.judging.version
        return waiting if version is None else waiting | {"version": version}

    # -- labels ----------------------------------------------------------------------------------

    def measure(self) -> list[Alert]:
        """Score the windows whose labels are due, oldest first."""
        new: list[Alert] = []
        scoring = Scoring(self.log, self.schema, self.spec, self.scores, self.judging)
        for start in self.agenda.due():
            window = self.windows.get(self.endpoint, start)
            before = self.windows.measured_before(self.endpoint, start)
            performance, labelled, alerts = measure_window(scoring, window, before)
            performance.pop("prediction_powered", None)
            if labelled < FULL * window.rows:
                performance |= self._powered(window)
            performance["part"] = self.extent.feedback_parts
            if self.spec.sequential and performance["state"] == "done" and not window.quarantined:
                performance["sequential"], seen = self._errors(window)
                alerts = [*alerts, *seen]
            asked = self.log.asked(self.endpoint, window.start, window.end)
            labels, late = self._labels(window, asked)
            performance["labels"] = labels
            fresh = msgspec.structs.replace(
                window, performance=performance, labelled=labelled, updated=now_ms()
            )
            fresh, suspected = self._suspected(fresh)
            fresh, moved = self._moved(fresh, asked)
            new += self._save(fresh, [*alerts, *late, *suspected, *moved], window)
        return new

    def count(self) -> None:
        """Count the labels of windows that nothing scores, such as a model's from elsewhere."""
        for start in self.agenda.uncounted():
            window = self.windows.get(self.endpoint, start)
            rows = self.log.predictions(self.endpoint, start, window.end, schema=self.schema)
            labels = self.log.codes(self.endpoint, rows["id"], self.schema)
            counted = msgspec.structs.replace(
                window,
                labelled=int(present(labels).sum()),
                performance={"state": COUNTED, "part": self.extent.feedback_parts, "note": ONLY},
                updated=now_ms(),
            )
            self._save(counted, [], window)

    def _suspected(self, window: Window) -> tuple[Window, list[Alert]]:
        """The window in quarantine when its labels look poisoned, unless a person released it."""
        now = (window.performance or {}).get("contradicted")
        if not now or not self.spec.quality or "released_by" in window.checks:
            return window, []
        earlier = self.windows.page(self.endpoint, before=window.start, limit=BEFORE)
        told = [(w.performance or {}).get("contradicted") for w in earlier if not w.quarantined]
        fault = suspicion(now, [counts for counts in told if counts])
        if fault is None:
            return window, []
        faults = window.checks.get("faults", {}) | {LABELS: msgspec.to_builtins(fault)}
        checks = window.checks | {"faults": faults}
        doubted = msgspec.structs.replace(window, checks=checks, quarantined=True)
        return doubted, [fault_alert(self.endpoint, window.start, LABELS, fault)]

    def _moved(self, window: Window, asked: pl.DataFrame) -> tuple[Window, list[Alert]]:
        """The window with the drift of its labels, of sound ones that came from this champion."""
        mine = window.checks["reference"] == self.agenda.digest
        done = (window.performance or {})["state"] == "done"
        if not (self.spec.drift and mine and done) or window.quarantined:
            return window, []
        held = self.judging.held
        known = self.past.labels(window.start, window.end, None if held is None else held.y)
        if known is None:
            return window, []
        labels = self.log.codes(self.endpoint, asked["id"], self.schema)
        earlier = self.windows.page(self.endpoint, before=window.start, limit=BEFORE)
        return look_at_label_drift(window, labels, known, self.schema, self.spec, earlier)

    def _labels(self, window: Window, asked: pl.DataFrame) -> tuple[dict[str, Any], list[Alert]]:
        """How many of its labels came, and how late, beside the windows before."""
        earlier = self.windows.page(self.endpoint, before=window.start, limit=BEFORE)
        found, alerts = look_at_labels(self.log, window, asked, earlier, self.spec.min_rows)
        return msgspec.to_builtins(found), alerts

    def _trickle(self) -> None:
        """Strengthen what is expected of the newest windows by the labels that came early."""
        for window in self.windows.page(self.endpoint, limit=AGAIN):
            waiting = window.performance or {}
            if waiting.get("state") == "waiting" and waiting.get("expected"):
                performance = waiting | self._powered(window)
                if performance != waiting:
                    fresh = msgspec.structs.replace(window, performance=performance)
                    self._save(fresh, [], window)

    def _powered(self, window: Window) -> dict[str, Any]:
        metric = (window.performance or {})["baseline"]["metric"]
        rows = self.log.predictions(self.endpoint, window.start, window.end, schema=self.schema)
        y = self.log.codes(self.endpoint, rows["id"], self.schema)
        if present(y).mean() > TRICKLE:
            return {}
        return self.expecting.powered(rows, y, metric)

    # -- storing ---------------------------------------------------------------------------------

    def _save(self, window: Window, alerts: list[Alert], before: Window | None) -> list[Alert]:
        with self.events.transaction() as conn:
            self.claim.keep(conn)
            new = self.windows.save(conn, window, alerts)
            for alert in new:
                self._tell(conn, "alert.raised", _told(alert))
            if window.quarantined and not (before and before.quarantined):
                why = [fault["summary"] for fault in window.checks["faults"].values()]
                self._tell(conn, "window.quarantined", {"window": window.start, "why": why})
        return new

    def _tell(self, conn: sa.Connection, kind: str, payload: dict[str, Any]) -> None:
        self.events.append(
            conn, actor="monitor", kind=kind, subject=f"endpoint:{self.endpoint}", payload=payload
        )


def _told(alert: Alert) -> dict[str, Any]:
    names = ("id", "window", "kind", "severity", "feature", "summary")
    return {name: getattr(alert, name) for name in names}

"""From alerts to incidents, and from incidents to what is told; all of a look in one transaction.

What is told is known by its content, and an alert notes which incident it went into; so a look that
is killed and repeated finds the same and tells nothing twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import msgspec
import sqlalchemy as sa

from everloop.monitor.alerting.deliveries import DeliveryStore
from everloop.monitor.alerting.incidents import Incident, IncidentStore, Telling, cycles_of
from everloop.monitor.alerting.notice import RANK, Notice, Severity
from everloop.monitor.alerting.rules import concerns, key_of, named
from everloop.monitor.alerting.silences import Silence, SilenceStore
from everloop.monitor.alerting.standing import stand, there
from everloop.monitor.episodes import QUIET
from everloop.monitor.health import Health, HealthStore
from everloop.monitor.marks import MarkStore
from everloop.monitor.rhythm import SILENCE
from everloop.monitor.spans import clock_width
from everloop.monitor.spec import MonitorSpec, RuleSpec
from everloop.monitor.windows import Alert, Window, WindowStore, read_alert
from everloop.store.clock import now_ms
from everloop.store.events import EventLog
from everloop.store.tables import alerts

HEALTH = 500  # windows of the clock that are looked back on
CLOCKED = ("log", "health", "cycle")  # kinds whose windows are of the clock, not of event time


class Router:
    """Looks after the incidents of endpoints; looks of several processes pass one after another."""

    def __init__(
        self,
        windows: WindowStore,
        events: EventLog,
        silences: SilenceStore,
        outcome: Callable[[str], str],
    ) -> None:
        self.outcome = outcome  # of a cycle, in words
        self.windows = windows
        self.events = events
        self.silences = silences
        self.incidents = IncidentStore(windows.db)
        self.health = HealthStore(windows.db)
        self.marks = MarkStore(windows.db)

    def look(self, endpoint: str, spec: MonitorSpec, now: int | None = None) -> int:
        """Take in new alerts, end what is over, and queue what is to be told; returns how much."""
        if not self.incidents.anything(endpoint):
            return 0
        at = now_ms() if now is None else now
        silences = self.silences.active(at)
        with self.events.transaction() as conn:
            before = {one.id: one for one in self.incidents.unsettled(conn, endpoint)}
            known = _take_in(conn, endpoint, list(before.values()), at)
            raised = _raised(conn, list(known))
            oldest = min((one.since for one in known.values()), default=at)
            windows = self.windows.since(endpoint, oldest - 1)
            health = self.health.page(endpoint, limit=HEALTH)[::-1]
            arrived = self.marks.arrived(endpoint) or 0
            standing = [
                _over(one, at)
                if one.feature == SILENCE and arrived > one.opened
                else _stood(one, windows, health, raised[one.id], spec, at)
                for one in known.values()
            ]
            told = _Telling(conn, spec, silences, at, self.outcome)
            after = told.tell(standing)
            for one in after:
                if one != before.get(one.id):
                    self.incidents.save(conn, one)
                self._record(conn, before.get(one.id), one)
        return told.queued

    def _record(self, conn: sa.Connection, before: Incident | None, after: Incident) -> None:
        """The end of an incident is an event, as its alerts are."""
        if after.state == "resolved" and (before is None or before.state == "open"):
            self.events.append(
                conn, actor="monitor", kind="alert.resolved",
                subject=f"endpoint:{after.endpoint}",
                payload={"alert": after.id, "kind": after.kind, "feature": after.feature},
            )  # fmt: skip


def _take_in(
    conn: sa.Connection, endpoint: str, open: Sequence[Incident], now: int
) -> dict[str, Incident]:
    """The unsettled incidents with the alerts that belong to none yet, by id."""
    known = {one.id: one for one in open}
    current = {one.subject: one.id for one in open if one.state == "open"}
    query = sa.select(alerts).where(alerts.c.incident.is_(None), alerts.c.endpoint == endpoint)
    for row in conn.execute(query.order_by(alerts.c.window, alerts.c.id)).all():
        alert = read_alert(row)
        segment = alert.evidence.get("segment")
        made = _begun(alert, segment if isinstance(segment, str) else None, now)
        id = current.setdefault(made.subject, made.id)
        known[id] = _grown(known[id], alert) if id in known else made
        conn.execute(sa.update(alerts).where(alerts.c.id == alert.id).values(incident=id))
    return known


def _begun(alert: Alert, segment: str | None, now: int) -> Incident:
    return Incident(
        id=alert.id, endpoint=alert.endpoint, kind=alert.kind, feature=alert.feature,
        segment=segment, severity=alert.severity, summary=alert.summary, since=alert.window,
        last=alert.window, windows=1, state="open", told={}, settled=False, opened=now,
        resolved=None,
    )  # fmt: skip


def _grown(incident: Incident, alert: Alert) -> Incident:
    """An incident of which something new was raised: it is as severe as its worst alert."""
    return msgspec.structs.replace(
        incident,
        severity=max(incident.severity, alert.severity, key=RANK.__getitem__),
        summary=alert.summary,
    )


def _raised(conn: sa.Connection, ids: list[str]) -> dict[str, set[int]]:
    """The windows for which each incident was raised."""
    found: dict[str, set[int]] = defaultdict(set)
    query = sa.select(alerts.c.incident, alerts.c.window).where(alerts.c.incident.in_(ids))
    for row in conn.execute(query):
        found[row.incident].add(row.window)
    return found


def _stood(
    one: Incident,
    windows: Sequence[Window],
    health: Sequence[Health],
    raised: set[int],
    spec: MonitorSpec,
    now: int,
) -> Incident:
    """An incident as the windows leave it; ``health`` are those of the clock, oldest first."""
    if one.state == "resolved":
        return one
    seen: list[tuple[int, bool | None]]
    if one.kind == "health":
        seen = [(h.start, one.feature in h.beyond) for h in health if h.start >= one.since]
    elif one.kind == "log":  # all that is known of what was lost is when it was told
        seen = [(start, True) for start in sorted(raised)]
    else:
        seen = [(w.start, there(one, w, raised)) for w in windows if w.start >= one.since]
    found = stand(one.since, seen)
    lasts = one.feature == SILENCE  # until rows come
    over = found.over or (
        one.kind in CLOCKED and not lasts and now >= found.last + _patience(one, spec)
    )
    return msgspec.structs.replace(
        _now_said(one, windows), last=found.last, windows=max(found.windows, one.windows),
        state="resolved" if over else "open", resolved=now if over else None,
    )  # fmt: skip


def _now_said(one: Incident, windows: Sequence[Window]) -> Incident:
    """As the newest of the windows (oldest first) that has the fault puts it, since what is wrong
    with a feature may become something else, and worse; its first alert keeps the first sentence.
    """
    if one.kind != "quality":
        return one
    faults = [w.checks.get("faults", {}).get(one.feature) for w in windows if w.start >= one.since]
    last = next((fault for fault in reversed(faults) if fault is not None), None)
    if last is None:
        return one
    told: Severity = "critical" if last["quarantine"] else "warning"
    return msgspec.structs.replace(
        one,
        summary=last["summary"],
        severity=max(one.severity, told, key=RANK.__getitem__),
    )


def _over(one: Incident, now: int) -> Incident:
    return msgspec.structs.replace(one, state="resolved", resolved=one.resolved or now)


def _patience(one: Incident, spec: MonitorSpec) -> int:
    """How long after its last window something of the clock is over, ms."""
    health = spec.health if one.kind == "health" else None
    return (QUIET + 1) * clock_width(health.window if health else spec.window)


class _Telling:
    """Queues what the rules tell of incidents, and notes on them what was told."""

    def __init__(
        self,
        conn: sa.Connection,
        spec: MonitorSpec,
        silences: list[Silence],
        now: int,
        outcome: Callable[[str], str],
    ) -> None:
        self.conn, self.spec, self.silences, self.now = conn, spec, silences, now
        self.outcome = outcome
        self.queued = 0

    def tell(self, incidents: list[Incident]) -> list[Incident]:
        """The incidents after it."""
        known = {one.id: one for one in incidents}
        for name, rule in named(self.spec.alerts):
            groups: dict[str, list[Incident]] = defaultdict(list)
            for one in known.values():
                if name in one.told or concerns(rule, one):
                    groups[key_of(name, rule, one)].append(one)
            for key, members in groups.items():
                known.update({one.id: one for one in self._group(name, rule, key, members)})
        return [self._settled(one) for one in known.values()]

    def _group(
        self, name: str, rule: RuleSpec, key: str, members: list[Incident]
    ) -> list[Incident]:
        """Tell of a group what is new in it; its end once all of it is over."""
        if any(self._news(name, rule, one) for one in members):
            members = [self._mark(name, rule, key, one) for one in members]
            shown = [one for one in members if name in one.told and not one.told[name].ended]
            self._queue("firing", name, rule, key, shown, self.now)
        told = [one for one in members if name in one.told and not one.told[name].ended]
        if told and all(one.state == "resolved" for one in told):
            # Later than what fired, so that it is sent after it even when both are of one look.
            self._queue("resolved", name, rule, key, told, self.now + 1)
            members = [_ended(name, one) for one in members]
        return members

    def _news(self, name: str, rule: RuleSpec, one: Incident) -> bool:
        """Whether a rule has something to tell of an incident: it is new, or got worse."""
        if one.windows < rule.windows or any(silence.covers(one) for silence in self.silences):
            return False
        told = one.told.get(name)
        return told is None or RANK[told.severity] < RANK[one.severity]

    def _mark(self, name: str, rule: RuleSpec, key: str, one: Incident) -> Incident:
        if not self._news(name, rule, one):
            return one
        told = {**one.told, name: Telling(key, one.severity)}
        return msgspec.structs.replace(one, told=told)

    def _queue(
        self, state: str, name: str, rule: RuleSpec, key: str, shown: list[Incident], at: int
    ) -> None:
        cycles = cycles_of(self.conn, [one.id for one in shown])
        outcomes = {id: self.outcome(of[-1]) for id, of in cycles.items()}
        notice = Notice(
            key=key, state="firing" if state == "firing" else "resolved",
            endpoint=shown[0].endpoint, rule=name,
            severity=max((one.severity for one in shown), key=RANK.__getitem__), at=at,
            items=[one.item(outcomes.get(one.id, "")) for one in shown],
        )  # fmt: skip
        for channel in rule.channels:
            self.queued += DeliveryStore.add(self.conn, notice, channel, at)

    def _settled(self, one: Incident) -> Incident:
        """Over, and the end of all that was told of it was told, by rules that are still there."""
        rules = {name for name, _ in named(self.spec.alerts)}
        left = any(not told.ended for name, told in one.told.items() if name in rules)
        return msgspec.structs.replace(one, settled=one.state == "resolved" and not left)


def _ended(name: str, one: Incident) -> Incident:
    if name not in one.told:
        return one
    told = {**one.told, name: msgspec.structs.replace(one.told[name], ended=True)}
    return msgspec.structs.replace(one, told=told)

"""What was found in which window: the rows that watching writes and everything else reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from everloop.errors import NotFound, invalid
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import insert_or_ignore, upsert
from everloop.store.tables import alerts, windows

MAX_PAGE = 1000
COUNTED = "counted"  # the state of a window whose labels came where nothing scores answers

AlertKind = Literal[
    "quality", "drift", "performance", "estimate", "labels", "log", "health", "cycle"
]


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of event time ``[start, end)`` of one endpoint, in milliseconds UTC.

    ``checks`` holds ``faults`` and ``drift`` by feature, how the level was spent, and the
    reference's digest; ``performance`` is a dictionary whose ``state`` is ``waiting`` (for labels)
    or ``done``. It holds ``expected``, what the scores may be by an estimate that needs no labels,
    and keeps it beside the real ones. Where nothing scores the answers it is None, and of the state
    ``counted`` once labels have come.
    """

    endpoint: str
    start: int
    end: int
    rows: int
    labelled: int
    checks: dict[str, Any]
    performance: dict[str, Any] | None
    quarantined: bool
    updated: int

    @property
    def drifting(self) -> list[str]:
        """Features whose drift was established in this window, strongest first."""
        found = {n: d["effect"] for n, d in self.checks.get("drift", {}).items() if d["drifted"]}
        return sorted(found, key=lambda name: -found[name])

    @property
    def features(self) -> list[tuple[str, dict[str, Any]]]:
        """What was found of each feature's drift, established ones first, then the surest."""
        found: dict[str, dict[str, Any]] = self.checks.get("drift", {})
        return sorted(found.items(), key=lambda item: (item[1]["adjusted"], item[1]["p_value"]))

    @property
    def drifting_far(self) -> list[str]:
        """Those of them with an effect that calls for an update."""
        return [name for name in self.drifting if self.checks["drift"][name]["far"]]

    @property
    def expected(self) -> float | None:
        """What the score was expected to be before labels came, with the metric's own sign."""
        found = (self.performance or {}).get("expected") or {}
        own = found.get("metrics", {}).get(found.get("metric"))
        return None if own is None else float(own["value"])

    @property
    def expected_worse(self) -> bool:
        """Whether the answers are worse by an estimate, and no label has said otherwise yet."""
        found = self.performance or {}
        expected = found.get("expected") or {}
        return found.get("state") == "waiting" and bool(expected.get("worse"))

    @property
    def worse(self) -> bool:
        """Whether the answers were established to be worse than when the model was tested."""
        return bool((self.performance or {}).get("worse"))


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Something worth telling, with its evidence; one per window, kind and feature."""

    id: str
    endpoint: str
    window: int  # start of the window
    kind: AlertKind
    severity: Literal["info", "warning", "critical"]
    feature: str | None
    summary: str
    evidence: dict[str, Any]
    at: int
    cycle: str | None = None
    incident: str | None = None  # what it belongs to; None until the alerts were routed


def alert_id(endpoint: str, window: int, kind: str, feature: str | None) -> str:
    """The same finding always has the same id, so finding it again adds nothing."""
    text = "\0".join([endpoint, str(window), kind, feature or ""])
    return hashlib.sha256(text.encode()).hexdigest()


class WindowStore:
    """Windows and alerts in the database; safe to share between threads."""

    def __init__(self, db: Database) -> None:
        self.db = db

    # -- read ------------------------------------------------------------------------------------

    def get(self, endpoint: str, start: int) -> Window:
        """Raises :class:`~everloop.errors.NotFound`."""
        found = self._windows(windows.c.endpoint == endpoint, windows.c.start == start)
        if not found:
            raise NotFound(f"window: endpoint {endpoint!r} has no window that starts at {start}.")
        return found[0]

    def latest(self, endpoint: str) -> Window | None:
        """The newest window."""
        found = self.page(endpoint, limit=1)
        return found[0] if found else None

    def page(self, endpoint: str, before: int | None = None, limit: int = 100) -> list[Window]:
        """Windows newest first; ``before`` is the start of the last one of the page before."""
        where = [windows.c.endpoint == endpoint]
        if before is not None:
            where.append(windows.c.start < before)
        return self._windows(*where, limit=limit)

    def since(self, endpoint: str, start: int) -> list[Window]:
        """Windows that end after ``start``, oldest first, at most 1,000 (the newest)."""
        found = self._windows(windows.c.endpoint == endpoint, windows.c.end > start, limit=MAX_PAGE)
        return found[::-1]

    def quarantined(self, endpoint: str) -> list[tuple[int, int]]:
        """``(start, end)`` of every window whose rows must not train a model, oldest first."""
        query = (
            sa.select(windows.c.start, windows.c.end)
            .where(windows.c.endpoint == endpoint, windows.c.quarantined)
            .order_by(windows.c.start)
        )
        with self.db.read() as conn:
            return [(row.start, row.end) for row in conn.execute(query)]

    def labelled(self, endpoint: str) -> int:
        """Rows with a label in all windows that are not in quarantine."""
        query = sa.select(sa.func.sum(windows.c.labelled)).where(
            windows.c.endpoint == endpoint, sa.not_(windows.c.quarantined)
        )
        with self.db.read() as conn:
            return int(conn.execute(query).scalar_one() or 0)

    def alerts(
        self,
        endpoint: str,
        since: int | None = None,
        before: tuple[int, str] | None = None,
        kind: AlertKind | None = None,
        limit: int = 100,
        raised_after: int | None = None,
    ) -> list[Alert]:
        """Alerts, newest window first.

        ``since``: only of windows that start then or later. ``before``: the ``(window, id)`` of
        the last alert of the page before. ``raised_after``: only those that came after that time.
        """
        query = sa.select(alerts).where(alerts.c.endpoint == endpoint)
        if raised_after is not None:
            query = query.where(alerts.c.at > raised_after)
        if since is not None:
            query = query.where(alerts.c.window >= since)
        if kind is not None:
            query = query.where(alerts.c.kind == kind)
        if before is not None:
            window, key = before
            older = alerts.c.window < window
            query = query.where(older | ((alerts.c.window == window) & (alerts.c.id > key)))
        query = query.order_by(alerts.c.window.desc(), alerts.c.id)
        with self.db.read() as conn:
            rows = conn.execute(query.limit(max(1, min(limit, MAX_PAGE)))).all()
        return [read_alert(row) for row in rows]

    def of_incident(self, incident: str) -> list[Alert]:
        """The alerts that an incident is made of, oldest window first."""
        query = sa.select(alerts).where(alerts.c.incident == incident)
        with self.db.read() as conn:
            rows = conn.execute(query.order_by(alerts.c.window, alerts.c.id).limit(MAX_PAGE)).all()
        return [read_alert(row) for row in rows]

    def alert(self, key: str) -> Alert:
        """An alert by its id or the first 4 or more characters of it.

        Raises :class:`~everloop.errors.NotFound` for none, and
        :class:`~everloop.errors.InvalidInput` for what several begin with.
        """
        key = key.lower()
        if not (4 <= len(key) <= 64 and set(key) <= set("0123456789abcdef")):
            raise invalid("alert", key, "4 to 64 characters of an alert's id, from 0 to f")
        query = sa.select(alerts).where(alerts.c.id.startswith(key)).limit(2)
        with self.db.read() as conn:
            rows = conn.execute(query).all()
        if not rows:
            raise NotFound(f"alert: there is none whose id begins with {key!r}.")
        if len(rows) > 1:
            raise invalid("alert", key, "more characters: several alerts begin so")
        return read_alert(rows[0])

    def unmeasured(
        self, endpoint: str, seen: int, labels: int, again: int, full: float
    ) -> list[int]:
        """Starts of windows to score now, oldest first.

        Those whose labels are due at ``seen`` and, of the newest ``again``, those that had fewer
        labels than the share ``full``; each only if feedback up to part number ``labels`` holds
        some that were not looked at.
        """
        due: list[int] = []
        for place, (start, share, said) in enumerate(self._newest_labels(endpoint)):
            if said["state"] != COUNTED and said["part"] < labels and said["due"] <= seen:
                late = place < again and share < full
                due += [start] if said["state"] == "waiting" or late else []
        return due[::-1]

    def uncounted(self, endpoint: str, labels: int, again: int, full: float) -> list[int]:
        """Starts of windows that nothing scores and whose labels are to be counted, oldest first.

        Those that have none yet and, of the newest ``again``, those that have fewer than the share
        ``full``; each only if feedback up to part number ``labels`` holds some that were not looked
        at.
        """
        found: list[int] = []
        for place, (start, share, said) in enumerate(self._newest_labels(endpoint)):
            if said["state"] == COUNTED and said["part"] < labels:
                found += [start] if not share or (place < again and share < full) else []
        return found[::-1]

    def _newest_labels(self, endpoint: str) -> Iterator[tuple[int, float, dict[str, Any]]]:
        """Start, share of the rows with a label, and ``performance`` of the newest windows."""
        query = (
            sa.select(windows.c.start, windows.c.rows, windows.c.labelled, windows.c.performance)
            .where(windows.c.endpoint == endpoint)
            .order_by(windows.c.start.desc())
            .limit(MAX_PAGE)
        )
        with self.db.read() as conn:
            known = conn.execute(query).all()
        for start, rows, labelled, performance in known:
            said = {"state": COUNTED, "part": 0}
            yield start, labelled / rows, msgspec.json.decode(performance) if performance else said

    def measured_before(self, endpoint: str, start: int) -> dict[str, Any] | None:
        """``performance`` of the last scored window before ``start``, of the last thousand."""
        query = (
            sa.select(windows.c.performance)
            .where(
                windows.c.endpoint == endpoint,
                windows.c.start < start,
                windows.c.performance.is_not(None),
            )
            .order_by(windows.c.start.desc())
            .limit(MAX_PAGE)
        )
        with self.db.read() as conn:
            for row in conn.execute(query):
                said: dict[str, Any] = msgspec.json.decode(row.performance)
                if said["state"] == "done":
                    return said
        return None

    # -- write -----------------------------------------------------------------------------------

    def save(self, conn: sa.Connection, window: Window, found: Sequence[Alert]) -> list[Alert]:
        """Write a window and its alerts in the caller's transaction; returns the new alerts.

        A window that was released from quarantine by a person stays released.
        """
        values = {f: getattr(window, f) for f in Window.__struct_fields__}
        values["checks"] = msgspec.json.encode(window.checks).decode()
        performance = window.performance
        values["performance"] = (
            None if performance is None else msgspec.json.encode(performance).decode()
        )
        updates = [name for name in values if name not in ("endpoint", "start")]
        conn.execute(upsert(windows, ["endpoint", "start"], updates), values)
        return [alert for alert in found if self.add(conn, alert)]

    def release(self, conn: sa.Connection, endpoint: str, start: int, by: str) -> None:
        """Take a window out of quarantine: a person says that its rows are sound after all."""
        window = self.get(endpoint, start)
        checks = window.checks | {"released_by": by}
        conn.execute(
            sa.update(windows)
            .where(windows.c.endpoint == endpoint, windows.c.start == start)
            .values(
                quarantined=False, checks=msgspec.json.encode(checks).decode(), updated=now_ms()
            )
        )

    def link(self, conn: sa.Connection, ids: Sequence[str], cycle: str) -> None:
        """Write on alerts which cycle they led to; the first cycle stays."""
        unlinked = alerts.c.id.in_(list(ids)) & alerts.c.cycle.is_(None)
        conn.execute(sa.update(alerts).where(unlinked).values(cycle=cycle))

    def explain(self, alert: Alert, cause: Any) -> None:
        """Keep what was found of an alert's cause, in its evidence."""
        evidence = msgspec.json.encode(alert.evidence | {"cause": cause}).decode()
        with self.db.write() as conn:
            mine = alerts.c.id == alert.id
            conn.execute(sa.update(alerts).where(mine).values(evidence=evidence))

    @staticmethod
    def add(conn: sa.Connection, alert: Alert) -> bool:
        """Keep an alert; False when there is one of its id."""
        values = {f: getattr(alert, f) for f in Alert.__struct_fields__}
        values["evidence"] = msgspec.json.encode(alert.evidence).decode()
        added = insert_or_ignore(alerts).values(values).returning(alerts.c.id)
        return conn.execute(added).first() is not None

    def _windows(self, *where: sa.ColumnElement[bool], limit: int = 1) -> list[Window]:
        query = sa.select(windows).where(*where).order_by(windows.c.start.desc())
        with self.db.read() as conn:
            rows = conn.execute(query.limit(max(1, min(limit, MAX_PAGE)))).all()
        return [_window(row) for row in rows]


def _window(row: sa.Row[Any]) -> Window:
    values = dict(row._mapping)
    values["checks"] = msgspec.json.decode(row.checks)
    values["performance"] = row.performance and msgspec.json.decode(row.performance)
    return Window(**values)


def read_alert(row: sa.Row[Any]) -> Alert:
    """An alert as its row has it."""
    return Alert(**dict(row._mapping) | {"evidence": msgspec.json.decode(row.evidence)})

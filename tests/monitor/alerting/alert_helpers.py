"""Windows of an endpoint with drift, written as watching writes them, and those who are told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from everloop.monitor.alerting.channels._base import Surroundings, channel_of
from everloop.monitor.alerting.desk import AlertDesk
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.windows import Alert, Window, WindowStore, alert_id
from everloop.registry.signing import Keys
from everloop.store.database import Database
from everloop.store.events import EventLog

DAY = 86_400_000
T0 = 1_356_998_400_000  # 2013-01-01
ENV = {"HOOK_SECRET": "s3cret", "PAGER_KEY": "r0uting"}


class Office:
    """A desk over a real database; its channels are those of ``tables``, by name."""

    def __init__(
        self, db: Database, folder: Path, tables: Mapping[str, Any], env: Mapping[str, str] = ENV
    ) -> None:
        self.folder = folder
        self.events = EventLog(db, Keys.load_or_create(folder / "keys"))
        self.windows = WindowStore(db)
        self.env = dict(env)
        self.tables = dict(tables)
        around = Surroundings(self.env, folder, frozenset({"127.0.0.1"}))
        self.desk = AlertDesk(self.windows, self.events, self._channels, around, "{} ended".format)

    def _channels(self, endpoint: str) -> dict[str, Any]:
        return {name: channel_of(table, name) for name, table in self.tables.items()}

    def day(self, day: int, *drifting: str, severity: Any = "warning", new: Any = None) -> None:
        """A window in which these features drifted; ``new`` (all of them) are raised."""
        start = T0 + day * DAY
        names = {*drifting, "quiet", "x", "y", "x<y>"}
        drift = {name: {"drifted": name in drifting, "effect": 0.3} for name in names}
        window = Window(
            endpoint="e", start=start, end=start + DAY, rows=500, labelled=0, performance=None,
            checks={"faults": {}, "drift": drift},
            quarantined=False, updated=start,
        )  # fmt: skip
        raised = [self.alert(start, name, severity) for name in (drifting if new is None else new)]
        with self.events.transaction() as conn:
            self.windows.save(conn, window, raised)

    def alert(self, start: int, feature: str | None, severity: Any, kind: Any = "drift") -> Alert:
        return Alert(
            id=alert_id("e", start, kind, feature), endpoint="e", window=start, kind=kind,
            severity=severity, feature=feature, summary=f"{feature} drifted", evidence={}, at=start,
        )  # fmt: skip

    def route(self, spec: MonitorSpec) -> int:
        return self.desk.route("e", spec)

    def send(self) -> int:
        return self.desk.courier().deliver_due()

    def lines(self, name: str = "told.jsonl") -> list[tuple[str, list[str]]]:
        """What a file channel holds: the state of each notice and the features in it."""
        path = self.folder / name
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [(row["state"], [item["feature"] for item in row["items"]]) for row in rows]

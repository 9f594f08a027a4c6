"""The methods of :class:`everloop.loop.alerts.LoopAlerts` over HTTP."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from everloop.data.streams import open_table
from everloop.monitor.alerting.deliveries import AlertDelivery
from everloop.monitor.alerting.desk import AlertDetail, AlertLine, ChannelTested
from everloop.monitor.alerting.silences import Silence
from everloop.monitor.feedback import Fed
from everloop.monitor.foreign import Logged
from everloop.monitor.health import Health
from everloop.monitor.spec import RuleSpec
from everloop.monitor.windows import Window

if TYPE_CHECKING:
    from everloop.loop.remote import Server

PIECE = 50_000  # rows in a request


class RemoteAlerts:
    """The part of a :class:`~everloop.loop.remote.RemoteLoop` that is about alerts."""

    server: Server
    name: str
    endpoint: Any

    def alerts(self, state: str | None = None, limit: int = 20) -> list[AlertLine]:
        return self.server.page(
            "/alerts", AlertLine, endpoint=self.endpoint, state=state, limit=limit
        )

    def alert(self, id: str) -> AlertDetail:
        return self.server.call("GET", f"/alerts/{id}", AlertDetail)

    def silence(
        self, duration: str, comment: str, *, by: str, kind: str = "*", feature: str = "*"
    ) -> Silence:
        """The server knows who calls by the token; ``by`` is kept in the comment."""
        body = {
            "duration": duration, "comment": f"{by}: {comment}" if comment.strip() else comment,
            "endpoint": self.endpoint, "kind": kind, "feature": feature,
        }  # fmt: skip
        return self.server.call("POST", "/silences", Silence, json=body)

    def unsilence(self, id: str, *, by: str) -> Silence:
        """The server knows who calls by the token."""
        return self.server.call("DELETE", f"/silences/{id}", Silence)

    def release(self, start: int, *, by: str, comment: str = "") -> Window:
        """The server knows who calls by the token; ``by`` is kept in the comment."""
        body = {"comment": f"{by}: {comment}" if comment else by}
        path = f"/endpoints/{self.endpoint}/windows/{start}/release"
        return self.server.call("POST", path, Window, json=body)

    def silences(self, limit: int = 20) -> list[Silence]:
        return self.server.page("/silences", Silence, limit=limit)

    def rules(self) -> list[RuleSpec]:
        found = self.server.call("GET", f"/loops/{self.name}", dict[str, Any])
        return msgspec.convert(found["declaration"]["monitor"]["alerts"], list[RuleSpec])

    def channels(self) -> dict[str, Any]:
        return self.server.call("GET", f"/loops/{self.name}/channels", dict[str, Any])

    def test_channel(self, name: str) -> ChannelTested:
        path = f"/loops/{self.name}/channels/{name}/test"
        return self.server.call("POST", path, ChannelTested, json={})

    def deliveries(self, state: str | None = None, limit: int = 20) -> list[AlertDelivery]:
        return self.server.page(
            "/alert-deliveries", AlertDelivery, endpoint=self.endpoint, state=state, limit=limit
        )

    def health(self, limit: int = 20) -> list[Health]:
        return self.server.page(f"/endpoints/{self.endpoint}/health", Health, limit=limit)

    def feedback(
        self,
        source: str | Path | pl.DataFrame,
        *,
        id: str | None = None,
        label: str | None = None,
        time: str | None = None,
    ) -> Fed:
        """A file of this machine is sent some ten thousand rows at a time."""
        return send_labels(
            self.server, source, self.endpoint, {"id": id, "label": label, "time": time}
        )

    def log_predictions(self, source: str | Path | pl.DataFrame, **columns: Any) -> Logged:
        """A file of this machine is sent some ten thousand rows at a time."""
        return send_predictions(self.server, source, self.endpoint, columns)


def send_labels(
    server: Server,
    source: str | Path | pl.DataFrame,
    endpoint: str,
    columns: dict[str, str | None],
) -> Fed:
    """Send the labels of a table of this machine to an endpoint of ``server``."""
    given = {key: value for key, value in columns.items() if value is not None}
    fed = Fed()
    for body in _pieces(source, [columns["id"] or "id"]):
        path = f"/endpoints/{endpoint}/feedback"
        fed = fed.plus(server.call("POST", path, Fed, params=given, content=body))
    return fed


def send_predictions(
    server: Server, source: str | Path | pl.DataFrame, endpoint: str, columns: dict[str, Any]
) -> Logged:
    """Send predictions that something else made, as a table of this machine."""
    params = {name: value for name, value in columns.items() if name not in ("features", "senders")}
    params["sender"] = list(columns.get("senders", ()))
    renamed = columns.get("features", {})
    params["feature"] = [f"{name}={column}" for name, column in renamed.items()]
    total = Logged()
    for body in _pieces(source, [columns.get("id") or "id"]):
        path = f"/endpoints/{endpoint}/log"
        total = total.plus(server.call("POST", path, Logged, params=params, content=body))
    return total


def _pieces(source: str | Path | pl.DataFrame, text: list[str]) -> Iterator[bytes]:
    """A table as Parquet, some rows at a time; the columns ``text`` stay as they are written."""
    if isinstance(source, pl.DataFrame):
        tables: Any = source.iter_slices(PIECE)
    else:
        table = open_table(str(source), Path.cwd(), text)
        tables = table.batches(table.names(), rows=PIECE)
    for rows in tables:
        body = io.BytesIO()
        rows.write_parquet(body)
        yield body.getvalue()

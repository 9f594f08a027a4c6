"""Everything about alerts that people and programs ask for: one object for CLI, HTTP and Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from everloop.errors import NotFound, did_you_mean
from everloop.monitor.alerting.channels._base import Surroundings
from everloop.monitor.alerting.deliveries import (
    AlertCourier,
    AlertDelivery,
    Channels,
    DeliveryStore,
    tested,
)
from everloop.monitor.alerting.incidents import Incident, IncidentStore
from everloop.monitor.alerting.router import Router
from everloop.monitor.alerting.rules import named
from everloop.monitor.alerting.silences import Silence, SilenceStore
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.windows import Alert, WindowStore
from everloop.store.clock import now_ms
from everloop.store.events import EventLog


class AlertLine(msgspec.Struct, frozen=True, kw_only=True):
    """An incident as it stands: ``open``, ``silenced`` or ``resolved``, and by which silence."""

    state: Literal["open", "silenced", "resolved"]
    incident: Incident
    silence: Silence | None = None


class AlertDetail(msgspec.Struct, frozen=True, kw_only=True):
    """An incident with the alerts it is made of and what was sent of it."""

    line: AlertLine
    alerts: list[Alert]
    deliveries: list[AlertDelivery]


class ChannelTested(msgspec.Struct, frozen=True):
    """What came of a test; ``error`` holds no secret."""

    ok: bool
    status: int | None
    error: str | None


class AlertDesk:
    """Alerts of a project.

    Parameters
    ----------
    channels : what the loop of an endpoint declares.
    around : where channels are used.
    outcome : how a cycle ended, in words; empty while it goes on.
    """

    def __init__(
        self,
        windows: WindowStore,
        events: EventLog,
        channels: Channels,
        around: Surroundings,
        outcome: Callable[[str], str] = lambda _: "",
    ) -> None:
        self.windows = windows
        self.channels = channels
        self.around = around
        self.silences = SilenceStore(windows.db, events)
        self.incidents = IncidentStore(windows.db)
        self.deliveries = DeliveryStore(windows.db)
        self._router = Router(windows, events, self.silences, outcome)

    def route(self, endpoint: str, spec: MonitorSpec, now: int | None = None) -> int:
        """Take in what was raised at an endpoint; returns how many deliveries were queued."""
        return self._router.look(endpoint, spec, now)

    def courier(self) -> AlertCourier:
        """What sends the deliveries; start it, and stop it at the end."""
        return AlertCourier(self.windows.db, self.channels, self.around)

    def page(
        self,
        endpoint: str | None = None,
        state: str | None = None,
        before: tuple[int, str] | None = None,
        limit: int = 100,
    ) -> list[AlertLine]:
        """Incidents, newest first; ``state`` is ``open`` (silenced ones too) or ``resolved``."""
        found = self.incidents.page(endpoint, state, before, limit)
        active = self.silences.active(now_ms())
        return [_line(one, active) for one in found]

    def get(self, id: str) -> AlertDetail:
        """By its id, or the beginning of it. Raises :class:`~everloop.errors.NotFound`."""
        found = self.incidents.get(id)
        return AlertDetail(
            line=_line(found, self.silences.active(now_ms())),
            alerts=self.windows.of_incident(found.id),
            deliveries=self.deliveries.page(incident=found.id),
        )

    def test(self, endpoint: str, channel: str) -> ChannelTested:
        """Send a test to a channel now. Raises NotFound for one that is not declared."""
        declared = self.channels(endpoint)
        if channel not in declared:
            raise NotFound(
                f"channel: got {channel[:64]!r}, expected one of "
                f"{', '.join(declared) or 'those in [monitor.channels], where there is none'}.",
                code="no_channel", path="channel", got=channel[:64],
                fix=did_you_mean(channel, declared),
            )  # fmt: skip
        outcome = tested(declared[channel], channel, endpoint, self.around)
        return ChannelTested(outcome.ok, outcome.status, outcome.error)


def declared_channels(spec: MonitorSpec) -> dict[str, Any]:
    """The names and kinds of a loop's channels, and the rules that tell them; no secrets."""
    rules = named(spec.alerts)
    return {
        name: {
            "kind": table.get("kind"),
            "rules": [known for known, rule in rules if name in rule.channels],
        }
        for name, table in spec.channels.items()
    }  # fmt: skip


def _line(one: Incident, active: list[Silence]) -> AlertLine:
    if one.state == "resolved":
        return AlertLine(state="resolved", incident=one)
    silence = next((silence for silence in active if silence.covers(one)), None)
    return AlertLine(state="silenced" if silence else "open", incident=one, silence=silence)

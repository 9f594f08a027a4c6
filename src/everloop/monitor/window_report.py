"""One window's report: what was found in it, as a page and as JSON, from what the window keeps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from markupsafe import Markup

from everloop.errors import NotFound, invalid
from everloop.monitor.pages import template
from everloop.monitor.windows import Alert, Window, WindowStore
from everloop.page import page_style

_FORM = "%Y-%m-%d %H:%M"


class WindowReport(msgspec.Struct, frozen=True):
    """A window with its alerts. The page is drawn from it; its JSON twin is exactly this."""

    window: Window
    alerts: list[Alert]
    format: int = 1

    def to_html(self) -> str:
        """The page: inline style, no script, no address outside itself."""
        checks, performance = self.window.checks, self.window.performance or {}
        drift = sorted(
            checks.get("drift", {}).items(),
            key=lambda item: (-item[1]["drifted"], -item[1]["effect"]),
        )
        return template("window.html").render(
            w=self.window,
            style=Markup(page_style()),
            begin=_moment(self.window.start),
            end=_moment(self.window.end),
            state=self._state(),
            alerts=self.alerts,
            faults=checks.get("faults", {}),
            drift=drift,
            note=checks.get("note") or checks.get("drift_note") or "",
            facts=list(_flat(performance)),
        )

    def _repr_html_(self) -> str:
        """The page in a frame of its own, so that a notebook's style stays what it is."""
        frame = '<iframe sandbox srcdoc="{}" style="width: 100%; height: 40em; border: 0"></iframe>'
        return Markup(frame).format(self.to_html())

    def to_json(self) -> bytes:
        """The twin of the page."""
        return msgspec.json.format(msgspec.json.encode(self))

    def _state(self) -> str:
        window = self.window
        if "note" in window.checks:
            return "not enough evidence"
        if window.quarantined:
            return "quarantined"
        return "worse" if window.worse else ("drift" if window.drifting else "no drift")


def window_report(store: WindowStore, endpoint: str, start: int | None = None) -> WindowReport:
    """The report of the window that starts at ``start`` (ms), by default the newest.

    Raises :class:`~everloop.errors.NotFound` when there is none.
    """
    window = store.latest(endpoint) if start is None else store.get(endpoint, start)
    if window is None:
        raise NotFound(f"window: no window of endpoint {endpoint!r} is over yet.")
    found = store.alerts(endpoint, since=window.start, limit=1000)
    return WindowReport(window, [alert for alert in found if alert.window == window.start])


def moment_of(text: str) -> int:
    """Milliseconds of a window's start as it is shown, or as the number itself.

    Raises :class:`~everloop.errors.InvalidInput` for anything else.
    """
    if text.isdigit() and len(text) > 8:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(
            "window", text, "the start of a window, as 2024-05-01 or 2024-05-01T06:00"
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime(_FORM)


def _flat(values: dict[str, Any], before: str = "") -> Any:
    """Names and values of what is nested, as ``baseline value``; lists are left to the JSON."""
    for name, value in values.items():
        said = f"{before} {name}".strip().replace("_", " ")
        if isinstance(value, dict):
            yield from _flat(value, said)
        elif isinstance(value, float):
            yield said, f"{value:.4g}"
        elif not isinstance(value, list):
            yield said, "–" if value is None else str(value)

"""What an explanation says."""

from __future__ import annotations

import msgspec

from everloop.errors import NotFound
from everloop.monitor.cause.attribution import Attribution
from everloop.monitor.cause.carriers import Carrier
from everloop.monitor.cause.change_point import ChangePoint
from everloop.monitor.cause.similar import Similar
from everloop.monitor.cause.upstream import Upstream
from everloop.monitor.windows import Alert, WindowStore


class Cause(msgspec.Struct, frozen=True):
    """What is known of an alert's cause; ``notes`` say what is not, and why.

    ``since`` is None when no one moment stands out: the change was gradual, or before the log.
    ``segments`` are levels of features, ``sources`` clients, arms and versions. ``rows`` counts
    those looked at, before the change and after it; ``labelled`` those of the window that had
    their labels then. ``seconds`` is what it took.
    """

    alert: str
    summary: str
    sentence: str = ""
    since: ChangePoint | None = None
    attribution: Attribution | None = None
    segments: list[Carrier] = []
    sources: list[Carrier] = []
    upstream: list[Upstream] = []
    similar: list[Similar] = []
    rows: tuple[int, int] = (0, 0)
    labelled: int = 0
    notes: list[str] = []
    seconds: float = 0.0


def kept_cause(alert: Alert) -> Cause | None:
    """What was found when the alert was explained, if it was."""
    kept = alert.evidence.get("cause")
    return None if kept is None else msgspec.convert(kept, Cause)


def standing_cause(windows: WindowStore, alert: Alert) -> Cause | None:
    """What was found, unless more labels of the alert's window have come since."""
    kept = kept_cause(alert)
    if kept is None:
        return None
    try:
        labelled = windows.get(alert.endpoint, alert.window).labelled
    except NotFound:
        labelled = 0
    return kept if kept.labelled >= labelled else None

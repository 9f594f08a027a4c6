"""What an explanation says."""

from __future__ import annotations

import msgspec

from everloop.monitor.cause.attribution import Attribution
from everloop.monitor.cause.carriers import Carrier
from everloop.monitor.cause.change_point import ChangePoint
from everloop.monitor.cause.similar import Similar
from everloop.monitor.cause.upstream import Upstream


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

"""Detectors that see answers and errors one by one, beside the windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from everloop.extensions import sequential_detectors
from everloop.monitor.profile import Floats
from everloop.monitor.windows import Alert, alert_id
from everloop.store.clock import now_ms

PAST = 4  # windows that a detector sees before the one it judges
LONGEST = 20_000  # values at most; river takes about a second for so many


def changes(
    endpoint: str,
    start: int,
    what: str,
    names: tuple[str, ...],
    before: Floats,
    now: Floats,
    times: list[int],
) -> tuple[dict[str, Any], list[Alert]]:
    """What each detector finds in the window's values, and one alert for each that finds a change.

    ``what`` is seen (``answers`` or ``errors``), ``before`` in the windows before this one and
    ``now`` in it, at ``times`` (ms). A missing value is left out. Detectors that take errors of 0
    and 1 alone leave other values alone. River's detectors bound false alarms by themselves, each
    in its way; none of these alerts calls for an update.
    """
    known = np.isfinite(now)
    when = np.asarray(times, dtype=np.int64)[known][-LONGEST:]
    now = now[known][-LONGEST:]
    before = before[np.isfinite(before)]
    before = before[max(0, len(before) + len(now) - LONGEST) :]
    values = np.concatenate([before, now])
    binary = bool(np.isin(values, (0.0, 1.0)).all())
    found: dict[str, Any] = {}
    alerts = []
    for name in names:
        detector = sequential_detectors.get(name, "monitor.sequential")()
        if detector.binary and not (what == "errors" and binary):
            continue
        places = [at - len(before) for at in detector.changes(values) if at >= len(before)]
        found[name] = [int(when[place]) for place in places]
        if places:
            alerts.append(_alert(endpoint, start, what, name, found[name]))
    return found, alerts


def _alert(endpoint: str, start: int, what: str, name: str, at: list[int]) -> Alert:
    return Alert(
        id=alert_id(endpoint, start, "drift", f"({what}) {name}"),
        endpoint=endpoint,
        window=start,
        kind="drift",
        severity="info",
        feature=f"({what})",
        summary=f"{name} saw a change of the {what}",
        evidence={"detector": name, "at": at},
        at=now_ms(),
    )

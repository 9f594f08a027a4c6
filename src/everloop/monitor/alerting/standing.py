"""Whether an incident goes on, by what the windows say: hysteresis, so that nothing flaps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from everloop.monitor.alerting.incidents import Incident
from everloop.monitor.episodes import QUIET
from everloop.monitor.windows import Window


class Standing(msgspec.Struct, frozen=True):
    """``last`` window with it, the most ``windows`` in a row, and how many since are ``quiet``."""

    last: int
    windows: int
    quiet: int

    @property
    def over(self) -> bool:
        return self.quiet >= QUIET


def stand(since: int, seen: Iterable[tuple[int, bool | None]]) -> Standing:
    """How it stands after the windows ``seen``, oldest first, as ``(start, there or not)``.

    A window that cannot tell (None) neither prolongs nor breaks a row of windows.
    """
    last, run, most, quiet = since, 0, 1, 0
    for start, there in seen:
        if there:
            last, run, quiet = start, run + 1, 0
            most = max(most, run)
        elif there is not None:
            run, quiet = 0, quiet + 1
    return Standing(last, most, quiet)


def there(incident: Incident, window: Window, raised: set[int]) -> bool | None:
    """Whether a window shows what an incident is about; None when it cannot tell.

    ``raised`` : the windows for which it was raised. It is all that is known of kinds that leave
    nothing else in a window.
    """
    if window.start in raised:
        return True
    checks, name = window.checks, incident.feature
    if incident.kind == "drift":
        found: dict[str, Any] | None = checks.get("drift", {}).get(name)
        inside = checks.get("segments", {}).get(f"{name} where {incident.segment}")
        if inside is not None and inside["drifted"]:
            return True
        if found is None:  # broken features are not looked at; names in brackets are of no feature
            return False if checks.get("drift") and (name or "").startswith("(") else None
        return bool(found["drifted"])
    if incident.kind == "quality":
        return None if "faults" not in checks else name in checks["faults"]
    if incident.kind == "performance":
        said = window.performance or {}
        return window.worse if said.get("state") == "done" else None
    if incident.kind == "labels":
        labels = (window.performance or {}).get("labels")
        going_on = (labels or {}).get("episodes", {}).get(name)
        return None if labels is None else going_on is not None and going_on["quiet"] == 0
    if incident.kind == "estimate":
        guess: Any = window.expected or {}
        return bool(guess["worse"]) if "worse" in guess else None
    return False

"""Looks at the data planes' counters, and keeps windows of how each endpoint fares."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec

from everloop.durations import milliseconds
from everloop.loop.declaration import Declaration
from everloop.loop.project import Project
from everloop.monitor.health import Counted, Health, between, counted_from, to_raise
from everloop.monitor.spec import HealthSpec
from everloop.store.clock import now_ms

SECONDS = 2.0


class HealthWatch:
    """What was seen last of each data plane; one for a controller, used by its thread alone.

    A controller that begins anew counts from its first look on: what happened while there was none
    belongs to no window.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self._last: dict[tuple[str, str], dict[str, float]] = {}
        self._window: dict[str, tuple[int, Counted]] = {}
        self._said: dict[str, dict[str, Any]] = {}

    def begin(self) -> None:
        """Ask every data plane for its counters, once for all loops."""
        self._said = self._ask()

    def look(self, declaration: Declaration, now: int | None = None) -> Health | None:
        """Count what happened; a window that is over is kept, and what it calls for raised."""
        spec = declaration.monitor.health
        if spec is None:
            return None
        endpoint, at = declaration.endpoint, now_ms() if now is None else now
        told = any(endpoint in said for said in self._said.values())
        if not told and endpoint not in self._window:
            return None  # a thousand loops that nobody serves cost no reckoning
        grown = self._grown(endpoint)
        width = milliseconds(spec.window, "monitor.health.window")
        start = at // width * width
        begun, counted = self._window.get(endpoint, (start, Counted()))
        self._window[endpoint] = (begun, counted.plus(grown))
        if begun == start:
            return None
        begun, counted = self._window.pop(endpoint)
        if told:
            self._window[endpoint] = (start, Counted())
        return self._over(endpoint, begun, begun + width, counted, spec)

    def _over(
        self, endpoint: str, start: int, end: int, counted: Counted, spec: HealthSpec
    ) -> Health | None:
        """Keep a window in which anything was asked; several of them raise what lasts."""
        if not counted.requests and not counted.shed and not counted.errors:
            return None
        store = self.project.health
        made = store.add(endpoint, start, end, counted, spec)
        for alert in to_raise(endpoint, store.page(endpoint, limit=spec.windows + 1), spec):
            self.project.watch.raise_alert(alert)
        return made

    def _grown(self, endpoint: str) -> Counted:
        """What all planes did for an endpoint since the last look."""
        total = Counted()
        for plane, endpoints in self._said.items():
            said = endpoints.get(endpoint)
            if said is None:
                continue
            after, key = counted_from(said), (plane, endpoint)
            before = self._last.get(key)
            self._last[key] = after
            if before is not None:
                total = total.plus(between(before, after, said.get("queue", {})))
        return total

    def _ask(self) -> dict[str, dict[str, Any]]:
        """Plane -> endpoint -> what it says; planes elsewhere report by themselves."""
        found = {plane.plane: plane.traffic for plane in self.project.planes() if plane.plane}
        own = next((plane for plane in self.project.planes() if not plane.plane), None)
        if own is not None:
            token = self.project.settings.token
            headers = {"authorization": f"Bearer {token}"} if token else {}
            try:
                answer = httpx.get(f"{own.url}/endpoints", headers=headers, timeout=SECONDS)
                found[""] = msgspec.json.decode(answer.content)["endpoints"]
            except (httpx.HTTPError, msgspec.MsgspecError, KeyError, TypeError):
                pass  # it is away; what it counted meanwhile is seen by the next look
        return found

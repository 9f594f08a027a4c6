"""A loop of another machine: the verbs of :class:`everloop.loop.loop.Loop`, over HTTP.

``EVERLOOP_SERVER`` names the control plane; the cycles run there, and are followed from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import polars as pl

from everloop.deploy.attribution import Explanation
from everloop.deploy.rollouts import Do, Rollout, no_rollout
from everloop.deploy.serving.standing import Standing
from everloop.errors import NotFound, Unavailable
from everloop.evaluate.explain.counterfactual import Counterfactual
from everloop.evaluate.explain.dependence import Dependence
from everloop.evaluate.explain.importance import Importance
from everloop.evaluate.fairness.mitigation import Mitigated
from everloop.loop.cycle_steps import Step
from everloop.loop.cycles import Cycle, numbered
from everloop.loop.following import Progress, follow
from everloop.loop.remote_alerts import RemoteAlerts, send_labels
from everloop.loop.remote_decisions import RemoteDecisions, signed
from everloop.loop.replaying import Replayed
from everloop.loop.status import LoopStatus
from everloop.loop.watching import Looked
from everloop.monitor.cause.found import Cause
from everloop.monitor.feedback import Fed
from everloop.monitor.profile_report import ProfileReport
from everloop.monitor.quality.expectations import Expectations
from everloop.monitor.summaries.table import TableProfile, read_table_profile
from everloop.monitor.window_report import WindowReport
from everloop.monitor.windows import Window
from everloop.registry.models import ModelVersion
from everloop.replacing import replacing
from everloop.tracking.client.remote import error_of
from everloop.update.situation import Heard, Paused

T = TypeVar("T")
_POLL_SECONDS = 0.3


class Server:
    """A control plane by its address.

    Its answers become the structs that the local API gives, its errors the same exceptions. A
    ``transport`` takes requests another way than over the network.
    """

    def __init__(
        self, url: str, token: str = "", transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = url.rstrip("/")
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=self.url, headers=headers, timeout=300, transport=transport
        )

    def close(self) -> None:
        self._http.close()

    def call(self, method: str, path: str, kind: type[T], **arguments: Any) -> T:
        """One request to ``/api/v1``; raises as the server's error says."""
        try:
            response = self._http.request(method, f"/api/v1{path}", **arguments)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"server: {self.url} does not answer ({type(error).__name__}).", path="server",
                fix="EVERLOOP_SERVER must be the address of a running everloop up.",
            ) from None  # fmt: skip
        if response.status_code >= 400:
            raise error_of(response.status_code, response.content)
        return msgspec.json.decode(response.content, type=kind)

    def fetch(self, path: str, to: Path) -> int:
        """The bytes that a request answers with, as a file; returns how many there are."""
        try:
            with self._http.stream("GET", f"/api/v1{path}") as response:
                if response.status_code >= 400:
                    raise error_of(response.status_code, response.read())
                return _save(response, to)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"server: {self.url} does not answer ({type(error).__name__}).", path="server"
            ) from None

    def read(self, path: str, query: dict[str, str]) -> bytes:
        """The bytes that a request answers with."""
        try:
            response = self._http.get(f"/api/v1{path}", params=query)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"server: {self.url} does not answer ({type(error).__name__}).", path="server"
            ) from None
        if response.status_code >= 400:
            raise error_of(response.status_code, response.content)
        return response.content

    def page(self, path: str, kind: type[T], **query: Any) -> list[T]:
        """The items of one page of a list."""
        given = {key: value for key, value in query.items() if value is not None}
        found = self.call("GET", path, dict[str, Any], params=given)
        return [msgspec.convert(item, kind) for item in found["items"]]

    def pause(self, reason: str = "") -> Paused:
        """Let no update of any loop begin by itself."""
        return self.call("POST", "/pause", Paused, json={"comment": reason})

    def resume(self) -> None:
        """Let all loops' updates begin again."""
        self.call("POST", "/resume", dict[str, Any], json={})

    def statuses(self) -> list[LoopStatus]:
        return self.page("/loops", LoopStatus)

    def planes(self) -> list[Standing]:
        """Every data plane that the control plane knows to run."""
        found = self.call("GET", "/status", dict[str, Any])
        return msgspec.convert(found.get("planes", []), list[Standing])

    def feedback(self, source: Path, endpoint: str | None, columns: dict[str, str | None]) -> Fed:
        """Send the labels of a file of this machine."""
        return send_labels(self, source, endpoint or self.loop().endpoint, columns)

    def loop(self, name: str | None = None) -> RemoteLoop:
        """The loop called ``name``, or the only one."""
        names = [status.loop for status in self.statuses()]
        if name is None and len(names) != 1:
            raise NotFound(
                f"loop: got no name, and {self.url} has {', '.join(names) or 'none'}.", path="loop"
            )
        if name is not None and name not in names:
            raise NotFound(f"loop: got {name!r}, expected one of {', '.join(names)}.", path="loop")
        return RemoteLoop(self, name or names[0])


def _save(response: httpx.Response, to: Path) -> int:
    """Beside its place first, so that what is cut off leaves nothing there."""
    size = 0
    with replacing(to) as fresh, fresh.open("wb") as file:
        for piece in response.iter_bytes(1024 * 1024):
            size += file.write(piece)
    return size


def _as_json(rows: pl.DataFrame | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as JSON has them: dates as text."""
    if not isinstance(rows, pl.DataFrame):
        return rows
    found: list[dict[str, Any]] = msgspec.json.decode(rows.write_json())
    return found


def _given(**query: Any) -> dict[str, str]:
    return {key: str(value) for key, value in query.items() if value is not None}


class RemoteLoop(RemoteAlerts, RemoteDecisions):
    """One loop of a server; the methods are those of the local loop."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        self._path = f"/loops/{name}"

    def run(self, *, on_progress: Progress | None = None) -> Cycle:
        return self._begin("/cycles", {}, on_progress)

    def train(self, *, base: str | None = None, on_progress: Progress | None = None) -> Cycle:
        return self._begin("/train", {"base": base}, on_progress)

    def test(self, version: int | None = None, *, on_progress: Progress | None = None) -> Cycle:
        return self._begin("/test", {"version": version}, on_progress)

    def reproduce(self, run: str, *, on_progress: Progress | None = None) -> Cycle:
        return self._begin("/reproduce", {"run": run}, on_progress)

    def deploy(
        self,
        version: int,
        *,
        rollout: dict[str, Any] | None = None,
        beside: Sequence[int] = (),
        comment: str = "",
        wait: bool = True,
        on_progress: Progress | None = None,
    ) -> Cycle:
        body = {
            "version": version, "rollout": rollout or {}, "beside": list(beside),
            "comment": comment,
        }  # fmt: skip
        if not wait:
            return self.server.call("POST", f"{self._path}/deploy", Cycle, json=body)
        return self._begin("/deploy", body, on_progress)

    def rollout(self) -> Rollout | None:
        path = f"/endpoints/{self.endpoint}/rollouts"
        return next(iter(self.server.page(path, Rollout, limit=1)), None)

    def pause(self, *, by: str, reason: str = "") -> Paused:
        """The server knows who calls by the token; ``by`` is kept in the reason."""
        body = {"comment": signed(by, reason)}
        return self.server.call("POST", f"{self._path}/pause", Paused, json=body)

    def resume(self, *, by: str) -> None:
        self.server.call("POST", f"{self._path}/resume", dict[str, Any], json={"comment": by})

    def tell(self, name: str, message: str = "", *, by: str) -> Heard:
        body = {"name": name, "message": signed(by, message)}
        return self.server.call("POST", f"{self._path}/events", Heard, json=body)

    def steer(self, do: Do, *, by: str, comment: str = "") -> Rollout:
        """The server knows who calls by the token; ``by`` is kept in the comment."""
        found = self.rollout()
        if found is None:
            raise no_rollout(self.endpoint)
        body = {"comment": signed(by, comment)}
        return self.server.call("POST", f"/rollouts/{found.id}/{do}", Rollout, json=body)

    def update(
        self,
        source: str | None = None,
        *,
        method: str | None = None,
        window: str | None = None,
        search: str | None = None,
        on_progress: Progress | None = None,
    ) -> Cycle | Looked:
        said = {"method": method, "window": window, "search": search}
        wanted = {name: value for name, value in said.items() if value is not None}
        if wanted:
            return self._begin("/update", {**wanted, "source": source}, on_progress)
        if source is not None:
            return self._begin("/update", {"source": source}, on_progress)
        seen = self.server.call("POST", f"{self._path}/update", Looked, json={})
        if seen.cycle is None:
            return seen
        return msgspec.structs.replace(seen, cycle=self.follow(seen.cycle, on_progress))

    def version(self, number: int | None = None) -> ModelVersion:
        """A registered version: the one asked for, else the champion."""
        path = f"/models/{self.name}"
        if number is None:
            aliases = self.server.call("GET", path + "/aliases", dict[str, Any])["aliases"]
            number = aliases.get("champion")
        if number is None:
            raise NotFound(f"model {self.name}: has no champion yet.", path="version")
        return self.server.call("GET", f"{path}/versions/{number}", ModelVersion)

    def report(self, version: int | None = None, kind: str = "json") -> bytes:
        number = self.version(version).version
        path = f"/models/{self.name}/versions/{number}/report"
        return self.server.read(path, {"as": kind})

    def explain(
        self, rows: pl.DataFrame | list[dict[str, Any]], version: int | None = None
    ) -> list[Explanation]:
        body = {"rows": _as_json(rows)}
        found = self._asked("POST", "explain", version, dict[str, Any], json=body)
        return msgspec.convert(found["explanations"], list[Explanation])

    def dependence(self, feature: str, version: int | None = None) -> Dependence:
        return self._asked("GET", "dependence", version, Dependence, params={"feature": feature})

    def importance(self, version: int | None = None) -> list[Importance]:
        found = self._asked("GET", "importance", version, dict[str, Any])
        return msgspec.convert(found["importances"], list[Importance])

    def counterfactual(
        self,
        row: pl.DataFrame | dict[str, Any],
        to: Any = None,
        fixed: Sequence[str] = (),
        version: int | None = None,
    ) -> Counterfactual:
        (one,) = _as_json(row if isinstance(row, pl.DataFrame) else [row])
        body = {"row": one, "to": to, "fixed": list(fixed)}
        return self._asked("POST", "counterfactual", version, Counterfactual, json=body)

    def mitigate(self, columns: Sequence[str], version: int | None = None) -> Mitigated:
        by = {"by": ",".join(columns)}
        return self._asked("GET", "fairness", version, Mitigated, params=by)

    def expectations(self) -> Expectations:
        return self.server.call("GET", f"{self._path}/expectations", Expectations)

    def monitor(self) -> Looked:
        return self.server.call("POST", f"{self._path}/monitor", Looked, json={})

    def why(self, alert: str, *, again: bool = False) -> Cause:
        params = {"again": "1"} if again else None
        return self.server.call("GET", f"/alerts/{alert}/cause", Cause, params=params)

    @property
    def endpoint(self) -> str:
        return self.status().endpoint

    def windows(self, limit: int = 20) -> list[Window]:
        path = f"/endpoints/{self.endpoint}/windows"
        return self.server.page(path, Window, limit=limit)

    def window_report(self, start: int | None = None) -> WindowReport:
        return self.server.call("GET", f"{self._window(start)}/report", WindowReport)

    def profile(
        self, start: int | None = None, until: int | None = None, segment: str | None = None
    ) -> TableProfile:
        query = _given(until=until, segment=segment) | {"as": "saved"}
        return read_table_profile(self.server.read(f"{self._window(start)}/profile", query))

    def profile_report(
        self, start: int | None = None, until: int | None = None, segment: str | None = None
    ) -> ProfileReport:
        query = _given(until=until, segment=segment)
        path = f"{self._window(start)}/profile"
        return self.server.call("GET", path, ProfileReport, params=query)

    def _window(self, start: int | None) -> str:
        """The path of a window, by default of the newest."""
        if start is None:
            newest = self.windows(1)
            if not newest:
                raise NotFound(f"window: no window of endpoint {self.endpoint!r} is over yet.")
            start = newest[0].start
        return f"/endpoints/{self.endpoint}/windows/{start}"

    def status(self) -> LoopStatus:
        found = self.server.call("GET", self._path, dict[str, Any])
        return msgspec.convert(found["status"], LoopStatus)

    def history(self, before: int | None = None, limit: int = 20) -> list[Cycle]:
        return self.server.page(f"{self._path}/history", Cycle, before=before, limit=limit)

    def steps(self, cycle_id: str) -> list[Step]:
        return self._with_steps(cycle_id)[1]

    def cycle_report(self, cycle_id: str, kind: str = "json") -> bytes:
        return self.server.read(f"/cycles/{cycle_id}/report", {"as": kind})

    def logs(self, cycle_id: str) -> dict[str, str]:
        found = self.server.call("GET", f"/cycles/{cycle_id}", dict[str, Any])
        return msgspec.convert(found.get("logs", {}), dict[str, str])

    def replay(self, number: int) -> Replayed:
        cycle = numbered(self.history(before=number + 1, limit=1), number, self.name)
        return self.server.call("GET", f"/cycles/{cycle.id}/replay", Replayed)

    def follow(self, cycle: Cycle, on_progress: Progress | None = None) -> Cycle:
        """Watch a cycle to its end."""
        return follow(lambda: self._with_steps(cycle.id), on_progress, _POLL_SECONDS)

    def _asked(
        self, method: str, what: str, version: int | None, kind: type[T], **arguments: Any
    ) -> T:
        """A question about a version, which the server's model answers."""
        number = self.version(version).version
        path = f"/models/{self.name}/versions/{number}/{what}"
        return self.server.call(method, path, kind, **arguments)

    def _begin(self, path: str, body: dict[str, Any], on_progress: Progress | None) -> Cycle:
        cycle = self.server.call("POST", self._path + path, Cycle, json=body)
        return self.follow(cycle, on_progress)

    def _with_steps(self, cycle_id: str) -> tuple[Cycle, list[Step]]:
        found = self.server.call("GET", f"/cycles/{cycle_id}", dict[str, Any])
        return msgspec.convert(found["cycle"], Cycle), msgspec.convert(found["steps"], list[Step])

"""A server as the target: one connection, kept open."""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlsplit

import msgspec

from everloop.errors import (
    Conflict,
    EverloopError,
    Forbidden,
    InvalidInput,
    NotFound,
    TooLarge,
    Unavailable,
    invalid,
)
from everloop.tracking.client._base import Target

TIMEOUT = 60.0
ARTIFACTS = "mlflow-artifacts:/"
_KINDS: dict[int, type[EverloopError]] = {
    400: InvalidInput, 401: Forbidden, 403: Forbidden, 404: NotFound, 409: Conflict,
    413: TooLarge, 421: Forbidden, 422: InvalidInput,
}  # fmt: skip


class ServerTarget(Target):
    """A control plane at ``url``; ``token`` is what it asks for."""

    def __init__(self, url: str, token: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise invalid("server", url, "an address such as http://127.0.0.1:5050")
        self.name = url.rstrip("/")
        self._path = parts.path.rstrip("/")
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._http = kind(parts.hostname, parts.port, timeout=TIMEOUT)
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._locations: dict[str, str] = {}

    def send(self, run: str, record: bytes) -> None:
        self.request("POST", f"/api/v1/runs/{run}/log", record, "application/msgpack")

    def put_file(self, run: str, name: str, file: Path) -> None:
        path = artifact_path(self._location(run), name)
        with file.open("rb") as opened:
            self.request(
                "PUT",
                f"/api/2.0/mlflow-artifacts/artifacts/{quote(path)}",
                opened,
                "application/octet-stream",
                {"content-length": str(file.stat().st_size)},
            )

    def url(self, run: str) -> str | None:
        return f"{self.name}/api/v1/runs/{run}"

    def close(self) -> None:
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        body: bytes | IO[bytes] | None = None,
        media: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> bytes:
        """The body of the answer; raises as the server's error says."""
        try:
            sent = {"content-type": media, **self._headers, **(headers or {})}
            self._http.request(method, self._path + path, body, sent)
            answer = self._http.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._http.close()
            raise Unavailable(
                f"server: {self.name} does not answer ({type(error).__name__}).",
                path="server",
                fix="EVERLOOP_SERVER must be the address of a running everloop up.",
            ) from None
        if answer.status >= 300:
            raise error_of(answer.status, said)
        return said

    def _location(self, run: str) -> str:
        if run not in self._locations:
            found = msgspec.json.decode(self.request("GET", f"/api/v1/runs/{run}"))
            self._locations[run] = found["location"]
        return self._locations[run]


def error_of(status: int, body: bytes) -> EverloopError:
    """An HTTP answer as the exception that the server raised."""
    kind = _KINDS.get(status, Unavailable if status >= 500 else EverloopError)
    try:
        said: Any = msgspec.json.decode(body)
        if "error_code" in said:  # the form of MLflow's protocol
            return kind(said["message"])
        said = said["error"]
        parts = {k: said[k] for k in ("code", "path", "got", "expected", "fix") if k in said}
        return kind(said["message"], **parts)
    except (msgspec.DecodeError, KeyError, TypeError):
        return Unavailable(f"server: answered HTTP {status} without saying why.", path="server")


def artifact_path(location: str, name: str) -> str:
    """Where an artifact lies below the server's own scheme."""
    if not location.startswith(ARTIFACTS):
        raise InvalidInput(
            f"artifact: the run's artifacts lie at {location}, which this server does not write.",
            path="artifact",
            got=location,
            expected=ARTIFACTS + "…",
        )
    return f"{location.removeprefix(ARTIFACTS).strip('/')}/{name}"

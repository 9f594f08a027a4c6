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

    def send(self, run: str, record: bytes) -> None:
        self.request("POST", f"/api/v1/runs/{run}/log", record, "application/msgpack")

    def put_file(self, run: str, name: str, file: Path) -> None:
        with file.open("rb") as opened:
            self.request(
                "PUT",
                f"/api/v1/runs/{run}/artifacts/{quote(name)}",
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
        sent = {"content-type": media, **self._headers, **(headers or {})}
        reused = self._http.sock is not None
        try:
            try:
                status, said = self._ask(method, path, body, sent)
            except (OSError, http.client.HTTPException):
                if not reused:
                    raise
                # A server closes a connection that was idle; that is no outage.
                if body is not None and not isinstance(body, bytes):
                    body.seek(0)
                status, said = self._ask(method, path, body, sent)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(
                f"server: {self.name} does not answer ({type(error).__name__}).",
                path="server",
                fix="EVERLOOP_SERVER must be the address of a running everloop up.",
            ) from None
        if status >= 300:
            raise error_of(status, said)
        return said

    def _ask(
        self, method: str, path: str, body: bytes | IO[bytes] | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        try:
            self._http.request(method, self._path + path, body, headers)
            answer = self._http.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self._http.close()
            raise


def error_of(status: int, body: bytes) -> EverloopError:
    """An HTTP answer as the exception that the server raised."""
    kind = _KINDS.get(status, Unavailable if status >= 500 else EverloopError)
    try:
        said: Any = msgspec.json.decode(body)
        said = said["error"]
        parts = {k: said[k] for k in ("code", "path", "got", "expected", "fix") if k in said}
        return kind(said["message"], **parts)
    except (msgspec.DecodeError, KeyError, TypeError):
        return Unavailable(f"server: answered HTTP {status} without saying why.", path="server")

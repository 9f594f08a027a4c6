"""What the control plane asks the data plane: its counts, and predictions on a caller's behalf."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import msgspec

from everloop.console.endpoints.traffic import Traffic
from everloop.errors import Unavailable


class PlaneAnswer(msgspec.Struct, frozen=True):
    """Status and body of an answer of the data plane."""

    status: int
    body: bytes


def ask(
    serve_url: str,
    token: str,
    method: str,
    path: str,
    body: bytes | None = None,
    timeout: float = 1.0,
) -> PlaneAnswer:
    """One request to the data plane.

    Raises :class:`~everloop.errors.Unavailable` when it does not answer within ``timeout`` seconds.
    """
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    connection = http.client.HTTPConnection(urlsplit(serve_url).netloc, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        return PlaneAnswer(response.status, response.read())
    except (OSError, http.client.HTTPException):
        raise Unavailable(
            f"The data plane at {serve_url} does not answer.",
            code="data_plane_away",
            fix="everloop up starts both planes.",
        ) from None
    finally:
        connection.close()


class _Said(msgspec.Struct):
    endpoints: dict[str, Traffic]


def traffic(serve_url: str, token: str) -> dict[str, Traffic]:
    """Counts of each endpoint; empty when the data plane is away."""
    try:
        answer = ask(serve_url, token, "GET", "/endpoints")
        return msgspec.json.decode(answer.body, type=_Said).endpoints
    except (Unavailable, msgspec.MsgspecError):
        return {}

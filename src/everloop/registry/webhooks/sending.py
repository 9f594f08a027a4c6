"""One HTTP request to a webhook: signed, without redirects or proxies, and soon over."""

from __future__ import annotations

import base64
import functools
import hmac
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from urllib.parse import SplitResult, quote

from everloop.errors import EverloopError
from everloop.registry.webhooks.guard import check_url, lookup
from everloop.registry.webhooks.records import Outcome

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
MOST_BODY = 64 * 1024  # bytes of an answer that are read
LONGEST_WAIT = 3600.0
_PATH = "/%:@!$&'()*+,;=~-._?"


def signature(secret: str, delivery: str, timestamp: str, payload: str) -> str:
    """``v1,`` and the HMAC-SHA256 of ``DELIVERY.TIMESTAMP.PAYLOAD`` in base64."""
    signed = f"{delivery}.{timestamp}.{payload}".encode()
    return "v1," + base64.b64encode(hmac.digest(secret.encode(), signed, "sha256")).decode()


def send(
    url: str, delivery: str, payload: str, secret: str | None, hosts: Collection[str] = ()
) -> Outcome:
    """Post ``payload``; what goes wrong is in the outcome, never raised.

    ``delivery`` is the same for each attempt, so that a receiver can tell a repetition.
    """
    timestamp = str(int(time.time()))
    headers = {"X-MLflow-Delivery-Id": delivery, "X-MLflow-Timestamp": timestamp}
    if secret:
        headers["X-MLflow-Signature"] = signature(secret, delivery, timestamp, payload)
    return post(url, payload, headers, hosts)


def post(
    url: str, payload: str, headers: Mapping[str, str], hosts: Collection[str] = ()
) -> Outcome:
    """Post JSON with these headers beside our own; what goes wrong is in the outcome."""
    sent = {
        "Content-Type": "application/json",
        "User-Agent": "everloop",
        **headers,
        "Connection": "close",
    }
    try:
        return _post(check_url(url, hosts), payload.encode(), sent, hosts)
    except EverloopError as error:
        return Outcome(error=error.message)
    except ssl.SSLError as error:
        return Outcome(error=f"TLS failed: {error.reason or error}")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Outcome(error=f"{type(error).__name__}: {str(error)[:300]}")


def _post(
    parts: SplitResult, body: bytes, headers: dict[str, str], hosts: Collection[str]
) -> Outcome:
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    began = time.monotonic()
    sock = _connect(lookup(host, port, hosts), port)
    # A receiver that sends a byte now and then would keep every single wait short.
    timer = threading.Timer(TOTAL_SECONDS - (time.monotonic() - began), _cut, [sock])
    timer.daemon = True
    timer.start()
    try:
        if parts.scheme == "https":
            sock = _tls().wrap_socket(sock, server_hostname=host)
            timer.args = [sock]
        connection = http.client.HTTPConnection(host, port, timeout=TOTAL_SECONDS)
        connection.default_port = 443 if parts.scheme == "https" else 80
        connection.sock = sock
        target = quote(parts.path or "/", safe=_PATH)
        target += "?" + quote(parts.query, safe=_PATH + "/") if parts.query else ""
        connection.request("POST", target, body, headers)
        answer = connection.getresponse()
        text = answer.read(MOST_BODY).decode(errors="replace")
        return _outcome(answer.status, text, answer.headers.get("Retry-After"))
    finally:
        timer.cancel()
        sock.close()


def _outcome(status: int, body: str, retry_after: str | None) -> Outcome:
    if 300 <= status < 400:
        return Outcome(status, body, "The answer was a redirect, which is not followed.")
    wait = None
    if retry_after is not None and retry_after.isascii() and retry_after.isdigit():
        wait = min(float(retry_after[:9]), LONGEST_WAIT)
    error = None if 200 <= status < 300 else f"The receiver answered {status}."
    return Outcome(status, body, error, wait)


def _connect(addresses: list[str], port: int) -> socket.socket:
    """A connection to the first of the checked addresses that takes one."""
    last: OSError = OSError("no address")
    for address in addresses[:4]:
        try:
            sock = socket.create_connection((address, port), CONNECT_SECONDS)
        except OSError as error:
            last = error
            continue
        sock.settimeout(TOTAL_SECONDS)
        return sock
    raise last


@functools.cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)

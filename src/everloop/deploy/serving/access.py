"""Who may call: a bearer token where one is set, and only loopback names on loopback.

A page in a browser can send requests to loopback under a name of its own (DNS rebinding) or from
its own origin; both are refused as long as no token guards the server.
"""

from __future__ import annotations

import hmac
import ipaddress

from everloop.deploy.serving.http import Request
from everloop.errors import EverloopError, Forbidden, InvalidInput

_NAMES = {"localhost", "127.0.0.1", "[::1]"}


class Access:
    """The rule of one server, bound to ``host`` and with the given token ("" is none).

    Raises :class:`~everloop.errors.InvalidInput` for a bind beyond loopback without a token.
    """

    def __init__(self, host: str, token: str, open_network: bool = False) -> None:
        if not token and not open_network and not is_loopback(host):
            raise InvalidInput(
                f"host: got {host!r} without a token, expected a loopback address or a token.",
                code="token_required", path="host", got=host,
                fix="Set EVERLOOP_TOKEN to serve beyond this machine.",
            )  # fmt: skip
        self._any_name = bool(token) or not is_loopback(host)
        self._token = token
        self._expected = f"Bearer {token}".encode()
        self._known: set[str] = set()

    def check(self, request: Request) -> None:
        """Raise an error of code ``unauthorized`` (401) or Forbidden (403), or let it pass."""
        if self._token:
            self.check_token(request.headers.get("authorization", ""))
        self.check_host(request)

    def check_token(self, given: str) -> None:
        """Raise an error of code ``unauthorized`` unless the header's value holds the token."""
        if self._token and not hmac.compare_digest(given.encode(), self._expected):
            raise EverloopError(
                "authorization: expected the header `Authorization: Bearer TOKEN`.",
                code="unauthorized", path="authorization",
            )  # fmt: skip

    def check_host(self, request: Request) -> None:
        """On loopback without a token: refuse a foreign Host or Origin."""
        if self._any_name:
            return
        host = request.headers.get("host", "localhost")
        if host not in self._known:
            if _name(host) not in _NAMES:
                raise _foreign("host", host)
            if len(self._known) < 64:
                self._known.add(host)
        # Another program's page on this machine is as foreign as one from elsewhere.
        origin = request.headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            raise _foreign("origin", origin)
        site = request.headers.get("sec-fetch-site", "none")
        if request.method == "POST" and site not in ("none", "same-origin"):
            raise _foreign("sec-fetch-site", site)


def is_loopback(host: str) -> bool:
    """Whether a bind to ``host`` is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdecimal() else host.lower()


def _foreign(header: str, value: str) -> Forbidden:
    return Forbidden(
        f"{header}: got {value[:80]!r}, expected this server's own name.",
        code="foreign_host", path=header,
        fix="Set EVERLOOP_TOKEN to serve under other names.",
    )  # fmt: skip

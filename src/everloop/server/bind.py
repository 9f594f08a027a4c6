"""Where a server may listen: addresses, ports and the rule that beyond loopback needs a token."""

from __future__ import annotations

import errno
import ipaddress
import socket
import time

from everloop.errors import Conflict, Forbidden, InvalidInput, invalid


def is_loopback(host: str) -> bool:
    """True when only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_bind(host: str, token: str) -> None:
    """Refuse an address that others can reach while nobody has to show a token.

    Raises :class:`~everloop.errors.Forbidden`.
    """
    if not token and not is_loopback(host):
        raise Forbidden(
            f"host: got {host!r}, which other machines can reach, but no token is set; "
            "set EVERLOOP_TOKEN, or bind to 127.0.0.1.",
            code="token_required",
            path="host",
            got=host,
            expected="a loopback address or a token",
            fix="Set EVERLOOP_TOKEN, or bind to 127.0.0.1.",
        )


def check_port(port: int, option: str) -> None:
    """Raises :class:`~everloop.errors.InvalidInput` for a number that is no port."""
    if not 0 <= port <= 65535:
        raise invalid(option, port, "a port from 0 to 65535, 0 taking any free one", path=option)


def claim_port(host: str, port: int, option: str, patience: float = 0.0) -> int:
    """The port itself, or a free one for 0, after seeing that it can be bound now.

    ``patience`` is the seconds to wait for a port that is still held by a process about to end.

    Raises :class:`~everloop.errors.Conflict` when the port is in use and
    :class:`~everloop.errors.InvalidInput` when the address is not this machine's.
    """
    check_port(port, option)
    deadline = time.monotonic() + patience
    while True:
        try:
            return _bind_once(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise _cannot_bind(host, port, option, error) from None
            if time.monotonic() >= deadline:
                raise Conflict(
                    f"{option}: port {port} on {host} is in use by another program; "
                    f"choose another with {option}.",
                    code="port_in_use",
                    path=option,
                    got=port,
                    expected="a free port",
                    fix=f"Choose another with {option}.",
                ) from None
        time.sleep(0.1)


def reachable(host: str) -> str:
    """The host to write in an address that this machine's programs open."""
    if host in ("0.0.0.0", ""):
        return "127.0.0.1"
    if host.strip("[]") == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _bind_once(host: str, port: int) -> int:
    # Without SO_REUSEPORT: with it, a second server would share the port in silence.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host.strip("[]"), port))
        bound: int = probe.getsockname()[1]
        return bound


def _cannot_bind(host: str, port: int, option: str, error: OSError) -> InvalidInput:
    if error.errno == errno.EACCES:
        return invalid(option, port, "a port that this user may bind, such as 5050", path=option)
    return invalid("host", host, "an address of this machine", fix="Try 127.0.0.1.", path="host")

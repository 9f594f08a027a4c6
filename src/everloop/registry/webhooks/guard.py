"""Which addresses a webhook may have: none that reaches into the server's own network.

A name is looked up once, when the message is sent, and the connection goes to the address that was
checked; a name that means another address a moment later gains nothing. The operator may allow
hosts by name (the setting ``webhook_hosts``): these may be private, and spoken to without TLS.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from everloop.errors import Forbidden, InvalidInput, Unavailable

LONGEST = 2000
LOOKUP_SECONDS = 5.0
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NUMERIC = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)(\.(0[xX][0-9a-fA-F]*|[0-9]+))*\.?")
_lookups = threading.BoundedSemaphore(16)  # that hang may not pile up

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def allowed_hosts(setting: str) -> frozenset[str]:
    """The hosts of the setting, names or addresses with commas between."""
    return frozenset(
        host.strip().lower().strip("[]") for host in setting.split(",") if host.strip()
    )


def check_url(url: str, hosts: Collection[str] = ()) -> SplitResult:
    """The parts of an address that a webhook may have; ``hosts`` are those always allowed.

    Raises :class:`~everloop.errors.InvalidInput` otherwise. No name is looked up.
    """
    if not url.strip():
        raise _bad(f"Webhook URL cannot be empty or just whitespace: {url[:80]!r}")
    if len(url) > LONGEST or any(ord(letter) <= 32 or ord(letter) == 127 for letter in url):
        raise _bad(f"Invalid webhook URL: it has more than {LONGEST} characters, or blanks.")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise _bad(f"Invalid webhook URL {url[:200]!r}: {error}") from None
    schemes = ("http", "https") if host in hosts else ("https",)
    if parts.scheme not in schemes:
        raise _bad(
            f"Invalid webhook URL scheme: {parts.scheme[:20]!r}. Allowed schemes are: "
            f"{', '.join(schemes)}."
        )
    if not host or "\\" in parts.netloc:
        raise _bad(f"Webhook URL must include a hostname: {url[:200]!r}")
    if parts.username is not None or parts.password is not None:
        raise _bad("Webhook URL must not include embedded credentials.")
    if host not in hosts:
        _check_host(host)
    return parts


def lookup(host: str, port: int, hosts: Collection[str] = ()) -> list[str]:
    """The addresses of a host that may all be reached.

    Raises :class:`~everloop.errors.Unavailable` for a name that cannot be looked up, and
    :class:`~everloop.errors.Forbidden` for one that leads into a private network.
    """
    found = _resolve(host, port)
    if host not in hosts:
        for text in found:
            if not is_public(ipaddress.ip_address(text.partition("%")[0])):
                raise Forbidden(
                    f"Webhook URL must not resolve to a non-public IP address. {host!r} "
                    f"resolves to {text}.",
                    code="private_address",
                    fix="The operator may allow it with settings.webhook_hosts.",
                )
    return found


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, whatever IPv6 form wraps it."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.teredo is not None:
            return False
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


def _check_host(host: str) -> None:
    if host == "localhost" or host.endswith((".localhost", ".localhost.")):
        raise _bad("Webhook URL must not resolve to a non-public IP address.")
    if ":" not in host and not _NUMERIC.fullmatch(host):
        return
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise _bad(f"Webhook URL host {host[:80]!r} is not a canonical IP address.") from None
    if not is_public(address):
        raise _bad(f"Webhook URL must not resolve to a non-public IP address: {host[:80]}.")


def _resolve(host: str, port: int) -> list[str]:
    """Look a name up, for so long and no longer: the system's own way has no deadline."""
    answer: list[str] = []
    if not _lookups.acquire(timeout=LOOKUP_SECONDS):
        raise Unavailable("Too many names are being looked up.", code="lookup_failed")

    def look() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.extend(dict.fromkeys(str(one[4][0]) for one in found))
        except (OSError, UnicodeError):
            pass
        finally:
            _lookups.release()

    thread = threading.Thread(target=look, name="webhook-lookup", daemon=True)
    thread.start()
    thread.join(LOOKUP_SECONDS)
    if not answer:
        raise Unavailable(
            f"Cannot resolve Webhook URL hostname {host[:80]!r}.", code="lookup_failed"
        )
    return list(answer)


def _bad(message: str) -> InvalidInput:
    return InvalidInput(
        message,
        code="bad_webhook_url",
        path="url",
        expected="an https URL of a public host, or of one in settings.webhook_hosts",
    )

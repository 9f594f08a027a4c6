"""How often somebody may be wrong: tokens that are guessed at are not looked at any more."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict

from everloop.errors import Forbidden

MOST = 10  # wrong ones of one caller
WITHIN = 60.0  # seconds
CALLERS = 4096  # remembered at a time; the first to be wrong is forgotten first


class Throttle:
    """Counts wrong tokens by caller, a fixed number of callers at most.

    A caller is an address (of IPv6 the network of 64 bits, which one machine may have whole) and
    the name that it claims. Behind a proxy all have one address, so a wrong one can keep others
    that claim the same name out for a minute; sessions and tokens of 256 random bits, which nobody
    guesses, are not asked about here.
    """

    def __init__(self) -> None:
        self._wrong: OrderedDict[tuple[str, str], list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, address: str, name: str = "") -> None:
        """Raise :class:`~everloop.errors.Forbidden` while this caller was wrong too often."""
        now = time.monotonic()
        with self._lock:
            first, count = self._wrong.get((_network(address), name), (0.0, 0))
        wait = first + WITHIN - now
        if count >= MOST and wait > 0:
            raise Forbidden(
                f"token: {MOST} wrong ones in a minute; none is looked at before {math.ceil(wait)} "
                "seconds have passed.",
                code="too_many_tries",
                path="token",
                fix="Wait, and give the right one.",
            )

    def wrong(self, address: str, name: str = "") -> None:
        """Note a wrong token."""
        now, key = time.monotonic(), (_network(address), name)
        with self._lock:
            first, count = self._wrong.get(key, (now, 0))
            if now - first > WITHIN:
                first, count = now, 0
                self._wrong.pop(key, None)
            self._wrong[key] = [first, count + 1]
            if len(self._wrong) > CALLERS:
                self._wrong.popitem(last=False)


def _network(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 6:
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)

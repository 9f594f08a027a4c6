"""When a request is sent again, and after which pause.

Only what may pass by itself is tried again: no connection, no answer in time, and the statuses
with which a server says "not now". A prediction changes nothing, and each attempt carries the same
request id, so that trying again does no harm.
"""

from __future__ import annotations

import random

import httpx
import msgspec

from everloop.errors import invalid

AGAIN = frozenset({429, 502, 503, 504})
LONGEST_S = 5.0


class Retries(msgspec.Struct, frozen=True):
    """``attempts`` in all; pauses double from ``first_pause`` (seconds), less a random part."""

    attempts: int = 4
    first_pause: float = 0.1

    def __post_init__(self) -> None:
        if not 1 <= self.attempts <= 100:
            raise invalid("retries.attempts", self.attempts, "1 to 100")

    def pause(self, attempt: int, response: httpx.Response | None) -> float | None:
        """Seconds to wait after the attempt of this number; None when there is to be no other.

        ``response`` is what it brought, None when it brought none.
        """
        if attempt >= self.attempts or (response is not None and response.status_code not in AGAIN):
            return None
        said = (response.headers.get("retry-after", "") if response is not None else "").strip()
        if said.isdecimal():
            return min(float(said), LONGEST_S)
        longest: float = min(self.first_pause * 2 ** (attempt - 1), LONGEST_S)
        return longest * random.uniform(0.5, 1.0)

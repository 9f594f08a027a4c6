"""What a handler is given, and what it may give back. Handlers know no HTTP beyond this."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
from starlette.requests import Request

from everloop.errors import invalid
from everloop.loop.project import Project
from everloop.server.live import Live
from everloop.server.metrics import Metrics
from everloop.server.throttle import Throttle

MAX_PAGE = 1000
Comment = Annotated[str, msgspec.Meta(max_length=2000)]
"""What a person says to a request; it is kept and shown with what came of it."""

DEFAULT_PAGE = 100


@dataclass(frozen=True)
class Context:
    """What the whole application shares.

    ``serve_url`` is the data plane's address, ``token`` what callers must show (empty: nobody
    has to).
    """

    project: Project
    serve_url: str
    token: str = ""
    metrics: Metrics = field(default_factory=Metrics)
    live: Live = field(default_factory=Live)
    throttle: Throttle = field(default_factory=Throttle)
    started: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Call:
    """One request, decoded: path and query as text, the body as the route's type.

    ``request`` is for what passes through in pieces: files. ``session`` is the key of the session
    that the caller came by, if it did.
    """

    context: Context
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    actor: str
    request: Request
    permissions: frozenset[str] = frozenset()
    session: str | None = None

    @property
    def project(self) -> Project:
        return self.context.project

    def whole(self, name: str, default: int | None, low: int, high: int) -> int | None:
        """A whole number of the query, within bounds; ``default`` when it is not there."""
        text = self.query.get(name)
        if text is None:
            return default
        expected = f"a whole number from {low} to {high}"
        try:
            number = int(text)
        except ValueError:
            raise invalid(f"query.{name}", text, expected) from None
        if not low <= number <= high:
            raise invalid(f"query.{name}", number, expected)
        return number

    def limit(self) -> int:
        """Rows of a page."""
        return self.whole("limit", DEFAULT_PAGE, 1, MAX_PAGE) or DEFAULT_PAGE

    def before(self) -> int | None:
        """The numeric key that a page goes on from; JSON holds 53 bits exactly."""
        return self.whole("before", None, 0, 2**53)

    def before_pair(self) -> tuple[int, str] | None:
        """The two-part key ``NUMBER.TEXT`` that a page goes on from."""
        text = self.query.get("before")
        if text is None:
            return None
        number, _, key = text.partition(".")
        if not (number.isascii() and number.isdigit() and len(number) < 17 and key):
            raise invalid("query.before", text, 'the "next" of the page before')
        return int(number), key

    def number(self, name: str) -> int:
        """A whole number in the path."""
        try:
            return int(self.path[name])
        except ValueError:
            raise invalid(name, self.path[name], "a whole number") from None


class Page(msgspec.Struct, frozen=True):
    """One page of a list; ``next`` is the ``before`` (or ``after``) of the following one."""

    items: Sequence[Any]
    next: str | None


def page(items: Sequence[Any], limit: int, *keys: str) -> Page:
    """A page whose next one begins after the last item's ``keys``; a full page has a next one."""
    if len(items) < limit:
        return Page(items, None)
    return Page(items, ".".join(str(getattr(items[-1], key)) for key in keys))


@dataclass(frozen=True)
class Answer:
    """A value with a status other than 200."""

    value: Any
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)

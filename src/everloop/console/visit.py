"""Who looks at a page: what every template may know of the request it is made for."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

ALL = frozenset({"public", "read", "decide", "write", "admin"})


@dataclass
class Visit:
    """One look at a page.

    ``name`` is the caller's, ``signed_in`` says that it came by a session. ``sign`` makes what a
    form has to send back, which shows that it is one of this browser's own pages.
    """

    path: str = "/"
    query: str = ""
    name: str = "local"
    signed_in: bool = False
    permissions: frozenset[str] = ALL
    sign: Callable[[], str] = field(default=lambda: "")

    @property
    def here(self) -> str:
        """The page's path with its query, to come back to."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def may(self, permission: str) -> bool:
        return permission in self.permissions


VISIT: ContextVar[Visit] = ContextVar("everloop.visit")


def visit() -> Visit:
    """The look that goes on; one of nobody in particular outside of requests."""
    return VISIT.get(None) or Visit()

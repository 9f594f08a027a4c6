"""A page and its twin are one line of the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from everloop.server.routes._paths import HTML
from everloop.server.routing import Handler, Permission, Route


def pair(
    path: str,
    page: Handler,
    data: Handler,
    answer: Any,
    summary: str,
    permission: Permission = "read",
    *,
    query: Sequence[str] = (),
    slow: bool = False,
) -> tuple[Route, Route]:
    """The page at ``path``, and the same values as JSON at ``path.json`` (``/index.json``)."""
    known = tuple(query)
    return (
        # The twin comes first: a page's last name would take in its ending too.
        Route(
            "GET", "/index.json" if path == "/" else path + ".json", data, permission,
            summary + ", as JSON", answer=answer, query=known, slow=slow,
        ),
        Route("GET", path, page, permission, summary, media=HTML, query=known, slow=slow),
    )  # fmt: skip


def form(
    path: str,
    handler: Handler,
    permission: Permission,
    summary: str,
    *,
    status: int = 303,
    slow: bool = False,
) -> Route:
    """What a page's form is sent to; it leads to a page."""
    return Route(
        "POST", path, handler, permission, summary, body=bytes, raw=True, form=True,
        status=status, media=HTML, slow=slow,
    )  # fmt: skip

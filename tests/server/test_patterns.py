"""Patterns of paths: of those that fit, the first in the table answers."""

from __future__ import annotations

import asyncio

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from everloop.server.routing import Mounted, Paths


class Named:
    """Says its name when it is called."""

    def __init__(self, name: str, said: list[str]) -> None:
        self.name, self.said = name, said

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.said.append(self.name)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/a/1", "/a/{x}"),
        ("/a/b/1", "/a/b/{x}"),
        ("/a/b/c/1", "/a/b/c/{x}"),
        ("/a/b/c/d/1", "/a/b/c/d/{x}"),
        ("/a/b/c/d/e", "/a/b/c/d/{x}"),
        ("/a/9/end", "/a/{x}/end"),
        ("/a/b/end", "/a/{x}/end"),  # stands before "/a/b/{x}"
        ("/a/b/c/d/e/f", "/a/b/c/{x:path}"),
        ("/z/any", "/{x}/any"),
        ("/a/b/c/any/any/any", "/a/b/c/{x:path}"),
        ("/a/any", "/a/{x}"),
        ("/nowhere/at/all", None),
        ("/", None),
        ("/a/b/c", "/a/b/{x}"),
    ],
)
def test_the_first_pattern_that_fits_answers(path: str, found: str | None) -> None:
    answered: list[str] = []
    patterns = (
        "/a/{x}/end",
        "/a/{x}",
        "/a/b/{x}",
        "/a/b/c/d/{x}",
        "/a/b/c/{x}",
        "/a/b/c/{x:path}",
        "/{x}/any",
    )
    paths = Paths([Mounted("GET", pattern, Named(pattern, answered)) for pattern in patterns])
    scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    asked = paths(scope, None, None)  # type: ignore[arg-type]
    if found is None:
        with pytest.raises(HTTPException):
            asyncio.run(asked)
    else:
        asyncio.run(asked)
    assert answered == ([] if found is None else [found])

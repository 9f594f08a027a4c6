"""Which handler answers a path; the rules of all protocols in one table.

A path is literal, as ``/v2/health/live``, or has names in braces, as
``/v2/models/{name}/versions/{version}/infer``: each stands for characters other than ``/`` and
``:`` and reaches the handler in ``request.params``.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple, Protocol

from everloop.deploy.serving.endpoint import LiveEndpoint
from everloop.deploy.serving.http import Request, Response, Socket, error_response
from everloop.errors import EverloopError, NotFound, did_you_mean

Handler = Callable[[Request], Awaitable[Response]]
SocketHandler = Callable[[Request, Socket], Awaitable[None]]
ErrorShape = Callable[[EverloopError, str], Response]
Describe = Callable[[LiveEndpoint], dict[str, Any]]

REMEMBERED = 4096  # paths whose rule need not be looked for again

_NAME = re.compile(r"\{(\w+)\}")


class Route(NamedTuple):
    """What answers ``method`` at ``path``.

    ``endpoint`` : the request is for an endpoint: the one called ``{name}``, or the only one where
    the path has no such part; the handler finds it in ``request.endpoint``.
    ``describe`` : body and answer at an endpoint, for :mod:`everloop.deploy.serving.openapi`.
    ``socket`` : answers a websocket there.
    ``public`` : it answers without the token. ``error`` : how the protocol says what went wrong.
    """

    method: str
    path: str
    handler: Handler
    endpoint: bool = False
    public: bool = False
    error: ErrorShape = error_response
    describe: Describe | None = None
    socket: SocketHandler | None = None


class Routed(Protocol):
    """A part of the server that answers at paths of its own: one protocol, as a rule."""

    def routes(self) -> list[Route]:
        """What it answers; asked once, when the server starts."""
        ...


class Found(NamedTuple):
    """The routes of one path by their methods, and what its names stand for."""

    methods: dict[str, Route]
    params: dict[str, str]
    any: Route  # one of them

    def route(self, method: str) -> Route | None:
        """HEAD is answered as GET is; the server leaves the body out."""
        return self.methods.get("GET" if method == "HEAD" else method)


class Router:
    """Finds the routes of a path; safe against callers who try many paths."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._literal: dict[str, Found] = {}
        self._named: list[tuple[re.Pattern[str], dict[str, Route]]] = []
        self._known: dict[str, Found] = {}
        by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            methods = by_path.setdefault(route.path, {})
            if route.method in methods:
                raise ValueError(f"{route.method} {route.path} has two handlers")
            methods[route.method] = route
        for path, methods in by_path.items():
            if "{" in path:
                self._named.append((_pattern(path), methods))
            else:
                self._literal[path] = _found(methods, {})
        self.paths = list(by_path)

    def find(self, path: str) -> Found:
        """Raises :class:`~everloop.errors.NotFound` with the nearest path."""
        found = self._literal.get(path) or self._known.get(path)
        if found is None:
            found = self._look(path)
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[path] = found
        return found

    def _look(self, path: str) -> Found:
        for pattern, methods in self._named:
            match = pattern.fullmatch(path)
            if match is not None:
                return _found(methods, match.groupdict())
        raise NotFound(
            f"There is nothing at {path[:200]!r}.",
            code="route_not_found", path=path[:200],
            fix=did_you_mean(path[:200], self.paths) or "See /openapi.json.",
        )  # fmt: skip


def _found(methods: dict[str, Route], params: dict[str, str]) -> Found:
    return Found(methods, params, next(iter(methods.values())))


def _pattern(path: str) -> re.Pattern[str]:
    """The path as a regular expression: literal text, and a group for each name."""
    parts, end = [], 0
    for name in _NAME.finditer(path):
        parts += [re.escape(path[end : name.start()]), f"(?P<{name[1]}>[^/:]+)"]
        end = name.end()
    return re.compile("".join([*parts, re.escape(path[end:])]))

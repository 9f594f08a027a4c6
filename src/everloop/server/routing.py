"""How a line of the route table becomes something that answers requests."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import anyio.to_thread
import msgspec
from anyio import CapacityLimiter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route as StarletteRoute
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from everloop.errors import Forbidden, InvalidInput, did_you_mean, invalid, shorten
from everloop.server.call import Answer, Call, Context
from everloop.server.forms import without_token
from everloop.server.middleware._base import PRINCIPAL, ROUTE
from everloop.server.middleware.tokens import Principal, unauthenticated
from everloop.server.middleware.visits import LOOK

Permission = Literal["public", "read", "decide", "write", "admin"]
Handler = Callable[[Call], Any] | Callable[[Call], Awaitable[Any]]
DEPTH = 3  # first names of a path that patterns are found by
THREADS = 8  # requests that read or write the stores at a time
_SLASHES = re.compile("//+")
SLOW_THREADS = 2  # requests of seconds (a look at the monitors, an audit) at a time


@dataclass(frozen=True)
class Route:
    """One line of the table.

    Parameters
    ----------
    handler : called with a :class:`~everloop.server.call.Call`, in a thread unless it is async.
        It returns a value (answered as JSON), an :class:`~everloop.server.call.Answer` or a
        Starlette response.
    permission : what the caller must have; a route that names none is denied to everybody.
    body : the type that the request's JSON must have; None reads no body.
    answer : the type of the answer, for the OpenAPI document.
    query : the parameters of the query that it knows; any other is refused, not ignored.
    status, media : of the usual answer, for the OpenAPI document.
    slow : may take seconds, so it must not keep short requests waiting.
    raw : the handler decodes the body itself, since it has other forms beside JSON.
    form : the body is a form of a page of ours, which has to carry a token of that page.
    """

    method: str
    path: str
    handler: Handler
    permission: Permission | None = None
    summary: str = ""
    body: Any = None
    answer: Any = None
    query: tuple[str, ...] = ()
    status: int = 200
    media: str = "application/json"
    slow: bool = False
    raw: bool = False
    form: bool = False


class Mounted(NamedTuple):
    """An application at a method and a path; ``{name}`` in the path is a parameter."""

    method: str
    path: str
    app: ASGIApp


def mounted(routes: Iterable[Route], context: Context, pools: Pools) -> list[Mounted]:
    """The table's routes, each with the application that answers it."""
    return [
        Mounted(
            route.method,
            route.path,
            Endpoint(route, context, pools.slow if route.slow else pools.quick),
        )
        for route in routes
    ]


class Pools(NamedTuple):
    """How many requests may be in threads at a time."""

    quick: CapacityLimiter
    slow: CapacityLimiter

    @classmethod
    def new(cls) -> Pools:
        return cls(CapacityLimiter(THREADS), CapacityLimiter(SLOW_THREADS))


class Paths:
    """Finds what answers a path, and raises for everything else.

    Paths without parameters are looked up, so that the many that MLflow has cost nothing; the
    others go through Starlette's patterns, of which only those are tried that begin as the path
    does. A path that nothing answers is tried again with single slashes; ``unknown`` may give its
    error.
    """

    def __init__(
        self,
        applications: Iterable[Mounted],
        unknown: Callable[[Scope], Exception | None] = lambda scope: None,
    ) -> None:
        self.fixed: dict[str, dict[str, ASGIApp]] = {}
        self.unknown = unknown
        patterns = []
        for method, path, app in applications:
            if "{" in path:
                route = StarletteRoute(path, app, methods=[method])
                patterns.append((_fixed_names(path), route))
            else:
                self.fixed.setdefault(path, {})[method] = app
        for methods in self.fixed.values():
            if "GET" in methods:
                methods.setdefault("HEAD", methods["GET"])
        self.patterns = {
            names: Patterns(
                [route for own, route in patterns if names[: len(own)] == own],
                redirect_slashes=False,
            )
            for names in [(), *(own for own, _ in patterns)]
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        methods = self.fixed.get(scope["path"]) if scope["type"] == "http" else None
        if methods is None:
            await self._others(scope, receive, send)
            return
        app = methods.get(scope["method"])
        if app is None:
            raise HTTPException(405, headers={"Allow": ", ".join(methods)})
        await app(scope, receive, send)

    def _likely(self, path: str) -> Patterns:
        """The patterns whose fixed names the path begins with."""
        names = tuple(path.split("/", DEPTH + 1)[1 : DEPTH + 1])
        while names not in self.patterns:
            names = names[:-1]
        return self.patterns[names]

    async def _others(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._likely(scope["path"])(scope, receive, send)
        except HTTPException as error:
            if error.status_code != 404:
                raise
            if "//" in scope["path"]:
                await _once(scope)(scope, receive, send)
                return
            known = self.unknown(scope)
            if known is None:
                raise
            raise known from None


def _once(scope: Scope) -> Response:
    """Sends a caller whose address and path met with two slashes to the path with one."""
    query = scope["query_string"].decode("ascii", "replace")
    path = quote(_SLASHES.sub("/", scope["path"]))
    return RedirectResponse(f"{path}?{query}" if query else path, 308)


def _fixed_names(path: str) -> tuple[str, ...]:
    """The first names of a pattern, up to its first parameter."""
    names = path.split("/", DEPTH + 1)[1 : DEPTH + 1]
    return tuple(itertools.takewhile(lambda name: "{" not in name, names))


class Patterns(Router):
    """Raises for what it has no route for, where Starlette's would answer in plain text."""

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("app", self)
        await super().app(scope, receive, send)


class Endpoint:
    """Answers one route: permission, body, handler, answer, in this order."""

    def __init__(self, route: Route, context: Context, pool: CapacityLimiter) -> None:
        self.route = route
        self.context = context
        self.pool = pool
        self.decode: Callable[[bytes], Any] | None = None
        if route.body is not None:
            self.decode = bytes if route.raw else json_decoder(route.body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE] = self.route.path
        principal: Principal = scope[PRINCIPAL]
        check_permission(self.route.method, self.route.path, self.route.permission, principal)
        request = Request(scope, receive)
        check_text({**request.path_params, **request.query_params})
        check_query(self.route, request.query_params)
        call = Call(
            context=self.context,
            path=request.path_params,
            query=request.query_params,
            body=None if self.decode is None else self.decode(await self._body(request)),
            actor=principal.way + principal.name,
            permissions=principal.permissions,
            request=request,
            session=principal.session,
        )
        answer = await self._handle(call)
        response = as_response(answer)
        await response(scope, receive, send)

    async def _body(self, request: Request) -> bytes:
        """The body; that of a page's form is checked to be one of ours, unless a program sent it
        with its token in the head, which no other site's page can."""
        body = await request.body()
        if not self.route.form or request.scope[PRINCIPAL].shown:
            return body
        return without_token(body, request.scope[LOOK].form_secret())

    async def _handle(self, call: Call) -> Any:
        handler = self.route.handler
        if inspect.iscoroutinefunction(handler):
            return await handler(call)
        return await anyio.to_thread.run_sync(handler, call, limiter=self.pool)


def check_permission(
    method: str, path: str, permission: Permission | None, principal: Principal
) -> None:
    """Raises :class:`~everloop.errors.Forbidden` unless the caller may use the route."""
    if permission is None:
        raise Forbidden(f"{method} {path} names no permission, so nobody may use it.")
    if permission in principal.permissions:
        return
    if principal.name == "nobody":
        raise unauthenticated("This server asks for a token in the Authorization header.")
    raise Forbidden(f"{method} {path} needs the permission {permission!r}.")


def check_text(values: Mapping[str, str]) -> None:
    """Raises :class:`~everloop.errors.InvalidInput` for text that not every database can hold."""
    for key, value in values.items():
        if "\0" in value:
            raise invalid(shorten(key), value, "text without the character NUL")


def check_query(route: Route, query: Mapping[str, str]) -> None:
    """Raises :class:`~everloop.errors.InvalidInput` for a parameter the route does not know."""
    for key in query:
        if key not in route.query:
            expected = "one of " + ", ".join(route.query) if route.query else "no parameters"
            raise invalid(
                f"query.{shorten(key)}",
                key,
                expected,
                code="unknown_key",
                fix=did_you_mean(key, route.query),
            )


def json_decoder(kind: Any) -> Callable[[bytes], Any]:
    """Reads a body of JSON as the type; an empty body counts as an empty object.

    What it returns raises :class:`~everloop.errors.InvalidInput` with the path of what is wrong.
    """
    decoder = msgspec.json.Decoder(kind)

    def decode(raw: bytes) -> Any:
        try:
            return decoder.decode(raw or b"{}")
        except msgspec.ValidationError as error:
            said, _, at = str(error).partition(" - at `")
            path = at.rstrip("`") or "$"
            raise InvalidInput(f"{path}: {said}.", code="invalid_value", path=path) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInput(
                f"body: not valid JSON: {error}.", code="invalid_json", path="$", expected="JSON"
            ) from None

    return decode


def as_response(answer: Any) -> Response:
    """A handler's answer as a response."""
    if isinstance(answer, Response):
        return answer
    if isinstance(answer, Answer):
        body = msgspec.json.encode(answer.value)
        return Response(
            body, answer.status, headers=dict(answer.headers), media_type="application/json"
        )
    return Response(msgspec.json.encode(answer), media_type="application/json")

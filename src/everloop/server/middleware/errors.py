"""Answers exceptions: JSON for programs, a page for people, never a traceback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote

from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from everloop.errors import EverloopError
from everloop.server.middleware._base import REQUEST_ID, header
from everloop.server.problems import Problem, log, problem_of

Page = Callable[[Problem], Response]
Form = Callable[[Exception, Problem], Response]

_CUT_OFF = EverloopError(
    "body: got less of it than its Content-Length says.", code="cut_off", path="$"
)


class Errors:
    """Catches what is raised inside.

    ``forms`` maps a path prefix to the form of errors below it, the longest prefix first; a
    protocol that has a form of its own brings it here. ``page`` makes the form for browsers.
    """

    def __init__(self, app: ASGIApp, page: Page, forms: Mapping[str, Form]) -> None:
        self.app = app
        self.page = page
        self.forms = sorted(forms.items(), key=lambda item: -len(item[0]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except ClientDisconnect:
            log.info("request %s: the caller went away", scope[REQUEST_ID])
            if not begun:  # it may have ended its half of the connection only
                problem = problem_of(_CUT_OFF, scope[REQUEST_ID])
                await self._render(scope, _CUT_OFF, problem)(scope, receive, send)
        except Exception as error:
            problem = problem_of(error, scope[REQUEST_ID])
            if begun:  # too late for a status; the server cuts the connection
                raise
            await self._render(scope, error, problem)(scope, receive, send)

    def _render(self, scope: Scope, error: Exception, problem: Problem) -> Response:
        for prefix, form in self.forms:
            if scope["path"].startswith(prefix):
                return form(error, problem)
        if "text/html" not in (header(scope, b"accept") or ""):
            return json_form(error, problem)
        if problem.status == 401 and scope["method"] in ("GET", "HEAD"):
            return RedirectResponse(sign_in_path(scope), 303)
        return self.page(problem)


def sign_in_path(scope: Scope) -> str:
    """Where a person signs in, to come back to the page that was asked for."""
    query = scope["query_string"].decode("latin-1")
    path = quote(scope["path"]) + (f"?{query}" if query else "")
    return f"/sign-in?to={quote(path)}"


def json_form(error: Exception, problem: Problem) -> Response:
    """``{"error": {code, message, path, got, expected, fix}}``."""
    return Response(
        problem.body(), problem.status, headers=problem.headers, media_type="application/json"
    )

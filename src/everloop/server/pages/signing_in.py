"""Signing in and out."""

from __future__ import annotations

import hmac

import msgspec
from starlette.responses import RedirectResponse, Response

from everloop.console.agents import agent_of
from everloop.console.render import render
from everloop.console.visit import visit
from everloop.errors import EverloopError, Forbidden, invalid
from everloop.server.call import Call
from everloop.server.middleware.tokens import address_of
from everloop.server.middleware.visits import LOOK
from everloop.server.pages._base import HTML, word_of
from everloop.store.people import NAME_LENGTH


class SignInPage(msgspec.Struct, frozen=True):
    """The form: where it leads to, the name that was given, and what was wrong with it.

    ``open`` says that nobody needs to sign in to look and to act.
    """

    to: str
    open: bool
    name: str = ""
    error: str = ""


class _Given(msgspec.Struct, forbid_unknown_fields=True):
    token: str
    name: str = ""
    to: str = "/"


def sign_in(call: Call) -> Response:
    """The form; it leads to the page that a person came from."""
    to = _own_path(call.query.get("to", "/"))
    return _form(call, SignInPage(to, not call.context.token))


def begin(call: Call) -> Response:
    """What the form is sent to: a new session, in place of the one that the browser had."""
    given = word_of(call.body, _Given)
    to = _own_path(given.to)
    try:
        who = _who(call, given.name.strip(), given.token.strip())
    except Forbidden as error:
        page = SignInPage(to, not call.context.token, given.name[:NAME_LENGTH], error.message)
        return _form(call, page, error)
    sessions, look = call.project.sessions, call.request.scope[LOOK]
    if call.session is not None:
        sessions.end(call.session, who=visit().name)
    agent = agent_of(call.request.headers.get("user-agent", ""))
    look.set_session(
        sessions.begin(given.token.strip(), who=who, agent=agent), sessions.life // 1000
    )
    return RedirectResponse(to, 303)


def sign_out(call: Call) -> Response:
    """Ends the session, if there is one."""
    if call.session is not None:
        call.project.sessions.end(call.session, who=visit().name)
    call.request.scope[LOOK].set_session(None)
    return RedirectResponse("/sign-in" if call.context.token else "/", 303)


def _who(call: Call, name: str, token: str) -> str:
    """Whose the token is. Raises Forbidden unless it belongs to the name."""
    throttle, address = call.context.throttle, address_of(call.request.scope)
    throttle.check(address, name[:NAME_LENGTH])
    own = call.context.token
    if own and hmac.compare_digest(token.encode(), own.encode()):
        if name not in ("", "token"):
            raise Forbidden("name: that is the server's own token, which is no person's.",
                            code="not_a_person", path="name",
                            fix="Leave the name empty.")  # fmt: skip
        return "token"
    person = call.project.people.holder(token)
    if person is not None and person.name == name:
        return person.name
    throttle.wrong(address, name[:NAME_LENGTH])
    raise Forbidden("This name and this token do not belong together.",
                    code="wrong_token", path="token",
                    fix="The token was shown once, when the person was added.")  # fmt: skip


def _form(call: Call, page: SignInPage, error: EverloopError | None = None) -> Response:
    text = render("sign_in.html", page=page, fix=error.fix if error else None)
    status = 200 if error is None else 429 if error.code == "too_many_tries" else 403
    return Response(text, status, media_type=HTML)


def _own_path(to: str) -> str:
    """Refuses an address that leads away from this server."""
    if not to.startswith("/") or to.startswith(("//", "/\\")) or not to.isprintable():
        raise invalid("query.to", to, "a path of this server", path="query.to")
    return to

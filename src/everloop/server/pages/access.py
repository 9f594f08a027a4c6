"""The page of people and sessions."""

from __future__ import annotations

import re
from typing import Literal

import msgspec
from starlette.responses import RedirectResponse, Response

from everloop.console.access import AccessPage, read_access
from everloop.console.visit import visit
from everloop.errors import Forbidden
from everloop.server.api.people import removed
from everloop.server.call import Call
from everloop.server.pages._base import shown, word_of
from everloop.store.people import PersonWithToken


class _Word(msgspec.Struct, forbid_unknown_fields=True):
    do: Literal["add", "remove", "sign_out_others"]
    name: str = ""
    roles: str = ""
    may: str = "decide"


def access(call: Call) -> Response:
    return shown("access.html", access_json(call))


def access_json(call: Call, added: PersonWithToken | None = None) -> AccessPage:
    return read_access(
        call.project,
        call.project.decisions.speaker(call.actor),
        admits="admin" in call.permissions,
        session=call.session,
        token_asked=bool(call.context.token),
        added=added,
    )


def change(call: Call) -> Response:
    """Its forms. The answer to ``add`` is the page itself, since it alone shows the token."""
    word = word_of(call.body, _Word)
    if word.do == "sign_out_others":
        if call.session is not None:
            call.project.sessions.end_others(call.session, who=visit().name)
        return RedirectResponse("/access", 303)
    if "admin" not in call.permissions:
        raise Forbidden(f"{word.do}: needs the permission 'admin'.")
    if word.do == "remove":
        removed(call, word.name)
        return RedirectResponse("/access", 303)
    roles = [role for role in re.split(r"[,\s]+", word.roles) if role]
    made = call.project.people.add(word.name, roles=roles, may=word.may, actor=call.actor)
    return shown("access.html", access_json(call, made))

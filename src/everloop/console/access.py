"""People who may reach the project, and one's own browsers that are signed in."""

from __future__ import annotations

from typing import get_args

import msgspec

from everloop.loop.project import Project
from everloop.store.clock import now_ms
from everloop.store.people import May, Person, PersonWithToken
from everloop.store.sessions import Session
from everloop.update.approval import Speaker

LEVELS = {
    "read": "looks at everything",
    "decide": "and approves, rejects, comments",
    "write": "and starts cycles, steers rollouts, changes models",
    "admin": "and adds people, changes how the server runs",
}


class AccessPage(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/access.json``.

    ``people`` are all for those who may admit others, else who looks alone. ``here`` is the key of
    the session that the page is looked at in. ``token_asked`` says whether everybody has to show
    who they are.
    """

    at: int
    me: Speaker
    people: list[Person]
    sessions: list[Session]
    here: str | None
    admits: bool
    token_asked: bool
    levels: dict[str, str]
    added: PersonWithToken | None = None


def read_access(
    project: Project,
    me: Speaker,
    *,
    admits: bool,
    session: str | None,
    token_asked: bool,
    added: PersonWithToken | None = None,
) -> AccessPage:
    """What ``me`` may see of it."""
    own = project.people.named(me.name) if me.known else None
    return AccessPage(
        at=now_ms(),
        me=me,
        people=project.people.all() if admits else [own] if own else [],
        sessions=project.sessions.beside(session) if session else [],
        here=session,
        admits=admits,
        token_asked=token_asked,
        levels={level: LEVELS[level] for level in get_args(May)},
        added=added,
    )

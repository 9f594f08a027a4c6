"""People who may call, and their tokens."""

from __future__ import annotations

from everloop.server.api import people
from everloop.server.call import Page
from everloop.server.routes._paths import V1
from everloop.server.routing import Route
from everloop.store.people import PersonWithToken

# fmt: off
PEOPLE = (
    Route("GET", V1 + "/me", people.me, "read", "Who calls, and what it may do",
          answer=people.Me),
    Route("GET", V1 + "/people", people.listing, "admin", "People with tokens of their own",
          answer=Page),
    Route("POST", V1 + "/people", people.add, "admin",
          "Add a person; only this answer holds the token", body=people.PersonBody,
          answer=PersonWithToken, status=201),
    Route("DELETE", V1 + "/people/{person}", people.remove, "admin",
          "Take a person's token away", answer=people.Removed),
)
# fmt: on

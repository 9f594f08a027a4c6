"""The pages of those who run the server: who may come in, who did what, settings, room."""

from __future__ import annotations

from everloop.console.access import AccessPage
from everloop.console.events import EventsPage
from everloop.loop.finding import Found
from everloop.server.pages import access, records, search, signing_in
from everloop.server.routes._paths import HTML
from everloop.server.routes.console._base import form, pair
from everloop.server.routes.records import EVENTS
from everloop.server.routing import Route

# fmt: off
ACCESS = (
    Route("GET", "/sign-in", signing_in.sign_in, "public",
          "The form that a person signs in with; leads to the path of the query", media=HTML,
          query=("to",)),
    form("/sign-in", signing_in.begin, "public",
         "Its form: name, token and to; begins a session and leads to the path"),
    form("/sign-out", signing_in.sign_out, "public", "Ends the browser's session"),
    *pair("/access", access.access, access.access_json, AccessPage,
          "The page of people and of one's own sessions"),
    form("/access", access.change, "read",
         "Its forms: do add, remove (both for admin) or sign_out_others", status=200),
    *pair("/events", records.events, records.events_json, EventsPage, "The page of the event log",
          query=(*EVENTS, "before")),
    form("/events", records.verify, "admin",
         "Its button: verifies the chain and shows what came of it", status=200, slow=True),
    *pair("/settings", records.settings, records.settings_json, records.SettingsPage,
          "The page of settings", "admin"),
    *pair("/storage", records.storage, records.storage_json, records.StoragePage,
          "The page of what takes room", slow=True),
    form("/storage", records.collect, "admin",
         "Its form: do collect and older_than; frees what was deleted", slow=True),
    *pair("/search", search.search, search.search_json, Found,
          "Finds anything by its name or id", query=("q",)),
)
# fmt: on

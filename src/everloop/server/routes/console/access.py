"""How a browser signs in and out."""

from __future__ import annotations

from everloop.server.pages import signing_in
from everloop.server.routes._paths import HTML
from everloop.server.routes.console._base import form
from everloop.server.routing import Route

# fmt: off
ACCESS = (
    Route("GET", "/sign-in", signing_in.sign_in, "public",
          "The form that a person signs in with; leads to the path of the query", media=HTML,
          query=("to",)),
    form("/sign-in", signing_in.begin, "public",
         "Its form: name, token and to; begins a session and leads to the path"),
    form("/sign-out", signing_in.sign_out, "public", "Ends the browser's session"),
)
# fmt: on

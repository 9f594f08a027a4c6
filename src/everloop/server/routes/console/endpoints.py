"""The pages of an endpoint, of its windows and of their profiles."""

from __future__ import annotations

from everloop.console.endpoint import EndpointPage
from everloop.console.monitor import Asked, MonitorPage
from everloop.console.window import WindowPage
from everloop.monitor.profile_report import ProfileReport
from everloop.server.pages import endpoints
from everloop.server.routes.console._base import form, pair

WINDOW = "/endpoints/{endpoint}/windows/{start}"

# fmt: off
ENDPOINTS = (
    *pair("/endpoints/{endpoint}", endpoints.endpoint, endpoints.endpoint_json, EndpointPage,
          "An endpoint's page"),
    *pair("/endpoints/{endpoint}/monitor", endpoints.monitor, endpoints.monitor_json, MonitorPage,
          "What moved in which window of an endpoint, and what was done about it",
          query=Asked.__struct_fields__),
    form("/rollouts/{rollout}", endpoints.steer, "write",
         "A button of a rollout: a form with do and comment; leads to the endpoint's page"),
    *pair(WINDOW, endpoints.window, endpoints.window_json, WindowPage, "A window's page"),
    form(WINDOW, endpoints.release, "write",
         "A window's button: a form with do (release) and comment; leads to its page again"),
    *pair(WINDOW + "/profile", endpoints.profile, endpoints.profile_json, ProfileReport,
          "The page of a window's profile", query=("until", "segment")),
)
# fmt: on

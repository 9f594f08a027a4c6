"""The pages of an endpoint, of its windows and of their profiles."""

from __future__ import annotations

from everloop.console.endpoints.asking import AskPage
from everloop.console.endpoints.endpoint import EndpointPage
from everloop.console.endpoints.listed import EndpointsPage
from everloop.console.endpoints.predictions import PredictionsPage
from everloop.console.monitor.endpoint import Asked, MonitorPage
from everloop.console.monitor.window import WindowPage
from everloop.monitor.profile_report import ProfileReport
from everloop.server.pages import endpoints
from everloop.server.routes.console._base import form, pair

WINDOW = "/endpoints/{endpoint}/windows/{start}"

# fmt: off
ENDPOINTS = (
    *pair("/endpoints", endpoints.endpoints, endpoints.endpoints_json, EndpointsPage,
          "All endpoints and how they fare", query=("after",)),
    *pair("/endpoints/{endpoint}/predictions", endpoints.predictions, endpoints.predictions_json,
          PredictionsPage, "What an endpoint was asked lately, as it was logged",
          query=("before",)),
    *pair("/endpoints/{endpoint}/try", endpoints.ask, endpoints.ask_json, AskPage,
          "A form made from what the model reads"),
    form("/endpoints/{endpoint}/try", endpoints.tried, "read",
         "Its form, a field for each feature; answers with the page", status=200, slow=True),
    form("/endpoints/{endpoint}", endpoints.back, "write",
         "Its form: do (rollback at once, or trial), version and comment; leads to the cycle",
         slow=True),
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

"""Alerts, silences and the channels that carry them."""

from __future__ import annotations

from everloop.monitor.alerting.desk import AlertDetail, ChannelTested
from everloop.monitor.alerting.silences import Silence
from everloop.monitor.cause.found import Cause
from everloop.server.api import alerts
from everloop.server.call import Page
from everloop.server.routes._paths import KEYSET, LOOP, OBJECT, V1
from everloop.server.routing import Route

# fmt: off
ALERTS = (
    Route("GET", V1 + "/alerts", alerts.listing, "read",
          "What was found and whether it goes on, the newest first", answer=Page,
          query=("endpoint", "state", *KEYSET)),
    Route("GET", V1 + "/alerts/{alert}", alerts.get, "read",
          "One of them, with its evidence and who was told", answer=AlertDetail),
    Route("GET", V1 + "/alerts/{alert}/cause", alerts.cause, "read",
          "What an alert came from; again=1 finds it anew", answer=Cause, query=("again",),
          slow=True),
    Route("GET", V1 + "/alert-deliveries", alerts.deliveries, "read",
          "What was told to channels, or waits, or failed", answer=Page,
          query=("endpoint", "state", *KEYSET)),
    Route("GET", V1 + "/silences", alerts.silences, "read", "Silences, the last to end first",
          answer=Page, query=("limit",)),
    Route("POST", V1 + "/silences", alerts.silence, "write",
          "Let nobody be told of something for a while", body=alerts.SilenceBody, answer=Silence,
          status=201),
    Route("DELETE", V1 + "/silences/{silence}", alerts.unsilence, "write",
          "Take a silence back", answer=Silence),
    Route("GET", LOOP + "/channels", alerts.channels, "read",
          "The channels that a loop declares, without their secrets", answer=OBJECT),
    Route("POST", LOOP + "/channels/{channel}/test", alerts.test, "admin",
          "Send a test to a channel now", answer=ChannelTested, slow=True),
)
# fmt: on

"""The pages of alerts, rules and channels."""

from __future__ import annotations

from everloop.console.monitor.alerts import AlertPage, AlertsPage, RulesPage
from everloop.server.pages import alerts
from everloop.server.routes.console._base import form, pair

# fmt: off
ALERTS = (
    *pair("/alerts", alerts.alerts, alerts.alerts_json, AlertsPage, "The page of alerts",
          query=("state", "endpoint", "before")),
    form("/alerts", alerts.hush, "write",
         "Its form: do silence, for how long and why; or unsilence; leads to it again"),
    *pair("/alerts/rules", alerts.rules, alerts.rules_json, RulesPage,
          "The page of rules, channels, deliveries and silences"),
    form("/alerts/rules", alerts.try_channel, "admin",
         "Its form: do test, loop and channel; answers with the page", status=200, slow=True),
    form("/alerts/{alert}", alerts.explain, "write",
         "Its button: do explain finds what it came from, and leads to it again", slow=True),
    *pair("/alerts/{alert}", alerts.alert, alerts.alert_json, AlertPage, "An alert's page"),
)
# fmt: on

"""A Slack-compatible incoming webhook (Slack, Mattermost, Rocket.Chat, Discord with ``/slack``).

The form is that of https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks:
``text`` for notifications, and ``blocks`` of type section in mrkdwn.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from everloop.extensions import alert_channels
from everloop.monitor.alerting.channels._base import Channel, Surroundings
from everloop.monitor.alerting.notice import Notice
from everloop.registry.webhooks.records import Outcome
from everloop.registry.webhooks.sending import post

LONGEST = 3000  # characters of a section
MARKS = {
    "critical": ":red_circle:",
    "warning": ":large_yellow_circle:",
    "info": ":large_blue_circle:",
}


@alert_channels.register("slack")
class Slack(Channel, frozen=True):
    """Posts a message to ``url``, which is a secret, since whoever has it may post."""

    url: str
    secrets: ClassVar = ("url",)

    def send(self, notice: Notice, delivery: str, around: Surroundings) -> Outcome:
        goes_on = notice.state in ("firing", "verdict")
        mark = MARKS[notice.severity] if goes_on else ":white_check_mark:"
        lines = "\n".join(f"• {_escaped(line)}" for line in notice.lines)
        text = f"{mark} *{_escaped(notice.title)}*\n{lines}"[:LONGEST]
        body = {
            "text": _escaped(notice.title),
            "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text}}],
        }
        payload = msgspec.json.encode(body).decode()
        return post(around.value(self.url), payload, {"X-Delivery-Id": delivery}, around.hosts)


def _escaped(text: str) -> str:
    """Slack's three special letters; a value of the data may not make a link or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

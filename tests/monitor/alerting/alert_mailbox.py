"""A real mail server on this machine."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message
from typing import Any

from aiosmtpd.controller import Controller

from ports import free_port


class Mailbox:
    """A mail server; ``refuse`` is what it answers to a message, while it is not empty."""

    def __init__(self) -> None:
        self.mails: list[Message] = []
        self.refuse = ""
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuse:
            return self.refuse
        self.mails.append(message_from_bytes(envelope.content))
        return "250 taken"

    def close(self) -> None:
        self._controller.stop()

"""E-mail over SMTP (RFC 5321), with the standard library."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from typing import ClassVar, Literal

from everloop.errors import invalid
from everloop.extensions import alert_channels
from everloop.monitor.alerting.channels._base import Channel, Surroundings
from everloop.monitor.alerting.notice import Notice
from everloop.registry.webhooks.records import Outcome

SECONDS = 15.0
LONGEST = 200  # characters of a subject


@alert_channels.register("email")
class Email(Channel, frozen=True):
    """Sends from ``sender`` to each of ``to`` by the server at ``host`` and ``port``.

    ``tls`` : ``starttls``, ``tls`` from the first byte on, or ``none``. A ``user`` logs in with
    ``password``, never without TLS.
    """

    host: str
    sender: str
    to: tuple[str, ...]
    port: int = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = ""
    secrets: ClassVar = ("password",)

    def check(self, path: str) -> None:
        for field, addresses in (("sender", (self.sender,)), ("to", self.to)):
            for address in addresses or ("",):
                if "@" not in address or any(letter.isspace() for letter in address):
                    raise invalid(f"{path}.{field}", address, "an address such as ops@example.com")
        if not 0 < self.port < 65536:
            raise invalid(f"{path}.port", self.port, "a port from 1 to 65535")
        if self.user and self.tls == "none":
            raise invalid(f"{path}.tls", self.tls, "starttls or tls, since there is a user")

    def send(self, notice: Notice, delivery: str, around: Surroundings) -> Outcome:
        message = self.message(notice, delivery)
        try:
            with self._connected() as server:
                if self.user:
                    server.login(around.value(self.user), around.value(self.password))
                server.send_message(message)
        except smtplib.SMTPResponseException as error:
            # 4xx passes, 5xx does not (RFC 5321, 4.2.1); with HTTP it is the other way round.
            said = error.smtp_error
            text = (said if isinstance(said, str) else said.decode(errors="replace"))[:300]
            status = 503 if 400 <= error.smtp_code < 500 else 422
            return Outcome(status, error=f"The mail server answered {error.smtp_code} {text}")
        except (OSError, smtplib.SMTPException) as error:
            return Outcome(error=f"{type(error).__name__}: {str(error)[:300]}")
        return Outcome(200)

    def message(self, notice: Notice, delivery: str) -> EmailMessage:
        """The mail; a repetition has the same Message-ID, and all of a group one thread."""
        message = EmailMessage()
        # A line break in a value of the data may not begin another header.
        message["Subject"] = " ".join(notice.title.split())[:LONGEST]
        message["From"] = self.sender
        message["To"] = ", ".join(self.to)
        message["Date"] = formatdate(notice.at / 1000)
        domain = self.sender.rpartition("@")[2]
        message["Message-ID"] = f"<{delivery}@{domain}>"
        message["References"] = f"<{notice.key}@{domain}>"
        message.set_content("\n".join([notice.title, "", *notice.lines]) + "\n")
        return message

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self.tls == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=SECONDS, context=context)
        server = smtplib.SMTP(self.host, self.port, timeout=SECONDS)
        if self.tls == "starttls":
            server.starttls(context=context)
        return server

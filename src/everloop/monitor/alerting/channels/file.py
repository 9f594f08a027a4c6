"""A file of JSON lines, for whatever collects logs on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from everloop.extensions import alert_channels
from everloop.monitor.alerting.channels._base import Channel, Surroundings
from everloop.monitor.alerting.notice import Notice
from everloop.registry.webhooks.records import Outcome


@alert_channels.register("file")
class File(Channel, frozen=True):
    """Appends a line to ``path``, from the project's folder on; it is on disk when it is sent."""

    path: str

    def send(self, notice: Notice, delivery: str, around: Surroundings) -> Outcome:
        line = {"delivery": delivery, "title": notice.title, **msgspec.to_builtins(notice)}
        target = around.folder / Path(around.value(self.path))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            # One write of a whole line: lines of several threads do not mix.
            handle = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(handle, msgspec.json.encode(line) + b"\n")
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            return Outcome(error=f"{self.path}: {error.strerror or error}")
        return Outcome(200)

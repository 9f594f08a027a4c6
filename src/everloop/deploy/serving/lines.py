"""The process's log as JSON, one line a message or request, for ``log_format = "json"``.

A thread writes the lines, so that a request costs the making of a dictionary, and a reader of
standard error that stands still holds up nobody: past a bound, lines are dropped and counted.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import IO, Any

import msgspec

from everloop.deploy.serving.seen import Seen

MOST_WAITING = 10_000  # lines
PAUSE_S = 0.05
CLOSE_S = 2.0  # that a reader who stands still may keep the process

_encode = msgspec.json.Encoder(enc_hook=str).encode


class JsonLines(logging.Handler):
    """Takes log records as a handler, and requests by :meth:`request`; writes to ``stream``."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self.dropped = 0
        self._stream = stream
        self._waiting: deque[dict[str, Any]] = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="everloop-lines", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """A message of the process; a failure with its traceback."""
        line = {
            "time": record.created, "level": record.levelname, "logger": record.name,
            "message": record.getMessage(),
        }  # fmt: skip
        if record.exc_info:
            line["error"] = logging.Formatter().formatException(record.exc_info)
        self._put(line)

    def request(self, seen: Seen) -> None:
        """A request that was answered; without what it asked, and without its token."""
        level = "ERROR" if seen.status >= 500 else "WARNING" if seen.status >= 400 else "INFO"
        line: dict[str, Any] = {
            "time": time.time(), "level": level, "request": seen.request,
            "endpoint": seen.endpoint or None, "version": seen.version or None,
            "method": seen.method, "route": seen.route, "status": seen.status,
            "ms": round(seen.ms, 3),
        }  # fmt: skip
        if seen.traceparent:
            line["trace"] = "".join(seen.traceparent[:64].split("-")[1:2])
        self._put(line)

    def stop(self) -> None:
        """Write what waits, and nothing after it.

        Not ``close``, by which whoever configures logging anew ends the handlers of others.
        """
        self._closing.set()
        self._thread.join(CLOSE_S)

    def _put(self, line: dict[str, Any]) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
        else:
            self._waiting.append(line)

    def _run(self) -> None:
        while not self._closing.wait(PAUSE_S):
            self._write()
        self._write()

    def _write(self) -> None:
        lines = []
        while self._waiting:
            lines.append(_line(self._waiting.popleft()))
        try:
            if lines:
                self._stream.write(b"".join(lines))
                self._stream.flush()
        except (OSError, ValueError):  # nobody reads any more
            self.dropped += len(lines)


def _line(line: dict[str, Any]) -> bytes:
    at = datetime.fromtimestamp(line["time"], UTC)
    line["time"] = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return _encode(line) + b"\n"

"""A run while it is going on."""

from __future__ import annotations

import logging
import operator
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from pathlib import Path
from types import TracebackType
from typing import Any

from everloop.errors import Conflict, InvalidInput, invalid
from everloop.tracking.artifacts.paths import check_path
from everloop.tracking.checks import PARAM, TAG, check_texts
from everloop.tracking.client.buffer import MOST, Buffer
from everloop.tracking.client.channel import Channel
from everloop.tracking.wire import End

PATIENCE = 5.0
"""Seconds that the end of a run waits for a target that does not answer."""

LARGEST = 2**63
CURRENT: ContextVar[ActiveRun | None] = ContextVar("everloop_run", default=None)
"""The run whose block the program is in; a run started there is its child."""

log = logging.getLogger("everloop.client")


class ActiveRun:
    """A run that is being logged to; made by :func:`everloop.start_run`.

    Use it as a context manager: it ends ``FINISHED``, or ``FAILED`` when the block raises and
    ``KILLED`` when it is interrupted. The methods may be called from several threads.
    """

    def __init__(self, channel: Channel, buffer: Buffer, ended: Callable[[ActiveRun], None]):
        self._channel = channel
        self._buffer = buffer
        self._points = buffer.points
        self._known = buffer.known
        self._params: dict[str, str] = {}
        self._tell_ended = ended
        self._ended = False
        self._entered: list[Token[ActiveRun | None]] = []

    @property
    def id(self) -> str:
        """32 hexadecimal digits."""
        return self._buffer.run

    @property
    def url(self) -> str | None:
        """The run's address on its server; None for a run in a folder."""
        return self._channel.target.url(self.id)

    def log(self, metrics: Mapping[str, float], step: int = 0, at: int | None = None) -> None:
        """Log values of metrics at a step; ``at`` is the time in milliseconds, now by default.

        It returns within microseconds: the values are in the write-ahead file 50 ms later, and
        are sent from there.
        """
        if self._ended:
            raise self._over()
        if type(step) is not int or not -LARGEST <= step < LARGEST:
            step = _whole("step", step)
        when = time.time_ns() // 1_000_000 if at is None else _whole("at", at)
        known = self._known
        rows = []
        for key, value in metrics.items():
            index = known.get(key)
            if index is None:
                index = self._buffer.learn(key)
            rows.append((index, value if type(value) is float else _number(key, value), step, when))
        self._points.extend(rows)
        if not self._channel.awake:
            self._channel.wake()
        if len(self._points) > MOST:
            self._channel.flush()

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log params. A param is written once: another value is refused with Conflict."""
        texts = check_texts("params", params, PARAM)
        for key, text in texts.items():
            if self._params.get(key, text) != text:
                raise Conflict(
                    f"params.{key}: got {text!r}, but the run has {self._params[key]!r} already; "
                    "a param is written once.",
                    code="param_changed",
                    path=f"params.{key}",
                )
        self._params |= texts
        self._add({"params": texts})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags; the last value of a tag wins."""
        self._add({"tags": check_texts("tags", tags, TAG)})

    def log_artifact(self, path: Path | str, name: str | None = None) -> None:
        """Log a file, or a folder with all that is in it, under ``name`` (the last part of path).

        It is copied before this returns, and may be changed or deleted afterwards.
        """
        source = Path(path)
        top = check_path(source.resolve().name if name is None else name)
        if not source.exists():
            raise InvalidInput(f"path: there is no file {str(path)!r}.", path="path", got=str(path))
        if self._ended:
            raise self._over()
        files = sorted(source.rglob("*")) if source.is_dir() else [source]
        for file in files:
            if file.is_file():
                inside = file.relative_to(source).as_posix() if source.is_dir() else ""
                whole = check_path(f"{top}/{inside}" if inside else top)
                self._channel.take_file(self.id, whole, file)

    def flush(self, patience: float = PATIENCE) -> bool:
        """Wait until everything logged so far is kept by the other side.

        False when ``patience`` seconds brought no progress; then it waits in the write-ahead
        file. Raises the first refusal, such as of a param that another process wrote.
        """
        sent = self._channel.drain(patience)
        refused = self._channel.refused.pop(self.id, None)
        if refused:
            raise refused[0]
        return sent

    def finish(self, status: str = "FINISHED") -> None:
        """End the run: ``FINISHED``, ``FAILED`` or ``KILLED``; ending it twice changes nothing."""
        if self._ended:
            return
        if status not in ("FINISHED", "FAILED", "KILLED"):
            raise invalid("status", status, "FINISHED, FAILED or KILLED")
        self._ended = True
        self._buffer.end = End(status, time.time_ns() // 1_000_000)  # type: ignore[arg-type]
        self._channel.wake()
        self._tell_ended(self)
        if not self.flush():
            log.warning(
                "run %s: %d records wait below %s; the next client sends them, or: "
                "everloop runs sync",
                self.id,
                self._channel.unsent(),
                self._channel.root,
            )

    def __enter__(self) -> ActiveRun:
        self._entered.append(CURRENT.set(self))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._entered:
            CURRENT.reset(self._entered.pop())
        if error is None:
            self.finish()
            return
        try:
            self.finish(_status(error))
        except Exception as second:  # the block's own error is the one to tell
            log.error("run %s: %s", self.id, second)

    def __repr__(self) -> str:
        return f"ActiveRun({self.id!r})"

    def _add(self, fields: dict[str, dict[str, str]]) -> None:
        if self._ended:
            raise self._over()
        self._buffer.texts.append(fields)
        self._channel.wake()

    def _over(self) -> Conflict:
        return Conflict(
            f"The run {self.id} has ended; start another, or go on with run={self.id!r}.",
            code="run_ended",
        )


def _status(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "KILLED"
    if isinstance(error, SystemExit):
        if error.code in (None, 0):
            return "FINISHED"
        return "KILLED" if error.code == 143 else "FAILED"
    return "FAILED"


def _whole(field: str, value: Any) -> int:
    try:
        whole = operator.index(value)
    except TypeError:
        raise invalid(field, value, "a whole number") from None
    if not -LARGEST <= whole < LARGEST:
        raise invalid(field, whole, "a whole number of 64 bits")
    return whole


def _number(key: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise invalid(f"metrics.{key}", value, "a number") from None

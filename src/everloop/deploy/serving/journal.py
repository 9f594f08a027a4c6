"""The prediction log and the feedback log of one data-plane process.

``fsync`` says when records reach the disk: ``always`` before the reply (one fsync serves all
requests that wait for it), ``interval`` once a second, ``never`` when the system sees fit. In
each case a record is with the operating system before the reply leaves, so that it survives the
end of this process.

An answer never waits for a log that cannot be written. When the folder holds ``limit`` bytes that
nobody has taken away, when the disk refuses, or when it has not answered for ``STALL_S`` seconds,
rows are shed and counted in ``counts.lost``, from which the control plane raises an alert.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from everloop.data.segments import (
    FeedbackRecord,
    PredictionRecord,
    SegmentWriter,
    encode_record,
    list_segments,
)
from everloop.deploy.serving.counts import Counts
from everloop.deploy.serving.redaction import Redaction
from everloop.errors import Unavailable

INTERVAL_S = 1.0
STALL_S = 2.0
KINDS = ("predictions", "feedback")

Fsync = Literal["always", "interval", "never"]
Reason = Literal["full", "failed", "stalled", "unsynced"]

_log = logging.getLogger(__name__)


class Written(NamedTuple):
    """A record on its way, and whose rows are lost with it."""

    endpoint: str
    rows: int
    payload: bytes


class Journal:
    """Writes below ``folder``, in ``predictions/`` and ``feedback/``.

    A prediction is answered also when it cannot be logged. Feedback that cannot be kept is
    refused instead, since its sender can send it again.

    Parameters
    ----------
    max_bytes, max_age : of a segment; see :class:`~everloop.data.segments.SegmentWriter`.
    limit : bytes that the folder may hold.

    Attributes
    ----------
    on_loss : called at most once a second, after rows were lost.
    """

    def __init__(
        self,
        folder: Path,
        counts: Counts,
        fsync: Fsync = "interval",
        max_bytes: int = 64 << 20,
        max_age: float = 3600.0,
        limit: int = 10 << 30,
    ) -> None:
        self.waits = fsync == "always"
        self.on_loss: Callable[[], None] | None = None
        self._fsync = fsync
        self._counts = counts
        self._folder = folder
        self._limit = limit
        self._predictions, self._feedback = self._writers = [
            SegmentWriter(folder / kind, kind, max_bytes, max_age=max_age) for kind in KINDS
        ]
        self._rules: dict[str, Redaction] = {}
        self._found = _size(folder)  # when the folder was last looked at
        self._written = 0  # by this process until then
        self._next_commit: asyncio.Future[None] | None = None
        self._committer: asyncio.Task[None] | None = None
        self._syncing_since: float | None = None
        self._told = 0
        self._held: list[Written] | None = None  # what is gathered for one write
        self._failing = False

    @property
    def used(self) -> int:
        """Bytes that the folder holds, as far as is known without looking."""
        return self._found - self._written + self._predictions.written + self._feedback.written

    def obey(self, rules: dict[str, Redaction]) -> None:
        """Apply these rules by endpoint from now on."""
        self._rules = rules

    def hides(self, endpoint: str) -> bool:
        """Whether values of an endpoint's requests must not be written anywhere."""
        rules = self._rules.get(endpoint)
        return rules is not None and rules.hides

    def prediction(self, record: PredictionRecord) -> None:
        """Hand a record to the operating system. Never raises, never waits for a hung disk."""
        rows = len(record.ids)
        try:
            if (rules := self._rules.get(record.endpoint)) is not None:
                kept = rules.prediction(record)
                if kept is None:
                    return
                record = kept
            if (reason := self._shut()) is not None:
                self._lose(record.endpoint, rows, reason, "it is shut")
                return
            self._append([Written(record.endpoint, rows, encode_record(record))])
        except Exception as error:  # whatever a value does, the caller is answered
            self._lose(record.endpoint, rows, "failed", str(error))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Predictions that are handed over within it go to the operating system in one write."""
        held: list[Written] = []
        self._held = held
        try:
            yield
        finally:
            self._held = None
            self._append(held)

    def _append(self, records: list[Written]) -> None:
        if self._held is not None:
            self._held += records
            return
        if not records:
            return
        try:
            self._predictions.append(*(record.payload for record in records))
            self._failing = False
        except Exception as error:  # whatever the disk does, the caller is answered
            for endpoint, rows, _ in records:
                self._lose(endpoint, rows, "failed", str(error))

    async def feedback(self, record: FeedbackRecord) -> None:
        """Keep labels. Raises :class:`~everloop.errors.Unavailable` when they cannot be kept.

        Under ``always`` that includes a disk that does not confirm them in ``STALL_S`` seconds.
        """
        if (rules := self._rules.get(record.endpoint)) is not None:
            record = rules.feedback(record)
        try:
            if (reason := self._shut()) is not None:
                raise OSError(f"the log is {reason}")
            self._feedback.append(encode_record(record))
            if self.waits:
                async with asyncio.timeout(STALL_S):
                    await asyncio.to_thread(self._feedback.sync)
        except OSError as error:  # TimeoutError is one
            _log.error("feedback cannot be written: %s", error)
            raise Unavailable(
                "The feedback log cannot be written now; send the labels again later.",
                code="log_unavailable",
            ) from None

    async def committed(self) -> None:
        """Under ``always``: return once what was written before this call is on the disk.

        A disk that does not say so within ``STALL_S`` seconds is waited for no longer.
        """
        if not self.waits or self._stalled():
            return
        if self._next_commit is None:
            self._next_commit = asyncio.get_running_loop().create_future()
            if self._committer is None or self._committer.done():
                self._committer = asyncio.create_task(self._commit())
        done, _ = await asyncio.wait((self._next_commit,), timeout=STALL_S)
        if not done:
            self._lose("", 1, "unsynced", "the disk does not answer")

    async def run(self) -> None:
        """Each second until cancelled: to the disk under ``interval``, and tell what was lost."""
        async with asyncio.TaskGroup() as together:
            together.create_task(self._keep())
            together.create_task(self._tell())

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            if not self.waits:
                await self._sync(closed=self._fsync == "never")
            written = sum(writer.written for writer in self._writers)
            self._found, self._written = await asyncio.to_thread(_size, self._folder), written

    async def _tell(self) -> None:
        """Beside :meth:`_keep`, which a disk that hangs holds up."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            if self.on_loss is not None and self._counts.log_lost > self._told:
                self._told = self._counts.log_lost
                self.on_loss()

    def close(self) -> None:
        """Bring everything to the disk."""
        for writer in self._writers:
            try:
                writer.close()
            except OSError as error:
                _log.error("the log cannot be brought to the disk: %s", error)

    def _shut(self) -> Reason | None:
        """Why nothing may be written now."""
        if self.used >= self._limit:
            return "full"
        return "stalled" if self._stalled() else None

    def _stalled(self) -> bool:
        since = self._syncing_since
        return since is not None and time.monotonic() - since > STALL_S

    async def _commit(self) -> None:
        while (waiting := self._next_commit) is not None:
            self._next_commit = None
            await self._sync()
            waiting.set_result(None)

    async def _sync(self, closed: bool = False) -> None:
        self._syncing_since = time.monotonic()
        try:
            await asyncio.to_thread(self._sync_writers, closed)
        except OSError as error:
            self._lose("", 0, "failed", str(error))
        finally:
            self._syncing_since = None

    def _sync_writers(self, closed: bool) -> None:
        for writer in self._writers:
            writer.sync(closed)

    def _lose(self, endpoint: str, rows: int, reason: Reason, why: str) -> None:
        self._counts.lost(endpoint, reason, rows)
        if not self._failing:  # say it once, not at each request
            self._failing = True
            _log.error("the prediction log cannot be written (%s): %s", reason, why)


def _size(folder: Path) -> int:
    """Bytes in the segments below a folder."""
    total = 0
    for kind in KINDS:
        for path in list_segments(folder / kind):
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                continue  # taken away meanwhile
    return total

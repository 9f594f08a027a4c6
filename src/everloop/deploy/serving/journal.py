"""The prediction log and the feedback log of one data-plane process.

``fsync`` says when records reach the disk: ``always`` before the reply (one fsync serves all
requests that wait for it), ``interval`` once a second, ``never`` when the system sees fit. In
each case a record is with the operating system before the reply leaves, so that it survives the
end of this process.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Literal

from everloop.data.segments import (
    FeedbackRecord,
    PredictionRecord,
    SegmentWriter,
    encode_record,
)
from everloop.deploy.serving.counts import Counts
from everloop.errors import Unavailable

INTERVAL_S = 1.0

_log = logging.getLogger(__name__)


class Journal:
    """Writes below ``folder``, in ``predictions/`` and ``feedback/``.

    A prediction is answered also when it cannot be logged; its rows are counted in
    ``counts.log_lost``. Feedback that cannot be kept is refused instead.
    """

    def __init__(
        self,
        folder: Path,
        counts: Counts,
        fsync: Literal["always", "interval", "never"] = "interval",
        max_bytes: int = 64 << 20,
    ) -> None:
        self.waits = fsync == "always"
        self._fsync = fsync
        self._counts = counts
        self._predictions = SegmentWriter(folder / "predictions", "predictions", max_bytes)
        self._feedback = SegmentWriter(folder / "feedback", "feedback", max_bytes)
        self._next_commit: asyncio.Future[None] | None = None
        self._committer: asyncio.Task[None] | None = None
        self._failing = False

    def prediction(self, record: PredictionRecord) -> None:
        """Hand a record to the operating system. Never raises."""
        try:
            self._predictions.append(encode_record(record))
            self._failing = False
        except Exception as error:  # whatever the disk or a value does, the caller is answered
            self._lose(len(record.ids), error)

    def feedback(self, record: FeedbackRecord) -> None:
        """Keep labels. Raises :class:`~everloop.errors.Unavailable` when they cannot be kept."""
        try:
            self._feedback.append(encode_record(record))
            if self.waits:
                self._feedback.sync()
        except OSError as error:
            _log.error("feedback cannot be written: %s", error)
            raise Unavailable(
                "The feedback log cannot be written now; send the labels again later.",
                code="log_unavailable",
            ) from None

    async def committed(self) -> None:
        """Under ``always``: return once what was written before this call is on the disk."""
        if not self.waits:
            return
        if self._next_commit is None:
            self._next_commit = asyncio.get_running_loop().create_future()
            if self._committer is None or self._committer.done():
                self._committer = asyncio.create_task(self._commit())
        await asyncio.shield(self._next_commit)

    async def run(self) -> None:
        """Under ``interval``: bring the logs to the disk each second until cancelled."""
        while self._fsync == "interval":
            await asyncio.sleep(INTERVAL_S)
            await self._sync()

    def close(self) -> None:
        """Bring everything to the disk."""
        for writer in (self._predictions, self._feedback):
            try:
                writer.close()
            except OSError as error:
                _log.error("the log cannot be brought to the disk: %s", error)

    async def _commit(self) -> None:
        while (waiting := self._next_commit) is not None:
            self._next_commit = None
            await self._sync()
            waiting.set_result(None)

    async def _sync(self) -> None:
        try:
            await asyncio.to_thread(self._predictions.sync)
            await asyncio.to_thread(self._feedback.sync)
        except OSError as error:
            self._lose(0, error)

    def _lose(self, rows: int, error: Exception) -> None:
        self._counts.log_lost += rows
        if not self._failing:  # say it once, not at each request
            self._failing = True
            _log.error("the prediction log cannot be written: %s", error)

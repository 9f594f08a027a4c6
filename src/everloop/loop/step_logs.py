"""What a step of a cycle said: its progress, and the end of what its process printed.

The last :data:`KEPT` characters stay with the step, in the database, so that its page has them
wherever it ran; the whole of what was printed is in ``.everloop/logs/worker.log`` of the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from everloop.errors import EverloopError
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import upsert
from everloop.store.tables import step_logs

Report = Callable[[str, dict[str, Any]], None]  # as everloop.loop.steps has it
KEPT = 16_384  # characters of a step, its last ones
EVERY = 2.0  # seconds between two times that what goes on is kept, at least


class StepLogStore:
    """What steps said, by cycle. Safe to share between threads."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def keep(self, cycle: str, step: str, text: str) -> None:
        """Keep the end of what a step said, in the place of what was kept of it before."""
        values = {"cycle": cycle, "step": step, "text": _end(text), "updated": now_ms()}
        with self._db.write() as conn:
            conn.execute(upsert(step_logs, ["cycle", "step"], ["text", "updated"]), values)

    def of(self, cycle: str) -> dict[str, str]:
        """The texts of a cycle's steps; a step that said nothing is left out."""
        query = sa.select(step_logs.c.step, step_logs.c.text).where(step_logs.c.cycle == cycle)
        with self._db.read() as conn:
            return {row.step: row.text for row in conn.execute(query)}


class Listener:
    """Takes down what one step says, and keeps it while the step goes on and at its end."""

    def __init__(self, store: StepLogStore, cycle: str, step: str, onward: Report) -> None:
        self._store, self._cycle, self._step, self._onward = store, cycle, step, onward
        self._before = store.of(cycle).get(step, "")  # of an earlier attempt
        self._said: list[str] = []
        self._kept = time.monotonic()

    def report(self, what: str, facts: dict[str, Any]) -> None:
        """A step's progress: noted here, and handed on."""
        told = ", ".join(
            f"{name} {_short(value)}"
            for name, value in facts.items()
            if not isinstance(value, list)
        )
        self._said.append(f"{datetime.now(UTC):%H:%M:%S} {what}: {told}\n")
        if time.monotonic() - self._kept >= EVERY:
            self.keep("")
        self._onward(what, facts)

    def keep(self, printed: str) -> None:
        """What was said so far, and what was printed."""
        self._kept = time.monotonic()
        text = self._before + "".join(self._said) + printed
        if self._said or printed:
            with suppress(EverloopError):  # the step counts, not what it said
                self._store.keep(self._cycle, self._step, text)


@contextmanager
def listening(
    store: StepLogStore, cycle: str, step: str, onward: Report, printed: Path
) -> Iterator[Report]:
    """Keep what a step says in the block, however it ends; ``printed`` is its process's log.

    Gives what the step is to report to.
    """
    begun = _size(printed)
    listener = Listener(store, cycle, step, onward)
    try:
        yield listener.report
    finally:
        listener.keep(_since(printed, begun))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _since(path: Path, begun: int) -> str:
    """The end of what was written to a file after it had ``begun`` bytes."""
    size = _size(path)
    if size <= begun:
        return ""
    with path.open("rb") as file:
        file.seek(max(begun, size - KEPT))
        return file.read(KEPT).decode("utf-8", "replace")


def _end(text: str) -> str:
    clean = text.replace("\0", "")
    return clean if len(clean) <= KEPT else "…" + clean[1 - KEPT :]


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    text = str(value)
    return text if len(text) <= 200 else text[:199] + "…"

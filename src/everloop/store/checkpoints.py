"""What SQLite wrote ahead is moved into its file by a thread of its own.

A connection that has written a thousand pages ahead moves them itself, at the end of whatever
transaction comes next, and waits for the disk twice. On the connection of
:mod:`~everloop.store.instant` that would be the event loop, so there it is switched off and done
here: at first beside the writers, and when these are too quick for that, as one of them. They then
wait their turn in threads of their own.

Nothing becomes less durable: a transaction is in the log when it commits, whoever moves it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

EVERY = 250
"""Transactions between two moves."""

LONGEST = 8000
"""Pages in the log, 32 MB of them, from which on writers have to wait until it begins anew."""

PATIENCE = 5.0
"""Seconds that a move waits for the others."""


class Checkpoints:
    """Moves the log of the SQLite file at ``path`` when :meth:`written` has been said often enough.

    ``prepare`` sets a new connection up, ``turn`` is what the writers of this process queue for.
    The thread begins with the first move and ends with :meth:`close`.
    """

    def __init__(
        self,
        path: str,
        prepare: Callable[[sqlite3.Connection], None],
        turn: AbstractContextManager[object] | None = None,
    ) -> None:
        self._path = path
        self._prepare = prepare
        self._turn = turn
        self._count = 0
        self._due = threading.Event()
        self._over = False
        self._thread: threading.Thread | None = None

    def written(self) -> None:
        """Say that a transaction was committed; one thread at a time may say so."""
        self._count += 1
        if self._count < EVERY:
            return
        self._count = 0
        self._due.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="checkpoints", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread, when it has done what it is at; the next move begins another."""
        if self._thread is not None:
            self._over = True
            self._due.set()
            self._thread.join()
            self._thread = None
            self._over = False
            self._due.clear()

    def _work(self) -> None:
        connection = sqlite3.connect(self._path, timeout=PATIENCE)
        try:
            self._prepare(connection)
            while self._due.wait() and not self._over:
                self._due.clear()
                move(connection, self._turn)
        finally:
            connection.close()


def move(connection: sqlite3.Connection, turn: AbstractContextManager[object] | None = None) -> str:
    """Move the log into the file; says how: ``passive``, or ``restart`` when the log is long.

    A disk that is full or a log that is in use is no failure: the log stays, and so does what is
    in it, until the next time.
    """
    how = "passive"
    try:
        pages = _checkpoint(connection, how)
        if pages > LONGEST:
            _checkpoint(connection, how)  # what was written meanwhile, so that little is left
            how = "restart"
            with (
                turn or nullcontext()
            ):  # SQLite's own waiting is a sleep; who queues is woken at once
                _checkpoint(connection, how)
    except sqlite3.OperationalError:
        return "later"
    return how


def _checkpoint(connection: sqlite3.Connection, how: str) -> int:
    found: Any = connection.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
    return int(found[1])

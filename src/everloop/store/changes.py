"""Whether anything was written since somebody last asked, for a few microseconds.

Threads that look for work twice a second find none most of the time. SQLite tells by a counter in
its memory (``PRAGMA data_version``) that no other connection has committed; PostgreSQL answers over
a network, where the look itself costs no more.
"""

from __future__ import annotations

import sqlite3

from everloop.store.database import Database


class Changes:
    """The commits of all processes to a database; one for each thread that asks."""

    def __init__(self, db: Database) -> None:
        self._path = str(db.engine.url.database) if db.dialect == "sqlite" else None
        self._connection: sqlite3.Connection | None = None
        self._seen: int | None = None

    def any(self) -> bool:
        """Whether there was one since the last time; True where nobody knows, and at first."""
        if self._path is None:
            return True
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(self._path, check_same_thread=False, timeout=0)
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:  # locked, or away: the look itself will tell
            self.close()
            return True
        before, self._seen = self._seen, int(version)
        return before != self._seen

    def close(self) -> None:
        """Let go of the connection; the next answer is True."""
        connection, self._connection, self._seen = self._connection, None, None
        if connection is not None:
            connection.close()

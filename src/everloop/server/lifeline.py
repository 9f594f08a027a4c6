"""The pipe between a child and its supervisor: when it closes, nobody watches us any more."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable


def watch_stdin(on_close: Callable[[], object]) -> threading.Thread:
    """Call ``on_close`` once, from a thread of its own, when standard input ends.

    The supervisor holds the other end of the pipe, so even ``kill -9`` of it is noticed.
    """

    def wait() -> None:
        try:
            while os.read(sys.stdin.fileno(), 4096):
                pass
        except (OSError, ValueError):
            pass
        on_close()

    thread = threading.Thread(target=wait, name="lifeline", daemon=True)
    thread.start()
    return thread

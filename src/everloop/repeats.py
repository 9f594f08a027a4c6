"""A warning that goes on, such as that a database is away, said now and then, not at each try."""

from __future__ import annotations

import logging
import time

EVERY_SECONDS = 60.0


class Repeats:
    """Warns by ``log``, of the same words once in ``every`` seconds. For one thread."""

    def __init__(self, log: logging.Logger, every: float = EVERY_SECONDS) -> None:
        self._log = log
        self._every = every
        self._said: dict[str, float] = {}

    def warning(self, words: str) -> None:
        now = time.monotonic()
        self._said = {text: at for text, at in self._said.items() if now - at < self._every}
        if words not in self._said:
            self._said[words] = now
            self._log.warning("%s", words)

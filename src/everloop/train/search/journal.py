"""The durable record of a study: one line of JSON for each trial begun and each trial ended.

A line is on the disk before the study goes on. A process that is killed leaves at most one torn
line, which the next one cuts off; trials that had begun are tried again under the same number. A
trial that took its process with it twice is written down as failed, so that a study cannot die of
the same trial for ever.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from everloop.errors import Conflict
from everloop.train.search.records import Trial

MAX_STARTS = 2
MAX_LOST = 20  # trials that took the process with them, after which a study is over


class Journal:
    """The trials of one study in a file that one process at a time may write.

    Without a file it is kept in memory alone. Raises :class:`~everloop.errors.Conflict` when
    another process has the file.
    """

    def __init__(self, path: Path | None) -> None:
        self.trials: list[Trial] = []
        self.starts: dict[int, int] = {}
        self._file: BinaryIO | None = None
        if path is not None:
            self._open(path)

    def _open(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise Conflict(
                f"study {path.stem}: another process is searching.",
                code="study_busy",
                fix="Wait for it, or stop it.",
            ) from None
        self._read(self._file)

    def started(self, number: int, candidate: str) -> None:
        """Write down that a trial begins."""
        self.starts[number] = self.starts.get(number, 0) + 1
        self._append({"started": number, "candidate": candidate})

    def ended(self, trial: Trial) -> None:
        """Write down what came of a trial."""
        self.trials.append(trial)
        self._append({"trial": trial})

    def lost(self, number: int) -> bool:
        """Whether this trial took its process with it before, so often that it is given up."""
        return self.starts.get(number, 0) >= MAX_STARTS

    @property
    def deadly(self) -> bool:
        """Whether so many trials were lost like this that the next one will be too."""
        gone = [t for t in self.trials if t.state == "failed" and self.lost(t.number)]
        return len(gone) >= MAX_LOST

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, file: BinaryIO) -> None:
        file.seek(0)
        whole = 0
        for line in file:
            try:
                record: dict[str, Any] = msgspec.json.decode(line)
            except msgspec.DecodeError:
                break
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            if "trial" in record:
                self.trials.append(msgspec.convert(record["trial"], Trial))
            else:
                number = int(record["started"])
                self.starts[number] = self.starts.get(number, 0) + 1
        file.truncate(whole)

    def _append(self, record: dict[str, Any]) -> None:
        if self._file is None:
            return
        self._file.write(msgspec.json.encode(record) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

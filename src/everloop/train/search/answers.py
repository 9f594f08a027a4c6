"""What the best trials answered to the validation rows, kept beside the study.

An ensemble is made of them afterwards, without fitting anything again. Only the answers of the
best trials are kept, and of no more trials than fit into a bounded memory.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np

MOST = 40  # trials whose answers are kept
MOST_BYTES = 256_000_000  # of all answers together


class AnswerStore:
    """The answers of the best trials: one file each in ``folder``, named by the trial's number.

    Without a folder they lie in a temporary one, for as long as the store is open. A file that is
    torn or of another shape counts as absent.
    """

    def __init__(self, folder: Path | None) -> None:
        self._held = ExitStack()
        if folder is None:
            folder = Path(self._held.enter_context(tempfile.TemporaryDirectory()))
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)

    def keep(self, number: int, answers: np.ndarray, scores: dict[int, float]) -> None:
        """Keep the answers of a trial while it is among the best.

        ``scores`` are those of all trials that ended, by number, this one's too.
        """
        room = min(MOST, MOST_BYTES // max(1, answers.nbytes))
        best = sorted(scores, key=lambda n: (-scores[n], n))[:room]
        for place in self.folder.glob("*.npy"):
            if not place.stem.isdigit() or int(place.stem) not in best:
                place.unlink(missing_ok=True)
        if number not in best:
            return
        fresh = self.folder / f"{number}.part"
        with fresh.open("wb") as file:
            np.save(file, answers, allow_pickle=False)
        fresh.replace(self._place(number))

    def get(self, number: int, rows: int) -> np.ndarray | None:
        """The answers of a trial to ``rows`` validation rows; None when they are not there."""
        try:
            found: np.ndarray = np.load(self._place(number), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return found if len(found) == rows else None

    def close(self) -> None:
        self._held.close()

    def __enter__(self) -> AnswerStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _place(self, number: int) -> Path:
        return self.folder / f"{number}.npy"

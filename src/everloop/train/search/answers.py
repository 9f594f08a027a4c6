"""What each candidate's best trial answered to the validation rows, kept beside the study.

An ensemble is made of them afterwards, without fitting anything again. Only those answers are kept,
and of no more candidates than fit into a bounded memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from everloop.replacing import replacing
from everloop.train.search.records import Trial

MOST_BYTES = 256_000_000  # of all answers together


def best_of_each(trials: Sequence[Trial]) -> list[Trial]:
    """The best trial of each candidate, the best of all first."""
    ranked = sorted((t for t in trials if t.usable), key=lambda t: t.worth, reverse=True)
    found: dict[str, Trial] = {}
    for trial in ranked:
        found.setdefault(trial.candidate, trial)
    return list(found.values())


class AnswerStore:
    """The answers of each candidate's best trial: a file in ``folder``, named by its number.

    Without a folder they lie in a temporary one, for as long as the store is open. A file that is
    torn or of another shape counts as absent.
    """

    def __init__(self, folder: Path | None) -> None:
        self._held = ExitStack()
        if folder is None:
            folder = Path(self._held.enter_context(tempfile.TemporaryDirectory()))
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)

    def keep(self, number: int, answers: np.ndarray, trials: Sequence[Trial]) -> None:
        """Keep the answers of a trial while it is its candidate's best.

        ``trials`` are all that ended, this one too.
        """
        room = MOST_BYTES // max(1, answers.nbytes)
        best = [trial.number for trial in best_of_each(trials)[:room]]
        for place in self.folder.glob("*.npy"):
            if not place.stem.isdigit() or int(place.stem) not in best:
                place.unlink(missing_ok=True)
        if number not in best:
            return
        with (
            replacing(self._place(number), lasting=False) as fresh,
            fresh.open("wb") as file,
        ):
            np.save(file, answers, allow_pickle=False)

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

"""How many candidates are fitted at a time, while their defaults are compared."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from everloop.memory import available_bytes
from everloop.train.cores import cores
from everloop.train.spec import TrainSpec
from everloop.train.training import Training

AT_ONCE = 2  # candidates: most of them use more than half of the cores
ROOM = 6  # times the rows that must be free, so that another candidate may hold them too
MARK = "side_by_side"


@contextmanager
def side_by_side(
    training: Training, spec: TrainSpec, checkpoints: Path | None
) -> Iterator[ThreadPoolExecutor]:
    """Threads to fit in: one where memory is bounded or may be short, or where a fit by several
    came to a sudden end, which memory may have been the cause of.

    ``checkpoints`` is the folder that outlives such an end; None where nothing goes on after it.
    """
    mark = None if checkpoints is None else checkpoints / MARK
    ended_before = mark is not None and mark.exists()
    count = 1 if ended_before or _short(training, spec) else min(AT_ONCE, cores())
    if mark is not None and count > 1:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    # Threads that put back how warnings are told, each as it found it, may leave another's.
    with warnings.catch_warnings(), ThreadPoolExecutor(count) as pool:
        yield pool
    if mark is not None and count > 1:
        mark.unlink(missing_ok=True)


def _short(training: Training, spec: TrainSpec) -> bool:
    return bool(spec.limits.memory) or training.X.nbytes * ROOM > available_bytes()

"""How far a pass over all rows has come, in a file, so that after a crash it goes on from there."""

from __future__ import annotations

import hashlib
import time
from typing import Any, cast

import msgspec
import numpy as np
from scipy import sparse

from everloop.replacing import replace_file
from everloop.train.streaming.fit import Refit
from everloop.train.streaming.plain import Unplain, read_back, written

SAVE_EVERY = 30.0  # seconds between two checkpoints


class _Checkpoint(msgspec.Struct, frozen=True, array_like=True):
    """What was learned of the first ``blocks`` blocks, as :mod:`.plain` writes it."""

    blocks: int
    learned: Any


class Progress:
    """What a pass has learned and of how many ``blocks``, in the checkpoints of a fit.

    A checkpoint is this pass's when it is of the same kind of model with the same parameters, on
    the same sample, and of rows in the same blocks.
    """

    def __init__(self, part: Refit) -> None:
        self.blocks = 0
        self._at = time.monotonic()
        folder = part.checkpoints
        self._path = None if folder is None else folder / f"pass-{_of(part)}.msgpack"

    def found(self, like: Any) -> Any | None:
        """What an interrupted pass had learned, made of ``like``, an object of its kind; None
        where there is none, or it cannot be read."""
        if self._path is None or not self._path.is_file():
            return None
        try:
            kept = msgspec.msgpack.decode(self._path.read_bytes(), type=_Checkpoint)
            learned = read_back(kept.learned, like)
        except (Unplain, msgspec.MsgspecError, OSError):
            return None
        self.blocks = kept.blocks
        return learned

    def keep(self, blocks: int, learned: Any) -> None:
        """Write down what was learned of the first ``blocks`` blocks, if it is time to and it is
        made of what can be written."""
        if self._path is None or time.monotonic() - self._at < SAVE_EVERY:
            return
        try:
            data = msgspec.msgpack.encode(_Checkpoint(blocks, written(learned)))
        except Unplain:
            self._path = None
            return
        replace_file(self._path, data)
        self._at = time.monotonic()


def _of(part: Refit) -> str:
    """What tells this pass from others, 16 digits."""
    kind, X = type(part.model), cast(Any, part.sample.X)
    told = f"{kind.__module__}.{kind.__qualname__} {part.model.get_params()} {part.rows.blocks}"
    digest = hashlib.sha256(told.encode())
    for values in (X.tocsr().data if sparse.issparse(X) else X, part.sample.y):
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()[:16]

"""Answers that were given before, by what was asked: for models that are asked the same again."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import numpy.typing as npt

from everloop.deploy.predictor import Output

MOST_BYTES = 4096  # of the rows of a request: larger ones seldom come again


class AnswerCache:
    """The newest ``size`` different requests of one endpoint, the least recently asked go first."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.hits = 0
        self.misses = 0
        self._kept: OrderedDict[tuple[str, bytes], Output] = OrderedDict()

    def key(self, digest: str, X: npt.NDArray[np.float64]) -> tuple[str, bytes] | None:
        """Of a model and its rows; None for a request that is too large to keep."""
        return (digest, X.tobytes()) if X.nbytes <= MOST_BYTES else None

    def get(self, key: tuple[str, bytes]) -> Output | None:
        found = self._kept.get(key)
        if found is None:
            self.misses += 1
            return None
        self.hits += 1
        self._kept.move_to_end(key)
        return found

    def put(self, key: tuple[str, bytes], output: Output) -> None:
        self._kept[key] = output
        if len(self._kept) > self.size:
            self._kept.popitem(last=False)

"""What a model promises that learns one event after another.

``learner_`` is river's own object; nothing here learns by itself. ``_begin`` makes it, ``_event``
gives it one row, and ``_settle`` reads off what it knows as arrays, of which alone answers and the
graph are made. ``state`` is what it knows as plain values (numbers, texts, lists, bytes), and
``_resume`` makes of that a learner that goes on as this one would.

Rows are learned in the order in which they are given, once each. To add one, write a class in a
file of its own and name it in :data:`everloop.train.state.events.MODELS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

CHUNK = 1_000  # rows between two looks at the clock

Stop = Callable[[], None]


def never() -> None:
    """A clock that nobody looks at."""


class Online:
    """Learns per event; see the obligations at the top of this file.

    Attributes
    ----------
    learner_ : river's. n_features_in_ : columns. events_ : how many were learned.
    forgets : whether the order of the rows matters.
    """

    forgets: ClassVar[bool] = True

    learner_: Any
    n_features_in_: int
    events_: int

    def fit(self, X: Any, y: np.ndarray, stop: Stop = never) -> Any:
        """Begin anew, and learn n rows in their order.

        ``stop`` is called every 1,000 rows and may raise.
        """
        self.__dict__.pop("learner_", None)
        return self.partial_fit(X, y, stop=stop)

    def partial_fit(self, X: Any, y: np.ndarray, classes: Any = None, stop: Stop = never) -> Any:
        """Learn more rows in their order; the first call names all ``classes``, if some are still
        to come."""
        if not hasattr(self, "learner_"):
            self.n_features_in_, self.events_ = X.shape[1], 0
            self._classes(y if classes is None else classes)
            self._begin()
        for first, rows in _chunks(X):
            stop()
            told = y[first : first + CHUNK].tolist()
            for row, target in zip(rows.tolist(), told, strict=True):
                self._event(row, target)
        self.events_ += len(y)
        self._settle()
        return self

    def resumed(self, classes: list[int], width: int, events: int, state: Any) -> Any:
        """This model, with what :meth:`state` of another said.

        Raises ValueError, TypeError, LookupError or AttributeError for what is no such state.
        """
        self.n_features_in_, self.events_ = width, events
        self._classes(np.asarray(classes, dtype=np.int64))
        self._begin()
        self._resume(state)
        self._settle()
        return self

    def _classes(self, y: np.ndarray) -> None:
        """Remember which classes there are; nothing for numbers."""

    def _begin(self) -> None:
        raise NotImplementedError

    def _event(self, row: list[float], target: Any) -> None:
        raise NotImplementedError

    def _settle(self) -> None:
        raise NotImplementedError

    def state(self) -> Any:
        """What it knows, as plain values."""
        raise NotImplementedError

    def _resume(self, state: Any) -> None:
        raise NotImplementedError


def _chunks(X: Any) -> Iterator[tuple[int, np.ndarray]]:
    for first in range(0, X.shape[0], CHUNK):
        part = X[first : first + CHUNK]
        yield first, np.asarray(part.toarray() if sparse.issparse(part) else part, np.float64)

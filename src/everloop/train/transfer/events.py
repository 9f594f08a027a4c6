"""One of river's learners, which goes on with the rows of another segment or schema."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import load_model_from_string

from everloop.data.schema import Schema
from everloop.train.onnx import joined
from everloop.train.state._base import Lesson
from everloop.train.state.front import Front, Resumed
from everloop.train.state.keeping import resumable
from everloop.train.transfer.mapping import Mapped


def warm_learner(
    folder: Path, parent: Schema, goal: Schema, X: np.ndarray, y: np.ndarray, seed: int
) -> Resumed:
    """The parent's learner after n events of ``goal``.

    Lost features are missing to it, which its preparation fills; new ones it does not see.
    """
    known = resumable(folder)
    assert known.front is not None, "these learners have their rows prepared"
    first = load_model_from_string(Front.of([Mapped(goal, parent)], X[:1]).data)
    front = Front(joined(first, load_model_from_string(known.front.data)), known.front.width)
    rows = front.transform(X)
    lesson = Lesson(rows, y, rows[:0], y[:0], seed=seed)
    (way,) = known.learner.ways
    return Resumed(front, known.learner.learn(known.model, way, lesson, known.about))

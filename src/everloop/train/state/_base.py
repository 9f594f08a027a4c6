"""What a family of models promises that can go on learning.

A learner holds nothing. ``saved`` writes a fitted model as bytes (text, safetensors, arrays without
objects, JSON), ``loaded`` makes of them a model that answers as the one that was saved and that
:func:`everloop.train.onnx.exported` converts. ``learn`` returns another model and leaves the given
one alone; it makes the same of the same rows and seed.

A model of the new rows alone forgets the old ones, so a lesson has both, unless a family learns
events as they come (``replays``). A family names the
``ways`` in which it may learn; which one suits is tried on new rows that it was not learned from.

To add one, write a class in a file of its own and name it in
:data:`everloop.train.state.families.FAMILIES`.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
import numpy as np

from everloop.data.schema import Task


class About(msgspec.Struct, frozen=True):
    """What is known of a model beside its weights.

    Attributes
    ----------
    algorithm, task, params : as it was fitted.
    codes : of the classes that it tells apart, ascending; empty for numbers.
    width : columns of what it reads, behind its preparation.
    updates : how often it has learned on since it was fitted in full.
    mean, spread : of the target of numbers, when it was fitted.
    rounds : of boosting, when it was fitted in full.
    """

    algorithm: str
    task: Task
    params: dict[str, Any]
    codes: list[int] = []
    width: int = 0
    updates: int = 0
    mean: float = 0.0
    spread: float = 1.0
    rounds: int = 0


@dataclass(frozen=True)
class Lesson:
    """Rows to learn from, prepared as the model reads them.

    Attributes
    ----------
    X, y : n new rows and their targets (codes or numbers).
    old_X, old_y : replayed old ones. each : how many old rows one of them stands for.
    seed : of what is drawn.
    """

    X: np.ndarray
    y: np.ndarray
    old_X: np.ndarray
    old_y: np.ndarray
    each: float = 1.0
    seed: int = 0

    def both(self, worth: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Old and new rows, targets and weights; an old row counts ``worth`` of a new one, for
        each that it stands for."""
        weights = np.full(len(self.old_y) + len(self.y), 1.0)
        weights[: len(self.old_y)] = worth * self.each
        return np.vstack([self.old_X, self.X]), np.concatenate([self.old_y, self.y]), weights


class Learner:
    """Base class; see the obligations at the top of this file.

    ``replays`` says whether a lesson has old rows; without, ``Lesson.old_X`` is empty.
    """

    ways: ClassVar[tuple[str, ...]] = ()
    replays: ClassVar[bool] = True

    def saved(self, model: Any) -> dict[str, bytes]:
        """The model's files, by name."""
        raise NotImplementedError

    def loaded(self, files: Mapping[str, bytes], about: About) -> Any:
        """The model of such files."""
        raise NotImplementedError

    def learn(self, model: Any, way: str, lesson: Lesson, about: About) -> Any:
        """A model that has learned the lesson too."""
        raise NotImplementedError


def packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays of numbers as npz. The same arrays are the same bytes: no time is written."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in sorted(arrays.items()):
            inner = io.BytesIO()
            np.lib.format.write_array(inner, np.array(values, order="C"), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), inner.getvalue())
    return out.getvalue()


def unpacked(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of :func:`packed`. Raises ValueError for what would have to be unpickled."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}

"""Lists of numbers as a fixed number of steps; the same function reads a file and a request."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_STEPS = 512  # of a sequence that a model reads, the last ones
EXPECTED = "a list of numbers, or of lists of numbers of one length"


def sequence_array(value: list[Any]) -> NDArray[np.float64]:
    """Steps by channels; null is NaN. Raises ``ValueError`` for what is no sequence of numbers."""
    if any(isinstance(step, str | bool) for step in value):
        raise ValueError(EXPECTED)
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(EXPECTED) from error
    if array.ndim not in (1, 2) or np.isinf(array).any():
        raise ValueError(EXPECTED)
    return array[:, None] if array.ndim == 1 else array


def last_steps(value: list[Any] | None, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The last steps of ``value`` at the end of ``shape`` (steps, channels), flat; NaN before.

    Raises ``ValueError`` for what is no sequence of so many channels.
    """
    placed = np.full(shape, np.nan)
    if value:
        array = sequence_array(value)[-shape[0] :]
        if array.shape[1] != shape[1]:
            raise ValueError(f"it has {array.shape[1]} numbers a step, not {shape[1]}")
        placed[shape[0] - len(array) :] = array
    return placed.ravel()

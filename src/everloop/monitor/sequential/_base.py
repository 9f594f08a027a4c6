"""What a sequential detector promises.

It goes through values one by one, in the order of time, and says after which of them it was sure
of a change. It forgets everything between two calls, so the caller brings the past along, and
looking again gives the same. Errors are 0 or 1 (or any size, of numbers); a detector that takes
only such errors says so. To add one, write a class in a file of its own and register it:

    @sequential_detectors.register("my_detector")
    class MyDetector(SequentialDetector): ...
"""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from everloop.errors import InvalidInput

Floats = NDArray[np.float64]


class SequentialDetector:
    """Base class; ``binary``: only values of 0 and 1 are taken, errors that were made or not."""

    binary: ClassVar[bool] = False

    def changes(self, values: Floats) -> list[int]:
        """Positions at which a change was established. Raises nothing for few values."""
        raise NotImplementedError


class RiverDetector(SequentialDetector):
    """A detector of river (an extra), ``made`` from a class of its own with its defaults.

    Raises :class:`~everloop.errors.InvalidInput` where river is not installed.
    """

    made: ClassVar[str]  # module:class
    arguments: ClassVar[dict[str, Any]] = {}

    def changes(self, values: Floats) -> list[int]:
        module, name = self.made.split(":")
        try:
            detector = getattr(importlib.import_module(module), name)(**self.arguments)
        except ModuleNotFoundError:
            raise InvalidInput(
                f"monitor.sequential: {name} is a detector of river, which is not installed. "
                "Install it: pip install 'everloop[river]'.",
                path="monitor.sequential",
                code="missing_extra",
            ) from None
        found = []
        for place, value in enumerate(values.tolist()):
            detector.update(value != 0 if self.binary else value)
            if detector.drift_detected:
                found.append(place)
        return found

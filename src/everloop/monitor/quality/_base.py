"""What a quality check promises.

A check looks at one feature of one window beside the champion's reference and says whether the
data is *broken*, as opposed to merely different. It keeps no state, sees sketches only, returns
None when all is well or there is too little to tell, and never raises for empty or one-valued
sketches. A fault with ``quarantine`` keeps the window's rows out of every later training set, so
set it only where a model trained on the rows would learn the fault. To add a check, write a class
in a file of its own and register it:

    @quality_checks.register("my_check")
    class MyCheck(QualityCheck): ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from everloop.monitor.profile import Sketch

Recent = Callable[[], Sketch | None]


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with a feature in a window, in a sentence and in numbers."""

    check: str
    summary: str
    quarantine: bool
    evidence: dict[str, Any]


class QualityCheck:
    """Base class; ``kinds`` are the sketch kinds that it takes."""

    kinds: tuple[str, ...] = ()

    def check(
        self, feature: str, reference: Sketch, window: Sketch, recent: Recent
    ) -> Fault | None:
        """The fault, or None. ``recent()`` gives the feature in the last sound window before
        this one, or None; it may read from the log, so call it only on suspicion."""
        raise NotImplementedError

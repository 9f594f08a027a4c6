"""What a drift test promises.

A test compares two sketches of one feature, the champion's training rows and a window, and says
how large the difference is and how surprising it would be if there were none. It keeps no state,
touches no raw data, never decides whether to raise an alarm (``control`` does that over all
features and windows together) and must not raise for an empty or a one-valued sketch: it returns
None, which means "cannot tell". To add one, write a class in a file of its own and register it:

    @drift_tests.register("my_test")
    class MyTest(DriftTest): ...
"""

from __future__ import annotations

import msgspec

from everloop.monitor.profile import Sketch


class Shift(msgspec.Struct, frozen=True):
    """One feature's difference between reference and window.

    Attributes
    ----------
    statistic : the test's own number.
    effect : size of the difference from 0 (none) to 1 (nothing in common); what thresholds use.
    p_value : probability of a statistic this large without a real difference.
    draws : independent rows that the evidence is worth.
    summary : the change in words, such as ``median 37.9 → 71.1``.
    """

    statistic: float
    effect: float
    p_value: float
    draws: float
    summary: str


class DriftTest:
    """Base class; ``kinds`` are the sketch kinds that it takes."""

    kinds: tuple[str, ...] = ()

    def compare(self, reference: Sketch, window: Sketch) -> Shift | None:
        """The difference, or None when there is too little to tell."""
        raise NotImplementedError

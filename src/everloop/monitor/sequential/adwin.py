"""A window of values that shrinks when its halves differ."""

from __future__ import annotations

from everloop.extensions import sequential_detectors
from everloop.monitor.sequential._base import RiverDetector


@sequential_detectors.register("adwin")
class Adwin(RiverDetector):
    """Adaptive windowing (Bifet & Gavaldà, SIAM Data Mining 2007); for values in any range."""

    made = "river.drift:ADWIN"

"""A cumulated sum that runs away once the mean has moved."""

from __future__ import annotations

from everloop.extensions import sequential_detectors
from everloop.monitor.sequential._base import RiverDetector


@sequential_detectors.register("page_hinkley")
class PageHinkley(RiverDetector):
    """The test of Page and Hinkley (Page, Biometrika 1954)."""

    made = "river.drift:PageHinkley"

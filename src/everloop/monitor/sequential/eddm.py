"""Errors that come closer to each other."""

from __future__ import annotations

from everloop.extensions import sequential_detectors
from everloop.monitor.sequential._base import RiverDetector


@sequential_detectors.register("eddm")
class Eddm(RiverDetector):
    """Early drift detection method (Baena-García et al., 2006); for slow changes."""

    made = "river.drift.binary:EDDM"
    binary = True

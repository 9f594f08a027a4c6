"""A rate of errors above its least so far."""

from __future__ import annotations

from everloop.extensions import sequential_detectors
from everloop.monitor.sequential._base import RiverDetector


@sequential_detectors.register("ddm")
class Ddm(RiverDetector):
    """Drift detection method (Gama, Medas, Castillo & Rodrigues, SBIA 2004)."""

    made = "river.drift.binary:DDM"
    binary = True

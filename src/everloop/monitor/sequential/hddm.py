"""A rate of errors above what Hoeffding allows."""

from __future__ import annotations

from everloop.extensions import sequential_detectors
from everloop.monitor.sequential._base import RiverDetector


@sequential_detectors.register("hddm_a")
class HddmA(RiverDetector):
    """HDDM with averages (Frías-Blanco et al., IEEE Trans. Knowl. Data Eng. 2015)."""

    made = "river.drift.binary:HDDMA"
    binary = True


@sequential_detectors.register("hddm_w")
class HddmW(RiverDetector):
    """HDDM with weighted averages, which forget (the same paper)."""

    made = "river.drift.binary:HDDMW"
    binary = True

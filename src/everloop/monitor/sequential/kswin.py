"""The last values against a sample of those before them."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.extensions import sequential_detectors
from everloop.monitor.sequential._base import RiverDetector


@sequential_detectors.register("kswin")
class Kswin(RiverDetector):
    """Kolmogorov-Smirnov windowing (Raab, Heusinger & Schleif, Neurocomputing 2020)."""

    made = "river.drift:KSWIN"
    arguments: ClassVar[dict[str, Any]] = {"seed": 0}

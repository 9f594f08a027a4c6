"""What stands behind a model and stays when it goes on: its calibration and its threshold."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np

from everloop.train.calibration import Calibrated, Map
from everloop.train.label_thresholds import ThresholdedLabels
from everloop.train.threshold import Thresholded


class MapState(msgspec.Struct, frozen=True):
    """A :class:`~everloop.train.calibration.Map` as numbers."""

    x: list[float]
    p: list[float]
    a: float
    b: float


class Tail(msgspec.Struct, frozen=True):
    """Everything behind a model; empty where there is nothing."""

    method: Literal["", "isotonic", "platt"] = ""
    maps: list[MapState] = []
    threshold: float | None = None
    thresholds: list[float] = []


def without_tail(estimator: Any) -> tuple[Any, Tail]:
    """The estimator in front, and what stands behind it."""
    tail = Tail()
    if isinstance(estimator, Thresholded):
        tail = Tail(threshold=float(estimator.threshold))
        estimator = estimator.estimator
    elif isinstance(estimator, ThresholdedLabels):
        tail = Tail(thresholds=[float(cut) for cut in estimator.thresholds])
        estimator = estimator.estimator
    if isinstance(estimator, Calibrated):
        maps = [MapState(m.x.tolist(), m.p.tolist(), m.a, m.b) for m in estimator.maps]
        tail = msgspec.structs.replace(tail, method=estimator.method, maps=maps)
        estimator = estimator.estimator
    return estimator, tail


def with_tail(estimator: Any, tail: Tail) -> Any:
    """The estimator with that behind it."""
    if tail.method:
        maps = [Map.of(np.array(m.x), np.array(m.p), m.a, m.b) for m in tail.maps]
        estimator = Calibrated(estimator, maps, tail.method)
    if tail.thresholds:
        return ThresholdedLabels(estimator, np.array(tail.thresholds))
    return estimator if tail.threshold is None else Thresholded(estimator, tail.threshold)

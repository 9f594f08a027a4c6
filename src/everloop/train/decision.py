"""Calibration and threshold of the best candidate, from validation rows; never from the test."""

from __future__ import annotations

from typing import Any

import numpy as np

from everloop.data.schema import Schema
from everloop.train.calibration import Calibrated, calibrate
from everloop.train.label_thresholds import ThresholdedLabels, choose_thresholds
from everloop.train.spec import TrainSpec
from everloop.train.threshold import Thresholded, cheapest_threshold, choose_threshold
from everloop.train.training import Training


def decides(spec: TrainSpec, schema: Schema) -> bool:
    """Whether something is to be learned from, or set for, validation predictions."""
    calibrates = spec.calibrate != "none" and schema.task in ("binary", "multiclass")
    cut = spec.threshold != 0.5 and schema.task in ("binary", "multilabel")
    return calibrates or cut


def decided(
    estimator: Any, rows: np.ndarray, proba: np.ndarray, training: Training, spec: TrainSpec
) -> tuple[Any, dict[str, Any]]:
    """``estimator`` with calibrated probabilities and its threshold, and what was chosen.

    ``proba`` are out-of-fold probabilities of ``rows``, in the order of the schema's classes.
    """
    facts: dict[str, Any] = {}
    if training.schema.task == "multilabel":
        labels = [str(label) for label in training.schema.classes]
        cuts = np.full(len(labels), 0.5)
        if isinstance(spec.threshold, str):
            cuts = choose_thresholds(proba, training.y[rows], training.score)
        else:
            cuts[:] = spec.threshold
        facts["threshold"] = dict(zip(labels, cuts.tolist(), strict=True))
        return ThresholdedLabels(estimator, cuts), facts
    seen = np.asarray(estimator.classes_).astype(np.int64)
    y, known = training.y[rows], proba[:, seen]
    if spec.calibrate != "none" and len(seen) > 1:
        estimator = calibrate(
            estimator, known, np.searchsorted(seen, y), spec.calibrate, training.seed
        )
        facts["calibration"] = estimator.method if isinstance(estimator, Calibrated) else "none"
        if isinstance(estimator, Calibrated):
            known = estimator.mapped(known)
    if training.schema.task == "binary" and len(seen) == 2 and spec.threshold != 0.5:
        cut = spec.threshold
        if cut == "cost":
            assert training.costs is not None, "checked before anything is trained"
            cut, facts["cost"], facts["cost_at_0.5"] = cheapest_threshold(known, y, training.costs)
        elif isinstance(cut, str):
            cut = choose_threshold(known, y, training.score)
        facts["threshold"] = cut
        estimator = Thresholded(estimator, cut)
    return estimator, facts

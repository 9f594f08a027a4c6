"""Drift of vectors: their mean moved, or they are spread in another way."""

from __future__ import annotations

import numpy as np
import scipy

from everloop.extensions import drift_tests
from everloop.monitor.drift._base import DriftTest, Shift
from everloop.monitor.kernel import discrepancy
from everloop.monitor.profile import Sketch
from everloop.monitor.vectors import VectorSketch, moved

TOLERANCE = 0.1  # standard deviations, over all axes together, that no real stream is without
FEW = 20  # vectors of a sample that tell something of its shape


@drift_tests.register("embedding")
class Embedding(DriftTest):
    """Hotelling's test (Ann. Math. Stat. 1931) of the means, and the mean discrepancy of samples.

    The mean is looked at along the principal axes of the reference, so features of any scale
    count alike; the samples (of 256) show other changes of the shape. The smaller of the two
    p-values is doubled. The effect is the larger one of d / (1 + d), of a move by d standard
    deviations, and the discrepancy over its largest possible value.
    """

    kinds = ("vector",)

    def compare(self, reference: Sketch, window: Sketch) -> Shift | None:
        if not (isinstance(reference, VectorSketch) and isinstance(window, VectorSketch)):
            return None
        found = moved(reference, window)
        if found is None:
            return None
        draws = 1 / (1 / found.draws + found.doubt**2)
        squared, axes = float(found.axes @ found.axes), len(found.axes)
        p_value = float(1.0 - scipy.special.chndtr(draws * squared, axes, draws * TOLERANCE**2))
        distance = float(np.sqrt(max(0.0, squared - axes / draws)))  # without what chance adds
        effect = distance / (1 + distance)
        a, b = reference.kept, window.kept
        block = max(1, round(reference.rows_per_draw * len(b) / max(window.rows, 1)))
        shape = discrepancy(a, b, block) if min(len(a), len(b)) >= FEW else None
        if shape is not None:
            p_value = min(1.0, 2 * min(p_value, shape.p_value))
            effect = max(effect, shape.effect if shape.p_value < 0.05 else 0.0)
        summary = f"mean moved by {distance:.2f} sd over {axes} axes"
        return Shift(distance, effect, max(p_value, 0.0), draws, summary)

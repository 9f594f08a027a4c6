"""Whether a few components that explain the reference's rows still explain the window's."""

from __future__ import annotations

import msgspec
import numpy as np

from everloop.extensions import multivariate_tests
from everloop.monitor.deviations import deviations
from everloop.monitor.drift.kolmogorov_smirnov import KolmogorovSmirnov
from everloop.monitor.multivariate._base import FEW, MultivariateTest, Together
from everloop.monitor.multivariate.matrix import Floats, Matrix
from everloop.monitor.profile import NumberSketch, sketch_number

KEPT = 0.65  # share of the variance


@multivariate_tests.register("pca")
class Reconstruction(MultivariateTest):
    """Reconstruction error of principal components (Jackson & Mudholkar, Technometrics 1979).

    Components are fitted on every other row of the reference and explain 65 % of its variance;
    the errors of the rows between and of the window's rows are compared as one number is.
    """

    def compare(self, reference: Matrix, window: Matrix) -> Together | None:
        width = len(reference.features)
        if reference.rows < 2 * FEW or window.rows < FEW or width < 2:
            return None
        fitted, held = reference.values[::2], reference.values[1::2]
        middle = fitted.mean(axis=0)
        _, sizes, axes = np.linalg.svd(fitted - middle, full_matrices=False)
        explained = np.cumsum(sizes**2) / max(float((sizes**2).sum()), 1e-300)
        axes = axes[: int(np.searchsorted(explained, KEPT)) + 1]
        before, now = (_errors(rows - middle, axes) for rows in (held, window.values))
        before = msgspec.structs.replace(
            before, rows_per_draw=max(before.rows_per_draw, reference.per_draw, window.per_draw)
        )
        shift = KolmogorovSmirnov().compare(before, now)
        found = deviations(before, now)
        if shift is None or found is None:
            return None
        words = f"error of reconstruction {before.mean:.3g} → {now.mean:.3g}"
        return Together(msgspec.structs.replace(shift, summary=words), found)


def _errors(rows: Floats, axes: Floats) -> NumberSketch:
    """The sketch of how far each row is from the space of the axes."""
    return sketch_number(np.linalg.norm(rows - rows @ axes.T @ axes, axis=1))

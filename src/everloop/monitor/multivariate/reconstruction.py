"""Whether a few components that explain the reference's rows still explain the window's."""

from __future__ import annotations

import msgspec
import numpy as np
from sklearn.decomposition import PCA

from everloop.extensions import multivariate_tests
from everloop.monitor.deviations import deviations
from everloop.monitor.drift.kolmogorov_smirnov import KolmogorovSmirnov
from everloop.monitor.multivariate._base import FEW, MultivariateTest, Together
from everloop.monitor.multivariate.matrix import Matrix
from everloop.monitor.profile import sketch_number

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
        components = PCA(KEPT, svd_solver="full").fit(fitted)
        before, now = (
            sketch_number(
                np.linalg.norm(x - components.inverse_transform(components.transform(x)), axis=1)
            )
            for x in (held, window.values)
        )
        before = msgspec.structs.replace(
            before, rows_per_draw=max(before.rows_per_draw, reference.per_draw, window.per_draw)
        )
        shift = KolmogorovSmirnov().compare(before, now)
        found = deviations(before, now)
        if shift is None or found is None:
            return None
        words = f"error of reconstruction {before.mean:.3g} → {now.mean:.3g}"
        return Together(msgspec.structs.replace(shift, summary=words), found)

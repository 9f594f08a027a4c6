"""Probabilistic adaptive performance estimation."""

from __future__ import annotations

from everloop.extensions import estimators
from everloop.monitor.estimation._base import Rows
from everloop.monitor.estimation.heldout import Floats, HeldOut
from everloop.monitor.estimation.methods.cbpe import CBPE
from everloop.monitor.estimation.methods.relevance import density_ratio


@estimators.register("pape")
class PAPE(CBPE):
    """Calibration as it is among inputs like the window's (Białek, Kivimäki, Kuberski & Perrakis,
    arXiv 2401.08348, 2024).

    The held-out rows are weighted by how much more often the window has inputs like theirs, and
    the probabilities are calibrated on the weighted rows. It holds under any covariate shift to
    inputs that the held-out rows have too; the price is variance where little has changed.
    """

    def relevance(self, held: HeldOut, rows: Rows) -> tuple[Floats, list[str]]:
        found = density_ratio(held.codes, rows.codes)
        return found.weights, found.doubts()

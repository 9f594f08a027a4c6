"""Two sketches as counts of the same cells: deciles of the reference, or levels."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from everloop.monitor.profile import CategorySketch, NumberSketch, Sketch

Floats = NDArray[np.float64]

CELLS = 10  # of a number; as many as the population stability index is usually taken over
RARE = 5.0  # cells expected less often than this in either sample are counted together
TOLERANCE = 0.02  # root of the chi-square distance that no real stream is without


class Cells(NamedTuple):
    """Shares of the same cells in reference and window, and the rows that both are worth."""

    before: Floats
    now: Floats
    names: list[str]
    draws: float

    def largest(self) -> str:
        """The cell whose share changed most: ``JFK 50.1% → 30.2%``."""
        most = int(np.abs(self.now - self.before).argmax())
        return f"{self.names[most]} {self.before[most]:.1%} → {self.now[most]:.1%}"

    def p_value(self, distance: float) -> float:
        """Of a ``distance`` that is the chi-square distance when both are near each other.

        ``draws`` times it is chi-square distributed with a cell less of freedom (Menéndez et al.,
        Journal of the Franklin Institute 1997); the null is a distance of at most
        :data:`TOLERANCE` squared, so the distribution is the non-central one.
        """
        freedom = len(self.before) - 1
        if not freedom:
            return 1.0
        below = scipy.special.chndtr(self.draws * distance, freedom, self.draws * TOLERANCE**2)
        return float(np.clip(1.0 - below, 0.0, 1.0))


def cells(reference: Sketch, window: Sketch) -> Cells | None:
    """The common cells, rare ones together; None when there is too little to tell."""
    if reference.n < 2 or window.n < 2:
        return None
    if isinstance(reference, NumberSketch) and isinstance(window, NumberSketch):
        before, now, names = _deciles(reference, window)
    elif isinstance(reference, CategorySketch) and isinstance(window, CategorySketch):
        if reference.levels != window.levels:
            return None
        before = np.array([*reference.counts, reference.unseen], dtype=np.float64)
        now = np.array([*window.counts, window.unseen], dtype=np.float64)
        names = [*map(str, reference.levels), "unseen values"]
    else:
        return None
    rows = reference.n * window.n / (reference.n + window.n)
    before, now, names = _together(before, now, names, kept=isinstance(reference, NumberSketch))
    return Cells(before / reference.n, now / window.n, names, rows / reference.rows_per_draw)


def _deciles(reference: NumberSketch, window: NumberSketch) -> tuple[Floats, Floats, list[str]]:
    """Counts up to each decile of the reference, and above the last."""
    edges, before, names = _decile_cells(reference)
    return before, _between(edges, window), names


def _between(edges: Floats, sketch: NumberSketch) -> Floats:
    upto = sketch.cdf(edges)[1] * sketch.n
    return np.diff(np.concatenate([[0.0], upto, [float(sketch.n)]]))


@lru_cache(256)
def _decile_cells(reference: NumberSketch) -> tuple[Floats, Floats, list[str]]:
    """The deciles, the reference's own counts between them, and their names."""
    edges = np.unique(reference.quantile(np.arange(1, CELLS) / CELLS))
    bounds = [f"{edge:.4g}" for edge in edges]
    names = [f"up to {bounds[0]}"]
    names += [f"{low} to {high}" for low, high in pairwise(bounds)]
    before = _between(edges, reference)
    for each in (edges, before):
        each.setflags(write=False)  # others get the same
    return edges, before, [*names, f"above {bounds[-1]}"]


def _together(
    before: Floats, now: Floats, names: list[str], kept: bool
) -> tuple[Floats, Floats, list[str]]:
    """The same with the rare cells as one; cells that are empty in both are left out.

    The last one is rare unless ``kept``: a value that is rare on both sides is a level when the
    reference happened to hold it and unseen when only the window did, so that each by itself
    differs where nothing changed.
    """
    total = before + now
    share = min(before.sum(), now.sum()) / total.sum()
    rare = total * share < RARE
    rare[-1] |= not kept
    if rare.sum() > 1:
        keep = ~rare
        before = np.append(before[keep], before[rare].sum())
        now = np.append(now[keep], now[rare].sum())
        names = [name for name, stays in zip(names, keep, strict=True) if stays]
        names.append("rare values" if kept else "rare and unseen values")
    present = before + now > 0
    names = [name for name, kept in zip(names, present, strict=True) if kept]
    return before[present], now[present], names

"""What past updates came to: the gain that was expected of each, and the gain that labels showed.

A probe that found a gain is an optimist: only what looked good went on (the winner's curse), and
the world moves while a model rolls out. How much of an expected gain comes true is learned from the
loop's own past.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

PRIOR_ERROR = 0.5  # of the share before anything is known: the probe is believed, with doubt
LEAST = 0.25  # a share of nothing would end all updates, and with them all that could be learned
NEWEST = 20  # updates that are learned from


class PastUpdate(msgspec.Struct, frozen=True):
    """One promotion whose gain was measured: expected and realised, each with its error.

    Gains are differences of scores, greater is better; ``cycle`` is its number.
    """

    cycle: int
    metric: str
    expected: float
    expected_error: float
    realised: float
    realised_error: float


class Share(msgspec.Struct, frozen=True):
    """The share of an expected gain that comes true, from so many past ``updates``."""

    value: float = 1.0
    updates: int = 0


def share_that_comes_true(past: Sequence[PastUpdate], metric: str) -> Share:
    """How much of a probe's gain to believe; all of it before the first gain was measured.

    Realised gains are taken as ``share * expected`` with errors of three sources: of the expected,
    of the realised, and between updates. The last is estimated from the record by the method of
    moments (DerSimonian & Laird, Controlled Clinical Trials 1986), which makes the mean of the
    posterior under ``share ~ N(1, 0.5²)`` the parametric empirical Bayes estimate of Morris (JASA
    1983). Kept between a quarter and all. ``past`` is newest first; gains in another metric are
    no measure.
    """
    same = [one for one in past if one.metric == metric and one.expected > 0][:NEWEST]
    if not same:
        return Share()
    expected = np.array([one.expected for one in same])
    realised = np.array([one.realised for one in same])
    errors = np.array([one.expected_error**2 + one.realised_error**2 for one in same])
    errors = np.maximum(errors, 1e-12 * expected**2)
    variance = errors + _between(expected, realised, errors)
    precision = 1 / PRIOR_ERROR**2 + float((expected**2 / variance).sum())
    mean = (1 / PRIOR_ERROR**2 + float((expected * realised / variance).sum())) / precision
    return Share(float(np.clip(mean, LEAST, 1.0)), len(same))


def _between(expected: np.ndarray, realised: np.ndarray, errors: np.ndarray) -> float:
    """The variance between updates, beyond what the errors of each explain."""
    weights = 1 / errors
    weighted = float((weights * expected**2).sum())
    share = float((weights * expected * realised).sum()) / weighted
    excess = float((weights * (realised - share * expected) ** 2).sum()) - (len(expected) - 1)
    scale = float(weights.sum()) - float((weights**2 * expected**2).sum()) / weighted
    return max(0.0, excess / scale) if scale > 0 else 0.0

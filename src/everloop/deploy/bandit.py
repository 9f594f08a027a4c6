"""Thompson sampling: each version gets the traffic that its chance to be the best deserves.

A version's rate of right answers has the posterior Beta(1 + right, 1 + wrong). Sending a request
to the version whose draw from its posterior is the highest sends each version a share equal to its
probability of being the best; here that probability is worked out every few seconds, and is the
share that the data plane deals out by the hash of the caller's key.

W. R. Thompson, "On the likelihood that one unknown probability exceeds another in view of the
evidence of two samples", Biometrika 25 (1933).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from everloop.deploy.rates import Counts

DRAWS = 20_000
LEAST = 0.01  # of the traffic, so that a version that began badly can still prove itself


def best_chance(wrong: Sequence[Counts], seed: int = 0) -> NDArray[np.float64]:
    """The probability of each version to be the best, from its labelled and wrong answers.

    >>> best_chance([Counts(1000, 500), Counts(1000, 100)]).round(2).tolist()
    [0.0, 1.0]
    """
    draws = np.random.default_rng(seed)
    found = [draws.beta(1 + c.n - c.hits, 1 + c.hits, DRAWS) for c in wrong]
    best = np.argmax(found, axis=0)
    return np.bincount(best, minlength=len(wrong)) / DRAWS


def shares_of(chances: NDArray[np.float64]) -> list[float]:
    """Shares of the traffic that add up to 1: the chances, and at least a little for each."""
    shares = LEAST + chances * (1.0 - LEAST * len(chances))
    return [round(float(share), 4) for share in shares / shares.sum()]

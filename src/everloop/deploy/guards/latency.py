"""Latency: median and p99 against the champion's, and the p99 against a bound.

A quantile is compared without a model of the latencies: whether a request takes longer than ``b``
is a Bernoulli trial, and the p99 exceeds ``b`` exactly when more than 1 % of the requests do. Over
a fixed grid of bounds, each a fifth above the one before, a canary is too slow when for some ``b``
it is shown that its own quantile exceeds ``b`` and that the champion's does not exceed
``b / max_latency``. ``alpha`` is split evenly over the grid, the quantiles and the two sides, so
the verdict holds at all looks together (see :mod:`everloop.deploy.rates`).
"""

from __future__ import annotations

from math import ceil, log

import numpy as np
from numpy.typing import NDArray

from everloop.deploy.guards._base import Batch, Finding, Guard, State
from everloop.deploy.rates import Counts, rate_interval
from everloop.deploy.spec import RolloutSpec
from everloop.extensions import guards

STEP = 1.2
BOUNDS_MS = STEP ** np.arange(64)  # 1 ms to 97 s: what is quicker is quick enough
QUANTILES = {"median": 0.5, "p99": 0.99}
SIDES = 2  # an interval of the canary and one of the champion


class Latency(Guard):
    """Fails for a canary that is shown to be slower than the loop file allows."""

    name = "latency"

    def observe(self, state: State, batch: Batch) -> None:
        for key, rows in (("canary", batch.canary), ("champion", batch.champion)):
            found = np.searchsorted(BOUNDS_MS, rows.ms)
            counts = np.bincount(found, minlength=len(BOUNDS_MS) + 1)
            state[key] = (np.asarray(state.get(key, 0)) + counts).tolist()

    def judge(self, state: State, spec: RolloutSpec, alpha: float) -> Finding:
        canary, champion = (np.asarray(state.get(k, [0])) for k in ("canary", "champion"))
        n, base = int(canary.sum()), int(champion.sum())
        if not n:
            return Finding(self.name, "ok", "no request of the canary was timed yet")
        each = alpha / (len(BOUNDS_MS) * len(QUANTILES) * SIDES + 1)
        said = []
        for word, q in QUANTILES.items():
            own, other = quantile(canary, q), quantile(champion, q)
            said.append(f"{word} {own:.0f} ms, the champion's {other:.0f} ms")
            proven = base and _slower(canary, champion, q, spec.max_latency, each)
            if proven:
                reason = f"the canary's {word} latency is about {own:.0f} ms, the champion's "
                reason += f"{other:.0f} ms: more than {spec.max_latency:g} times as long"
                return Finding(self.name, "fail", reason, own / other, bound=spec.max_latency)
        own = quantile(canary, 0.99)
        if spec.max_p99_ms and _beyond(canary, 0.99, spec.max_p99_ms, each):
            reason = f"the canary's p99 latency is about {own:.0f} ms, "
            reason += f"more than the allowed {spec.max_p99_ms:g} ms"
            return Finding(self.name, "fail", reason, own, bound=spec.max_p99_ms)
        return Finding(self.name, "ok", "the canary's latency: " + "; ".join(said))


def quantile(counts: NDArray[np.int64], q: float) -> float:
    """The latency in ms that a share ``q`` did not exceed, an upper bound of its bin."""
    if not counts.sum():
        return 0.0
    place = int(np.searchsorted(np.cumsum(counts), q * counts.sum()))
    return float(BOUNDS_MS[min(place, len(BOUNDS_MS) - 1)])


def _slower(
    canary: NDArray[np.int64], champion: NDArray[np.int64], q: float, times: float, alpha: float
) -> bool:
    shift = max(ceil(log(times) / log(STEP) - 1e-9), 0)
    own, other = _above(canary), _above(champion)
    n, base = int(canary.sum()), int(champion.sum())
    for place in range(shift, len(BOUNDS_MS)):
        slow, quick = Counts(n, int(own[place])), Counts(base, int(other[place - shift]))
        if slow.rate <= 1 - q or quick.rate >= 1 - q:
            continue
        if rate_interval(slow, alpha)[0] > 1 - q and rate_interval(quick, alpha)[1] < 1 - q:
            return True
    return False


def _beyond(counts: NDArray[np.int64], q: float, bound: float, alpha: float) -> bool:
    """Whether a quantile is shown to lie beyond the grid's first bound at or above ``bound``."""
    place = int(np.searchsorted(BOUNDS_MS, bound))
    if place == len(BOUNDS_MS):
        return False
    slow = Counts(int(counts.sum()), int(_above(counts)[place]))
    return rate_interval(slow, alpha)[0] > 1 - q


def _above(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many took longer than each bound of the grid."""
    slower: NDArray[np.int64] = counts.sum() - np.cumsum(counts)
    return slower[: len(BOUNDS_MS)]


guards.register(Latency.name)(Latency())

"""Rows that a shadow answers otherwise than the champion: at most ``max_disagreement`` of them."""

from __future__ import annotations

from everloop.deploy.guards._base import Batch, Finding, Guard, State, add_counts, counts_of
from everloop.deploy.rates import rate_interval
from everloop.deploy.spec import RolloutSpec
from everloop.extensions import guards


class Disagreement(Guard):
    """The share by a confidence sequence (see :mod:`everloop.deploy.rates`).

    Only a shadow answers the same rows as the champion; beside a canary this guard sees nothing.
    """

    name = "disagreement"

    def observe(self, state: State, batch: Batch) -> None:
        add_counts(state, "pairs", batch.pairs)

    def judge(self, state: State, spec: RolloutSpec, alpha: float) -> Finding:
        pairs, bound = counts_of(state, "pairs"), spec.max_disagreement
        low, high = rate_interval(pairs, alpha)
        seen = f"{pairs.hits} of {pairs.n} rows were answered otherwise than by the champion"
        if low > bound:
            seen += f": at least {low:.1%}, more than the allowed {bound:.1%}"
        return self.finding(pairs.rate, low, high, bound, seen)


guards.register(Disagreement.name)(Disagreement())

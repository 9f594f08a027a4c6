"""Requests that fail: the canary's rate may exceed the champion's by ``max_error_rate``."""

from __future__ import annotations

from everloop.deploy.guards._base import Batch, Finding, Guard, State, add_counts, counts_of
from everloop.deploy.rates import excess
from everloop.deploy.spec import RolloutSpec
from everloop.extensions import guards


class ErrorRate(Guard):
    """Both rates by confidence sequences (see :mod:`everloop.deploy.rates`)."""

    name = "error_rate"

    def observe(self, state: State, batch: Batch) -> None:
        add_counts(state, "canary", batch.canary.requests)
        add_counts(state, "champion", batch.champion.requests)

    def judge(self, state: State, spec: RolloutSpec, alpha: float) -> Finding:
        canary, champion = counts_of(state, "canary"), counts_of(state, "champion")
        found, bound = excess(canary, champion, alpha), spec.max_error_rate
        seen = (
            f"the canary failed on {canary.hits} of {canary.n} requests, "
            f"the champion on {champion.hits} of {champion.n}"
        )
        if found.low > bound:
            seen += (
                f": its error rate is higher by at least {found.low:.1%}, "
                f"more than the allowed {bound:.1%}"
            )
        elif found.value > bound:
            seen += ": more than allowed so far, but it may be chance"
        else:
            seen += f": no sign that it is worse by more than {bound:.1%}"
        return self.finding(*found, bound, seen)


guards.register(ErrorRate.name)(ErrorRate())

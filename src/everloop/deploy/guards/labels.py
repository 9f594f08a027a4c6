"""Labels, when they come: the canary may be wrong more often than the champion by ``max_wrong``."""

from __future__ import annotations

from everloop.deploy.guards._base import Batch, Finding, Guard, State, counts_of
from everloop.deploy.rates import excess
from everloop.deploy.spec import RolloutSpec
from everloop.extensions import guards


class Labels(Guard):
    """Both rates of wrong answers by confidence sequences (see :mod:`everloop.deploy.rates`).

    An answer is wrong when it is not its label; a number, when it lies more than ``tolerance``
    from it; an action, when its reward is not above 0.
    """

    name = "labels"

    def observe(self, state: State, batch: Batch) -> None:
        if batch.labels is not None:  # a later label may replace an earlier one: all anew
            state["canary"], state["champion"] = map(list, batch.labels)

    def judge(self, state: State, spec: RolloutSpec, alpha: float) -> Finding:
        canary, champion = counts_of(state, "canary"), counts_of(state, "champion")
        if not champion.n:
            return Finding(self.name, "ok", "no labels of the champion's answers have come")
        found, bound = excess(canary, champion, alpha), spec.max_wrong
        seen = (
            f"by their labels {canary.hits} of {canary.n} answers of the canary are wrong, "
            f"{champion.hits} of {champion.n} of the champion"
        )
        if found.low > bound:
            seen += f": more by at least {found.low:.1%}, beyond the allowed {bound:.1%}"
        return self.finding(*found, bound, seen)


guards.register(Labels.name)(Labels())

"""Answers that are distributed otherwise than the champion's, by more than ``max_shift``.

The test is a bet against equality. Before each batch, ``q_a`` and ``q_b`` are what the two
versions' answers so far predict (Krichevsky and Trofimov's estimate); with ``n_a`` and ``n_b`` new
answers, ``q_0 = (n_a q_a + n_b q_b) / (n_a + n_b)`` predicts the same for both. The product over
all new answers of ``q_a / q_0`` and ``q_b / q_0`` is an e-value: where both really have one
distribution, its mean is at most 1, by the inequality of weighted means. So is the product over
all batches, which therefore ever reaches ``1 / alpha`` with a probability of at most ``alpha``.

R. Turner, A. Ly, P. Grünwald, "Generic E-variables for exact sequential k-sample tests that allow
for optional stopping", arXiv:2106.02693 (2021).

Whatever is not exactly equal is found with enough rows; a version is turned down only when the
distributions seen also lie at least ``max_shift`` apart in total variation. Answers count as
independent: many rows of one caller, who meets one version only, are evidence of that caller.
"""

from __future__ import annotations

from math import log

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from everloop.deploy.guards._base import Batch, Finding, Guard, State
from everloop.deploy.spec import RolloutSpec
from everloop.extensions import guards

FIRST = 100  # answers of the champion that settle the classes or the bins, and do not count
FEW = 20  # with no more different values, each is a class of its own


class Shift(Guard):
    """Fails once the answers are shown to differ and differ by enough."""

    name = "shift"

    def observe(self, state: State, batch: Batch) -> None:
        if "kinds" not in state and "edges" not in state:
            state["first"] = state.get("first", []) + batch.champion.answers.tolist()
            if len(state["first"]) >= FIRST:
                state.update(_settled(state.pop("first")))
            return
        new = [_binned(state, rows.answers) for rows in (batch.canary, batch.champion)]
        old = [np.asarray(state.get(key, 0)) + np.zeros_like(counts, dtype=np.int64)
               for key, counts in zip(("canary", "champion"), new, strict=True)]  # fmt: skip
        state["evidence"] = state.get("evidence", 0.0) + gain(new, old)
        for key, seen, counts in zip(("canary", "champion"), old, new, strict=True):
            state[key] = (seen + counts).tolist()

    def judge(self, state: State, spec: RolloutSpec, alpha: float) -> Finding:
        canary, champion = (np.asarray(state.get(k, [0])) for k in ("canary", "champion"))
        if not canary.sum() or not champion.sum():
            return Finding(self.name, "ok", "too few answers to compare yet")
        apart = float(np.abs(canary / canary.sum() - champion / champion.sum()).sum() / 2)
        seen = f"the answers lie {apart:.1%} from the champion's in total variation"
        evidence, needed = state["evidence"], log(1 / alpha)
        told = Finding(
            self.name, "ok", seen, apart, bound=spec.max_shift, evidence=evidence, needed=needed
        )
        if evidence < needed:
            return replace(told, reason=f"{seen}, which may be chance")
        if apart < spec.max_shift:
            return replace(told, reason=f"{seen}, within {spec.max_shift:.1%}")
        seen += f", more than the allowed {spec.max_shift:.1%}, and it is no chance"
        return replace(told, verdict="fail", reason=seen)


def gain(new: list[NDArray[np.int64]], old: list[NDArray[np.int64]]) -> float:
    """Log of the e-value of one batch: counts by class of the two versions, and those before."""
    size = [int(counts.sum()) for counts in new]
    if not all(size):
        return 0.0
    bets = [(seen + 0.5) / (seen.sum() + 0.5 * len(seen)) for seen in old]
    both = (size[0] * bets[0] + size[1] * bets[1]) / sum(size)
    won = [counts * np.log(bet / both) for counts, bet in zip(new, bets, strict=True)]
    return float(np.sum(won))


def _settled(first: list[float]) -> State:
    """The bins of numbers, at their deciles, or the classes that were seen."""
    kinds = sorted(set(first))
    if len(kinds) <= FEW:
        return {"kinds": kinds}
    return {"edges": sorted(set(np.quantile(first, np.linspace(0.1, 0.9, 9)).tolist()))}


def _binned(state: State, answers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Counts by bin or class; what is none of the classes is the last one."""
    if "edges" in state:
        places = np.searchsorted(state["edges"], answers)
        return np.bincount(places, minlength=len(state["edges"]) + 1)
    kinds = np.asarray(state["kinds"])
    places = np.minimum(np.searchsorted(kinds, answers), len(kinds) - 1)
    places = np.where(kinds[places] == answers, places, len(kinds))
    return np.bincount(places, minlength=len(kinds) + 1)


guards.register(Shift.name)(Shift())

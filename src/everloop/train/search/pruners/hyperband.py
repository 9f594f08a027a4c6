"""Many trials for a short while, few for long."""

from __future__ import annotations

from optuna.pruners import BasePruner, HyperbandPruner

from everloop.extensions import pruners


@pruners.register("hyperband")
def hyperband() -> BasePruner:
    """Hyperband (Li et al., 2018): successive halving with several trade-offs at once."""
    return HyperbandPruner()

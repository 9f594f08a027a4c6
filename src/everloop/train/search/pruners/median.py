"""Stop what is worse than half of the trials were at the same point."""

from __future__ import annotations

from optuna.pruners import BasePruner, MedianPruner

from everloop.extensions import pruners


@pruners.register("median")
def median() -> BasePruner:
    """The median rule (Golovin et al., "Google Vizier", 2017), after five whole trials."""
    return MedianPruner(n_startup_trials=5)

"""Every trial runs to its end."""

from __future__ import annotations

from optuna.pruners import BasePruner, NopPruner

from everloop.extensions import pruners


@pruners.register("none")
def none() -> BasePruner:
    """Stops nothing."""
    return NopPruner()

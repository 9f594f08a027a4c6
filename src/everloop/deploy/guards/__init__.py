"""The built-in guards of rollouts; importing a module registers it."""

from everloop.deploy.guards import disagreement, error_rate, labels, latency, shift
from everloop.deploy.guards._base import Batch, Finding, Guard, Rows, State

__all__ = [
    "Batch",
    "Finding",
    "Guard",
    "Rows",
    "State",
    "disagreement",
    "error_rate",
    "labels",
    "latency",
    "shift",
]

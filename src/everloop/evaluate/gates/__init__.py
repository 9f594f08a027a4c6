"""The built-in gates; importing a module registers it."""

from everloop.evaluate.gates import (
    beats_champion,
    latency,
    not_worse,
    selection_rate,
    threshold,
)
from everloop.evaluate.gates._base import Evidence, Gate, GateResult, Verdict
from everloop.evaluate.gates._parse import parse_gate

__all__ = [
    "Evidence",
    "Gate",
    "GateResult",
    "Verdict",
    "beats_champion",
    "latency",
    "not_worse",
    "parse_gate",
    "selection_rate",
    "threshold",
]

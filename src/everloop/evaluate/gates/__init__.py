"""The built-in gates; importing a module registers it."""

from everloop.evaluate.answers import Answers
from everloop.evaluate.gates import (
    beats_champion,
    better_than,
    latency,
    not_worse,
    selection_rate,
    threshold,
)
from everloop.evaluate.gates._base import Evidence, Gate, GateResult, Verdict
from everloop.evaluate.gates._parse import parse_gate
from everloop.evaluate.gates.check import check_spec, chosen_gates, chosen_metric

__all__ = [
    "Answers",
    "Evidence",
    "Gate",
    "GateResult",
    "Verdict",
    "beats_champion",
    "better_than",
    "check_spec",
    "chosen_gates",
    "chosen_metric",
    "latency",
    "not_worse",
    "parse_gate",
    "selection_rate",
    "threshold",
]

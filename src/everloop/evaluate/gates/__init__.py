"""The built-in gates; importing a module registers it."""

from everloop.evaluate.answers import Answers
from everloop.evaluate.gates import (
    beats_champion,
    behaviour,
    better_than,
    champion_agreement,
    gap,
    latency,
    named_slice,
    no_leaks,
    not_worse,
    robustness,
    selection_rate,
    size,
    threshold,
    worst_slices,
)
from everloop.evaluate.gates._base import Evidence, Gate, GateResult, Verdict, too_little
from everloop.evaluate.gates._parse import parse_gate
from everloop.evaluate.gates.check import check_spec, chosen_gates, chosen_metric
from everloop.evaluate.gates.peculiar import peculiarities
from everloop.evaluate.gates.together import Blessing, bless, check_gates

__all__ = [
    "Answers",
    "Blessing",
    "Evidence",
    "Gate",
    "GateResult",
    "Verdict",
    "beats_champion",
    "behaviour",
    "better_than",
    "bless",
    "champion_agreement",
    "check_gates",
    "check_spec",
    "chosen_gates",
    "chosen_metric",
    "gap",
    "latency",
    "named_slice",
    "no_leaks",
    "not_worse",
    "parse_gate",
    "peculiarities",
    "robustness",
    "selection_rate",
    "size",
    "threshold",
    "too_little",
    "worst_slices",
]

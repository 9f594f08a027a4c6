"""Gates that no model could meet."""

from __future__ import annotations

from collections.abc import Sequence

from everloop.errors import invalid
from everloop.evaluate.gates._base import FIELD, Gate
from everloop.evaluate.gates.threshold import Threshold


def check_feasible(gates: Sequence[Gate]) -> None:
    """Refuse a bound beyond the metric's last value, and two bounds with nothing between them."""
    bounds = [(i, gate) for i, gate in enumerate(gates) if isinstance(gate, Threshold)]
    for i, gate in bounds:
        lowest, highest = gate.metric.bounds
        if (gate.sign == ">" and gate.bound == highest) or (
            gate.sign == "<" and gate.bound == lowest
        ):
            raise invalid(
                f"{FIELD}[{i}]",
                gate.text,
                f"a bound that {gate.metric.name} can be beyond",
                code="infeasible_gate",
            )
        for j, other in bounds[:i]:
            if other.metric.name == gate.metric.name and not _both(gate, other):
                raise invalid(
                    f"{FIELD}[{i}]",
                    gate.text,
                    f"a bound that can hold together with {other.text!r} of {FIELD}[{j}]",
                    code="infeasible_gate",
                )


def _both(one: Threshold, other: Threshold) -> bool:
    """Whether some value meets both bounds."""
    if one.sign[0] == other.sign[0]:
        return True
    floor, ceiling = (one, other) if one.sign[0] == ">" else (other, one)
    touching = "=" in floor.sign and "=" in ceiling.sign
    return floor.bound < ceiling.bound or (touching and floor.bound == ceiling.bound)

"""What a control of false alarms promises.

A control sees what every feature of a window shows, all of them together, and what it remembered
after the window before; it says which features have drifted and what to remember. What it
remembers travels in the window as JSON, so looking at a window again gives the same answer. It
reads no clock, draws no random number and must not raise for a window without evidence. To add
one, write a class in a file of its own and register it:

    @controls.register("my_control")
    class MyControl(Control): ...
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from everloop.monitor.control import benjamini_hochberg
from everloop.monitor.deviations import Deviations

State = dict[str, Any]


class Evidence(NamedTuple):
    """What one feature of one window shows: a p-value, and where bets can be placed.

    ``share`` is its part of the level, of all that are judged together; equal ones unless given.
    ``brief``: what loses all that it won is forgotten at once, and small bets are not placed; there
    are many like it.
    """

    p_value: float
    deviations: Deviations | None
    share: float | None = None
    brief: bool = False


class Ruling(NamedTuple):
    """A feature has drifted when its ``adjusted`` value is at or below ``level``.

    ``state`` is what to remember: strings, numbers and dictionaries of them.
    """

    level: float
    adjusted: dict[str, float]
    state: State

    @property
    def drifted(self) -> list[str]:
        return [name for name, value in self.adjusted.items() if value <= self.level]


class Limits(Protocol):
    """The settings that controls use, see ``[monitor]``."""

    @property
    def false_alarm_rate(self) -> float: ...

    @property
    def run_length(self) -> int: ...

    @property
    def tolerance(self) -> float: ...


class Control:
    """Base class; ``limits`` are the settings of ``[monitor]``."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def rule(self, evidence: Mapping[str, Evidence], state: State) -> Ruling:
        """Decide about all features of a window; ``state`` is empty before the first one."""
        raise NotImplementedError

    def running(self, state: State) -> Collection[str]:
        """Names about which something was remembered that quiet windows must not lose."""
        return ()

    def restarted(self, state: State) -> State:
        """What is left to remember when another reference takes over."""
        return state


def shares_of(evidence: Mapping[str, Evidence]) -> dict[str, float]:
    """The part of the level that each has, by name."""
    equal = 1 / max(len(evidence), 1)
    return {n: equal if found.share is None else found.share for n, found in evidence.items()}


def adjust_p_values(evidence: Mapping[str, Evidence]) -> dict[str, float]:
    """Adjusted by Benjamini and Hochberg, by name, weighted by the shares (Genovese, Roeder &
    Wasserman, Biometrika 2006)."""
    shares = np.array(list(shares_of(evidence).values()))
    p_values = np.array([found.p_value for found in evidence.values()])
    values = benjamini_hochberg(np.minimum(p_values / (len(evidence) * shares), 1.0))
    return dict(zip(evidence, values.tolist(), strict=True))


def adjust_e_values(
    values: Mapping[str, float], shares: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Adjusted as by e-BH (Wang & Ramdas, JRSS B 2022): 1 / (k · share · e) of the k-th largest.

    Values at or below a level are those that e-BH rejects at it, whatever their dependence. The
    shares are 1 / K each unless given.
    """
    each = {
        name: value * (1 / len(values) if shares is None else shares[name])
        for name, value in values.items()
    }
    order = sorted(each, key=lambda name: -each[name])
    found: dict[str, float] = {}
    least = 1.0
    for place in range(len(order), 0, -1):
        name = order[place - 1]
        least = min(least, 1 / (place * each[name]) if each[name] > 0 else 1.0)
        found[name] = least
    return {name: found[name] for name in values}

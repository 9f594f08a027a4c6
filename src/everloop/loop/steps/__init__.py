"""The steps of a cycle, by name, in the order a full plan runs them."""

from everloop.loop.steps._base import (
    End,
    Interrupted,
    Outcome,
    Report,
    Step,
    StepContext,
    silent,
)

PLANS: dict[str, list[str]] = {
    "run": ["snapshot", "train", "evaluate", "register", "approve", "deploy", "promote"],
    "update": [
        "probe",
        "snapshot",
        "train",
        "evaluate",
        "register",
        "approve",
        "deploy",
        "promote",
    ],
    "train": ["snapshot", "train", "evaluate", "register", "promote"],
    "deploy": ["deploy", "promote"],
    "test": ["retest"],
    "reproduce": ["reproduce"],
}

# The module of each step; a worker imports only the one it runs, since some are heavy.
MODULES: dict[str, str] = {
    name: f"everloop.loop.steps.{name}" for plan in PLANS.values() for name in plan
}
CONTROLLER_STEPS = frozenset({"approve", "deploy", "promote"})

__all__ = [
    "CONTROLLER_STEPS",
    "MODULES",
    "PLANS",
    "End",
    "Interrupted",
    "Outcome",
    "Report",
    "Step",
    "StepContext",
    "silent",
]

"""Approve: a person's word, where the loop file asks for one."""

from __future__ import annotations

from everloop.loop.steps._base import Outcome, StepContext
from everloop.update.approval import rule_of


class Approve:
    """Passes at once with ``approval = "auto"``; otherwise the cycle waits for a decision.

    It waits too when a gate was not met and the loop file says to ask.

    The decision itself is recorded as this step's result by
    :class:`everloop.loop.approving.DecisionStore`, so a waiting cycle holds no thread and no
    process.
    """

    name = "approve"
    where = "controller"

    def run(self, context: StepContext) -> Outcome:
        asks = context.results.get("evaluate", {}).get("asks") or []
        spec = context.declaration.update
        if spec.approval == "auto" and not asks:
            return Outcome({"approved": True, "by": "auto"})
        context.project.decisions.ask(context.cycle.id, rule_of(spec, context.cycle.cause, asks))
        return Outcome({}, wait=True)


STEP = Approve()

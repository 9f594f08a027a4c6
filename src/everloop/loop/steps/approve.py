"""Approve: a person's word, where the loop file asks for one."""

from __future__ import annotations

from everloop.loop.steps._base import Outcome, StepContext


class Approve:
    """Passes at once with ``approval = "auto"``; otherwise the cycle waits for a decision.

    It waits too when a gate was not met and the loop file says to ask.

    The decision itself is recorded as this step's result by
    :meth:`everloop.loop.loop.Loop.decide`, so a waiting cycle holds no thread and no process.
    """

    name = "approve"
    where = "controller"

    def run(self, context: StepContext) -> Outcome:
        asks = context.results.get("evaluate", {}).get("asks")
        if context.declaration.update.approval == "auto" and not asks:
            return Outcome({"approved": True, "by": "auto"})
        return Outcome({}, wait=True)


STEP = Approve()

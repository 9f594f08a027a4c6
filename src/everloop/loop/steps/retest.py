"""Retest: a registered version on the held-out rows of its own cycle, through today's gates."""

from __future__ import annotations

from everloop.errors import Conflict
from everloop.loop.answers import PackagedModel
from everloop.loop.playing import judged_answers
from everloop.loop.steps._base import End, Outcome, StepContext
from everloop.loop.steps.evaluate import judge


class Retest:
    """Measures again what was measured when the version was made; nothing is registered."""

    name = "retest"
    where = "worker"

    def run(self, context: StepContext) -> Outcome:
        project = context.project
        version = project.registry.version(context.declaration.name, context.version)
        made = project.cycles.step(version.cycle or "", "snapshot")
        if made is None or version.dataset is None:
            raise Conflict(f"version {version.version}: its held-out rows are not recorded.")
        model = PackagedModel.tested(*project.package(version))
        test_rows = int((made.result or {})["test_rows"])
        train_rows = int((made.result or {})["train_rows"])
        holdout = project.datasets.load(version.dataset, train_rows, test_rows)
        judged = judged_answers(model, holdout, model.package.schema, context.declaration)
        outcome = judge(context, model, holdout, judged)
        if outcome.end is not None:
            return Outcome(outcome.result, End("failed_gates", outcome.end.reason))
        if outcome.result["asks"]:  # a version that is only tested waits for nobody
            return Outcome(outcome.result, End("failed_gates", " ".join(outcome.result["asks"])))
        return Outcome(
            outcome.result, End("passed", f"Version {version.version} passes its gates.")
        )


STEP = Retest()

"""Reproduce: train the model of a run again, and compare what both answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from everloop.data.encode import encode_batches, encode_target
from everloop.errors import Conflict, NotFound, invalid
from everloop.evaluate.answers import Answers
from everloop.evaluate.costs import metric_of
from everloop.loop.declaration import from_dict
from everloop.loop.recipe import Recipe, changes, read_recipe, recipe
from everloop.loop.steps._base import End, Outcome, StepContext
from everloop.loop.steps._challenger import challenger, schema_of, test_rows
from everloop.train.fit import fit_candidates
from everloop.train.onnx import to_onnx
from everloop.train.spec import SearchSpec

TOLERANCE = 1e-6  # of a probability, and of a number as a share of the numbers' spread


class Reproduce:
    """Takes the recorded rows, parameters and seed; nothing is registered."""

    name = "reproduce"
    where = "worker"

    def run(self, context: StepContext) -> Outcome:
        run = str(context.cycle.cause["run"])
        made = read_recipe(context.project, run)
        if made is None:
            raise invalid(
                "run",
                run,
                "a run whose model came out of a cycle",
                fix="The best candidate of each cycle has a recipe; a trial has none of its own.",
            )
        return _reproduce(_then(context, made), made, run)


STEP = Reproduce()


def _then(context: StepContext, made: Recipe) -> StepContext:
    """The context as it was: the cycle, what its steps found, and the loop that was declared."""
    cycles = context.project.cycles
    results = {s.step: s.result or {} for s in cycles.steps(made.cycle)}
    if "train" not in results:
        raise Conflict(f"cycle {made.cycle}: its training did not come to an end.")
    declaration = from_dict(made.declaration).declaration
    cycle = cycles.get(made.cycle)
    return replace(context, cycle=cycle, declaration=declaration, results=results)


def _reproduce(then: StepContext, made: Recipe, run: str) -> Outcome:
    trained, schema = then.results["train"], schema_of(then)
    if schema.task == "policy":
        raise invalid("run", run, "a model that was trained on rows, no policy")
    again = {"algorithm": trained["algorithm"], "model": then.project.blobs.put(_train(then))}
    metric = metric_of(then.declaration.evaluate, schema)
    frame = test_rows(then)
    y = encode_target(frame, schema)
    with challenger(replace(then, results=then.results | {"train": again})) as model:
        now = model.answers(frame)
    sign = 1.0 if metric.greater_is_better else -1.0
    result: dict[str, Any] = {
        "run": run,
        "algorithm": trained["algorithm"],
        "rows": frame.height,
        "metric": metric.name,
        "now": sign * metric.score(y, now.pred, now.proba),
        "changed": changes(made, recipe(then.project, then.declaration, made.cycle, made.dataset)),
    }
    try:
        with challenger(then) as model:
            before = model.answers(frame)
    except NotFound:
        reason = "its model was freed, since it was never registered"
        return Outcome(result, End("differs", f"Trained again, but not compared: {reason}."))
    result["then"] = sign * metric.score(y, before.pred, before.proba)
    result["largest_difference"] = _difference(before, now)
    return Outcome(result, _end(result))


def _train(then: StepContext) -> bytes:
    """The model again, with the parameters that were found."""
    trained, snapshot, schema = then.results["train"], then.results["snapshot"], schema_of(then)
    rows = int(snapshot["train_rows"])
    data = encode_batches(then.project.datasets.batches(snapshot["dataset"], rows), rows, schema)
    spec = msgspec.structs.replace(
        then.declaration.train, candidates=(trained["algorithm"],), search=SearchSpec(), space={}
    )
    best = fit_candidates(
        data.X,
        data.y,
        schema,
        spec,
        score=metric_of(then.declaration.evaluate, schema, trained["metric"]).score,
        seed=then.declaration.loop.seed,
        report=then.report,
        time_ordered=schema.time is not None,
        keep=trained["params"],
    )[0]
    return to_onnx(best.estimator, schema, data.X)


def _difference(before: Answers, now: Answers) -> float:
    if before.proba is not None and now.proba is not None:
        return float(np.abs(before.proba - now.proba).max(initial=0.0))
    spread = float(np.std(before.pred)) or 1.0
    return float(np.abs(before.pred - now.pred).max(initial=0.0)) / spread


def _end(result: dict[str, Any]) -> End:
    said = (
        f"{result['metric']} {result['then']:.6g} then, {result['now']:.6g} now on "
        f"{result['rows']:,} rows; predictions differ by {result['largest_difference']:.2g} at most"
    )
    if result["largest_difference"] <= TOLERANCE:
        return End("reproduced", f"The same model came out: {said}.")
    changed = result["changed"]
    shown = "; ".join(changed[:5]) if changed else "nothing that was recorded changed"
    return End("differs", f"Another model came out: {said}. {shown[:1].upper()}{shown[1:]}.")

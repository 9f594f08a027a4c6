"""Reproduce: train what a run trained again, and compare metrics and answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from everloop.errors import Conflict, NotFound, invalid
from everloop.evaluate.answers import Answers
from everloop.evaluate.costs import metric_of
from everloop.evaluate.metrics import Metric, default_metric, get_metric
from everloop.loop.answers import PackagedModel
from everloop.loop.declaration import from_dict
from everloop.loop.playing import judged_answers, ranked_together, truth
from everloop.loop.recipe import Recipe, changes, read_recipe, recipe
from everloop.loop.steps._again import (
    candidate_again,
    found_trial,
    model_again,
    served_again,
    trial_again,
)
from everloop.loop.steps._base import End, Outcome, StepContext
from everloop.loop.steps._challenger import challenger, schema_of, test_rows
from everloop.loop.steps._unlabelled import WITHOUT_LABELS
from everloop.tracking.records import Run

TOLERANCE = 1e-6  # of a probability or score, and of a number as a share of the numbers' spread


class Reproduce:
    """Takes the recorded rows, parameters and seed; nothing is registered.

    The model of a cycle is compared by its answers to the held-out rows, the tested one and, where
    another was fitted on all rows to be served, that one too; a candidate that was not chosen, and
    a trial, by the validation scores that the run recorded.
    """

    name = "reproduce"
    where = "worker"

    def run(self, context: StepContext) -> Outcome:
        run = context.project.runs.get(str(context.cycle.cause["run"]))
        then, made = _then(context, run)
        trained = then.results["train"]
        schema = schema_of(then)
        metric = default_metric("policy")
        if schema.task != "policy":
            metric = metric_of(then.declaration.evaluate, schema, trained["metric"])
        whole = run.id == trained["run"]
        found = _model(then, metric) if whole else _scored(then, run, metric)
        if whole and "whole" in trained:
            found["served"] = _served(then)
        now = recipe(then.project, then.declaration, made.cycle, made.dataset)
        found |= {"run": run.id, "dataset": made.dataset, "changed": changes(made, now)}
        return Outcome(found, end_of(found))


STEP = Reproduce()


def _then(context: StepContext, run: Run) -> tuple[StepContext, Recipe]:
    """The context as it was: the cycle, what its steps found, and the loop that was declared."""
    cycles, key = context.project.cycles, run.tags.get("cycle", "")
    results = {s.step: s.result or {} for s in cycles.steps(key)}
    if key and "train" not in results:
        raise Conflict(f"cycle {key}: its training did not come to an end.")
    made = read_recipe(context.project, results["train"]["run"]) if key else None
    if made is None:
        raise invalid(
            "run",
            run.id,
            "a run that a cycle made",
            fix="everloop history NUMBER shows a cycle; its runs are tagged with it.",
        )
    declaration = from_dict(made.declaration).declaration
    cycle = cycles.get(made.cycle)
    return replace(context, cycle=cycle, declaration=declaration, results=results), made


def _model(then: StepContext, metric: Metric) -> dict[str, Any]:
    """The cycle's model and the one trained now, asked about the same held-out rows."""
    trained, frame, schema = then.results["train"], test_rows(then), schema_of(then)
    again = {"algorithm": trained["algorithm"], "model": then.project.blobs.put(model_again(then))}
    y, groups = truth(frame, schema, then.declaration), ranked_together(frame, schema)
    known = y >= 0 if schema.task == "anomaly" else np.ones(len(y), dtype=bool)
    if not known.any():
        metric, known = get_metric(WITHOUT_LABELS), ~known
    sign = 1.0 if metric.greater_is_better else -1.0
    together = None if groups is None else groups[known]

    def asked(model: PackagedModel) -> tuple[Answers, float]:
        answers = judged_answers(model, frame, schema, then.declaration)
        seen = answers.on(known)
        return answers, sign * metric.score(y[known], seen.pred, seen.proba, together)

    with challenger(replace(then, results=then.results | {"train": again})) as model:
        now, score = asked(model)
    result: dict[str, Any] = {"kind": "model", "algorithm": trained["algorithm"]}
    result |= {"metric": metric.name, "rows": int(known.sum()), "now": score}
    try:
        with challenger(then) as model:
            before, result["then"] = asked(model)
    except NotFound:
        tested = then.results.get("evaluate", {}).get("metrics", {})
        return result | {"then": tested.get(metric.name, {}).get("value")}
    return result | {"largest_difference": _difference(before, now)}


def _served(then: StepContext) -> dict[str, Any]:
    """The model fitted on all rows, then and now, by answers alone: it has seen the rows it is
    asked about, so a metric of theirs would say nothing."""
    frame, known = test_rows(then), then.results["train"]["whole"]
    again = {"model": then.project.blobs.put(served_again(then))}

    def asked(what: dict[str, Any]) -> Answers:
        train = then.results["train"] | {"model": what["model"]}
        with challenger(replace(then, results=then.results | {"train": train})) as model:
            return judged_answers(model, frame, schema_of(then), then.declaration)

    now, result = asked(again), {"rows": int(known["rows"])}
    try:
        return result | {"largest_difference": _difference(asked(known), now)}
    except NotFound:
        return result


def _scored(then: StepContext, run: Run, metric: Metric) -> dict[str, Any]:
    """A run of which no model was kept, by its validation scores."""
    trained, number = then.results["train"], run.tags.get("trial")
    entry = next((c for c in trained["candidates"] if c["run"] == run.id), None)
    if number is not None:
        trial = found_trial(then, int(number))
        found, kind, name = trial_again(then, trial, metric), "trial", trial.candidate
    elif entry is not None:
        found, kind = candidate_again(then, entry, metric), "candidate"
        name = str(entry["algorithm"])
    else:
        raise invalid("run", run.id, "the model, a candidate or a trial of its cycle")
    return {"kind": kind, "algorithm": name, "metric": found.of or metric.name} | {
        "then": found.then,
        "now": found.now,
        "steps_difference": found.steps,
        "error": found.error,
    }


def _difference(before: Answers, now: Answers) -> float:
    if before.proba is not None and now.proba is not None:
        return float(np.abs(before.proba - now.proba).max(initial=0.0))
    spread = float(np.std(before.pred)) or 1.0
    return float(np.abs(before.pred - now.pred).max(initial=0.0)) / spread


def end_of(result: dict[str, Any]) -> End:
    """The verdict in words: whether the same came out, by what, and what has changed since."""
    what = "model" if result["kind"] == "model" else "score"
    if same(result):
        return End("reproduced", f"The same {what} came out: {_said(result)}.")
    if "served" in result and same({**result, "served": None}):
        what = "served model"
    changed = result["changed"]
    shown = "; ".join(changed[:5]) if changed else "nothing that was recorded changed"
    reason = f"Another {what} came out: {_said(result)}. {shown[:1].upper()}{shown[1:]}."
    return End("differs", reason)


def same(result: dict[str, Any]) -> bool:
    """Whether metrics and answers agree."""
    then, now = result["then"], result["now"]
    if result.get("error") or (then is None) != (now is None):
        return False
    apart = 0.0 if then is None else abs(then - now) / max(1.0, abs(then))
    worst = max(
        apart,
        result.get("largest_difference") or 0.0,
        result.get("steps_difference") or 0.0,
        (result.get("served") or {}).get("largest_difference") or 0.0,
    )
    return bool(worst <= TOLERANCE)


def _said(result: dict[str, Any]) -> str:
    metric, then, now = result["metric"], result["then"], result["now"]
    if result["kind"] != "model":
        if then is None and now is None:
            return f"the {result['kind']} failed then, and for the same reason now"
        why = f" ({result['error']})" if result.get("error") else ""
        return (
            f"{result['algorithm']} had {metric} {_number(then)} on the validation rows then, "
            f"{_number(now)} now{why}; no model of this {result['kind']} was kept to be asked"
        )
    said = f"{metric} {_number(then)} then, {_number(now)} now on {result['rows']:,} rows"
    served = result.get("served")
    if served is None:
        return f"{said}; {_apart(result)}"
    return (
        f"the tested model has {said}; {_apart(result)}; of the served one, made of all "
        f"{served['rows']:,} rows, {_apart(served)}"
    )


def _apart(result: dict[str, Any]) -> str:
    if "largest_difference" not in result:
        return "the model of then was freed, so its answers are not compared"
    return f"predictions differ by {result['largest_difference']:.2g} at most"


def _number(value: float | None) -> str:
    return "no value" if value is None else f"{value:.6g}"

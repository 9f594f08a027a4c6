"""Trials of a search as runs, and the file in which a study lasts."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from everloop.errors import NotFound
from everloop.evaluate.metrics import Metric
from everloop.loop.steps._base import StepContext
from everloop.store.clock import now_ms
from everloop.tracking.records import Point, Status
from everloop.train.spec import TrainSpec


def study_place(context: StepContext, spec: TrainSpec, metric: Metric) -> Path | None:
    """The file of the study; None when nothing is searched.

    Named by what makes scores comparable: the rows, the candidates and their code, the metric and
    the seed. So the same question asked again with a larger budget goes on where it ended, and any
    other question begins anew.
    """
    if not spec.search.asked:
        return None
    snapshot = context.results["snapshot"]
    whole = type(spec)()
    apart = {name: getattr(whole, name) for name in ("search", "ensemble", "limits", "refit")}
    compared = msgspec.structs.replace(spec, **apart)
    asked = {
        "loop": context.declaration.name,
        "dataset": snapshot["dataset"],
        "rows": snapshot["train_rows"],
        "schema": snapshot["schema"],
        "train": msgspec.to_builtins(compared),
        "early_stopping": spec.search.early_stopping,
        "metric": metric.name,
        "divided": [context.declaration.evaluate.group_by, context.declaration.evaluate.gap],
        "seed": context.declaration.loop.seed,
        "code": [version("everloop"), *(_source(name) for name in spec.candidates if ":" in name)],
    }
    text = msgspec.json.encode(asked, order="sorted")
    return context.project.state / "studies" / f"{hashlib.sha256(text).hexdigest()[:24]}.jsonl"


class TrialRuns:
    """A report that writes each trial down as a run, and passes everything on."""

    def __init__(self, context: StepContext, place: Path | None, metric: Metric) -> None:
        self.context, self.metric = context, metric
        self.study = place.stem if place is not None else context.cycle.id
        self.sign = 1.0 if metric.greater_is_better else -1.0
        self.validation: dict[str, Any] | None = None
        self.baseline: dict[str, Any] | None = None
        self._failed: dict[str, str] = {}  # candidates, and why
        self._ended: dict[str, list[str | None]] = {}  # of each one's trials: why it failed

    def __call__(self, stage: str, facts: dict[str, Any]) -> None:
        recalled = stage == "recalled" and not self._there(self._id(facts))
        if stage in ("trial", "recalled"):
            error = facts.get("error") if facts["state"] == "failed" else None
            self._ended.setdefault(facts["candidate"], []).append(error)
        if stage == "trial" or recalled:
            self._write(facts)
        elif stage == "failed":
            self._failed[facts["candidate"]] = facts["error"]
        elif stage == "baseline":
            self.baseline = facts
        elif stage == "validation":
            self.validation = facts
        elif stage in ("device", "epoch") and "candidate" in facts:  # of no trial
            self._curve(stage, facts)
        if stage != "recalled":
            self.context.report(stage, facts)

    @property
    def notes(self) -> list[str]:
        """What failed while others went on: candidates, and of the others their trials."""
        gone = [f"{name} could not be fitted: {why}" for name, why in self._failed.items()]
        for name, errors in self._ended.items():
            wrong = [error for error in errors if error]
            if wrong and name not in self._failed:
                trials = f"{len(wrong)} of {len(errors)} trials of {name} failed"
                gone.append(f"{trials}, the last one by {wrong[-1]}")
        # libraries write paragraphs
        return [f"{' '.join(said.split()).rstrip('.')}." for said in gone]

    def _curve(self, stage: str, facts: dict[str, Any]) -> None:
        """The fit on all rows, epoch for epoch, in the candidate's own run."""
        runs, cycle, name = self.context.project.runs, self.context.cycle, facts["candidate"]
        run = candidate_run(cycle.id, name)
        if stage == "device":
            title = f"cycle {cycle.number}: {name}"
            runs.start(self.context.declaration.name, title, {"cycle": cycle.id}, run=run)
            told = {key: value for key, value in facts.items() if key != "candidate"}
            runs.log_params(run, told, replace=True)
            return
        names = ("loss", "validation_loss")
        curve = {f"epoch_{key}": facts[key] for key in names if key in facts}
        runs.log_metrics(run, curve, step=facts["epoch"])

    def _id(self, facts: dict[str, Any]) -> str:
        key = f"{self.study}:{facts['number']}:{facts['candidate']}"
        return hashlib.sha256(key.encode()).hexdigest()[:32]

    def _there(self, run: str) -> bool:
        try:
            return self.context.project.runs.get(run).status != "RUNNING"
        except NotFound:
            return False

    def _write(self, facts: dict[str, Any]) -> None:
        runs, cycle = self.context.project.runs, self.context.cycle
        number, name = facts["number"], facts["candidate"]
        tags = {
            "cycle": cycle.id,
            "study": self.study,
            "trial": str(number),
            "state": facts["state"],
            "mlflow.parentRunId": candidate_run(cycle.id, name),
        }
        if facts.get("error"):
            tags["error"] = str(facts["error"])
        at = int(facts.get("at") or now_ms())
        began = at - round(1000 * facts.get("seconds", 0.0))
        title = f"cycle {cycle.number}: {name}, trial {number}"
        run = runs.start(
            self.context.declaration.name, title, tags, run=self._id(facts), started=began
        )
        key = f"validation_{self.metric.name}"
        points = [Point("fit_seconds", facts.get("seconds", 0.0), at, 0)]
        if facts.get("score") is not None:
            points.append(Point(key, self.sign * facts["score"], at, 0))
        points += [Point("step_score", value, at, step) for step, value in facts.get("steps", ())]
        runs.log(run, points=points, params={"algorithm": name, **facts["params"]}, replace=True)
        runs.finish(run, _ENDED[facts["state"]])


_ENDED: dict[str, Status] = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}


def candidate_run(cycle: str, name: str) -> str:
    """The id of a candidate's own run in a cycle; a step that is repeated finds the same one."""
    return hashlib.sha256(f"{cycle}:{name}".encode()).hexdigest()[:32]


def _source(reference: str) -> str:
    """What a user's own module says now, so that new code is a new question."""
    module = importlib.import_module(reference.partition(":")[0])
    try:
        return hashlib.sha256(inspect.getsource(sys.modules[module.__name__]).encode()).hexdigest()
    except (OSError, TypeError):
        return reference

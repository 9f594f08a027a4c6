"""The report of a cycle: made beside the gates' verdict, kept with the run and in the package.

A report that cannot be made costs the cycle nothing: it is left out, and the log says why.
"""

from __future__ import annotations

import logging
import re

import msgspec
import numpy as np
import polars as pl

from everloop.data.encode import encode
from everloop.errors import EverloopError
from everloop.evaluate.answers import Answers
from everloop.evaluate.costs import metric_of
from everloop.evaluate.gates._columns import listed
from everloop.evaluate.metrics import get_metric
from everloop.evaluate.report._base import Report
from everloop.evaluate.report.build import Facts, build_report
from everloop.evaluate.report.card import render_card
from everloop.evaluate.report.html import render_html, render_json
from everloop.loop.answers import PackagedModel
from everloop.loop.attributing import overall
from everloop.loop.playing import ranked_together, truth
from everloop.loop.reports import FILES
from everloop.loop.steps._base import Outcome, StepContext
from everloop.tracking.artifacts.paths import join, key_of

FOLDER = "report"
ROWS = 50_000  # held-out rows that curves and slices are of; a random sample of more
TRAIN_ROWS = 50_000
_BY = re.compile(r"\bby\s+(.+?)\s*(?:>=|<=|>|<)")

_log = logging.getLogger(__name__)


def reported(
    context: StepContext,
    model: PackagedModel,
    holdout: pl.DataFrame,
    answers: Answers,
    outcome: Outcome,
) -> Outcome:
    """``outcome`` with the digests of the report's files, which lie with the cycle's run.

    ``answers`` are those of ``model`` to the rows of ``holdout``.
    """
    try:
        report = _report(context, model, holdout, answers, outcome)
        files = {
            FILES["html"]: render_html(report).encode(),
            FILES["json"]: render_json(report),
            FILES["card"]: render_card(report).encode(),
        }
        kept = _keep(context, files)
    except Exception:
        _log.exception("no report of cycle %s", context.cycle.number)
        return outcome
    return msgspec.structs.replace(outcome, result={**outcome.result, "report": kept})


def sensitive_columns(
    gates: list[str], declared: tuple[str, ...], frame: pl.DataFrame
) -> list[str]:
    """Columns whose groups matter: those declared, and those that a gate is about."""
    named = [name for gate in gates for match in _BY.finditer(gate) for name in listed(match[1])]
    return [name for name in dict.fromkeys([*declared, *named]) if name in frame.columns]


def _report(
    context: StepContext,
    model: PackagedModel,
    holdout: pl.DataFrame,
    answers: Answers,
    outcome: Outcome,
) -> Report:
    schema, declaration = model.package.schema, context.declaration
    seed = declaration.loop.seed
    if holdout.height > ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(holdout.height, ROWS, replace=False))
        holdout, answers = holdout[chosen], answers.on(chosen)
    tested = outcome.result
    train = _train_frame(context)
    X = encode(holdout, schema) if holdout.height else np.empty((0, schema.width))
    policy = schema.task == "policy"
    gates = [str(gate["gate"]) for gate in tested.get("gates") or []]
    facts = Facts(
        model=declaration.name,
        algorithm=model.package.algorithm,
        created=context.cycle.started,
        schema=schema,
        ask=model.ask,
        X=X,
        frame=holdout,
        y=answers.pred if policy or not holdout.height else truth(holdout, schema, declaration),
        answers=answers,
        lists=ranked_together(holdout, schema),
        metric=get_metric("accuracy") if policy else metric_of(declaration.evaluate, schema),
        tested=tested,
        snapshot=context.results.get("snapshot", {}),
        training=context.results.get("train", {}),
        train_frame=train,
        sensitive=sensitive_columns(gates, declaration.evaluate.sensitive, holdout),
        shapley=lambda: overall(context, model, X, train, seed),
        cycle=context.cycle.number,
        verdict=None if outcome.end is None else outcome.end.verdict,
        reason=None if outcome.end is None else outcome.end.reason,
        seed=seed,
    )
    return build_report(facts)


def _train_frame(context: StepContext) -> pl.DataFrame | None:
    snapshot = context.results["snapshot"]
    rows = min(int(snapshot["train_rows"]), TRAIN_ROWS)
    try:
        return context.project.datasets.load(snapshot["dataset"], rows=rows)
    except EverloopError:
        return None


def _keep(context: StepContext, files: dict[str, bytes]) -> dict[str, str]:
    """As artifacts of the run, which also a cycle that ends here leaves behind."""
    project = context.project
    run = project.runs.get(str(context.results["train"]["run"]))
    folder = join(key_of(run.location), FOLDER)
    return {
        name: project.artifacts.put(join(folder, name), data).digest or ""
        for name, data in files.items()
    }

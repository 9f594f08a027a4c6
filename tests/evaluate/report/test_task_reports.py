"""The report of each task has the sections and the curves that say something of it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from everloop.data.encode import encode
from everloop.data.quantiles import with_levels
from everloop.data.schema import Feature, Schema
from everloop.evaluate.answers import Answers
from everloop.evaluate.explain.attributions import attributions, explained_number
from everloop.evaluate.metrics import default_metric, estimate, get_metric
from everloop.evaluate.report.build import Facts, build_report
from everloop.evaluate.report.card import render_card
from everloop.evaluate.report.html import read_report, render_html, render_json

ROWS = 600
ALWAYS = {"gates", "metrics", "importances", "training", "data"}
FEATURES = (Feature("age", "number"), Feature("sex", "category", ("f", "m")))
SECTIONS: dict[str, tuple[set[str], list[str]]] = {
    "binary": (
        ALWAYS | {"curves", "confusion", "slices", "fairness"},
        ["ROC", "Precision and recall", "Calibration"],
    ),
    "multiclass": (
        ALWAYS | {"curves", "confusion", "slices", "fairness"},
        ["ROC", "Precision and recall", "Calibration"],
    ),
    "anomaly": (
        ALWAYS | {"curves", "confusion", "slices", "fairness"},
        ["ROC", "Precision and recall", "Calibration"],
    ),
    "regression": (
        ALWAYS | {"curves", "slices", "fairness"},
        ["Predicted and actual", "Residuals", "Spread of the residuals"],
    ),
    "forecast": (
        ALWAYS | {"curves", "slices", "fairness"},
        ["Over time", "Predicted and actual", "Residuals", "Spread of the residuals"],
    ),
    "quantile": (
        ALWAYS | {"curves", "slices", "fairness"},
        ["Quantiles that hold", "Width", "Predicted and actual", "Residuals",
         "Spread of the residuals"],
    ),
    "ranking": (ALWAYS | {"curves", "slices"}, ["Relevance by place"]),
    "policy": (ALWAYS | {"curves", "fairness"}, ["Returns"]),
}  # fmt: skip
CLASSES: dict[str, tuple[Any, ...]] = {
    "binary": (False, True), "anomaly": (False, True), "multiclass": ("a", "b", "c"),
    "policy": (0, 1, 2),
}  # fmt: skip


def schema_of(kind: str) -> Schema:
    task: Any = "regression" if kind == "forecast" else kind
    more: dict[str, Any] = {"group": "query"} if kind == "ranking" else {}
    if kind == "quantile":
        more["quantiles"] = (0.1, 0.5, 0.9)
    if kind == "forecast":
        more |= {"persistence": "age", "time": "day"}
    return Schema(FEATURES, "y", task, CLASSES.get(kind, ()), **more)


def asked(schema: Schema, X: np.ndarray) -> Answers:
    """A model of each task that looks at the age, and a little at the sex."""
    score = (X[:, 0] - 45) / 10 + 0.3 * X[:, 1]
    if schema.task == "quantile":
        return Answers(score, with_levels(np.column_stack([score - 1, score, score + 1]), schema))
    if schema.numeric:
        return Answers(score)
    raised = np.exp(np.outer(score, np.arange(len(schema.classes))))
    proba = raised / raised.sum(axis=1, keepdims=True)
    return Answers(proba.argmax(axis=1), proba)


def made(kind: str) -> Facts:
    rng = np.random.default_rng(0)
    schema = schema_of(kind)
    frame = pl.DataFrame({"age": rng.uniform(20, 70, ROWS), "sex": rng.choice(["f", "m"], ROWS)})
    X = encode(frame, schema)
    answers = asked(schema, X)
    if kind == "policy":
        y: np.ndarray = answers.pred
    elif answers.proba is not None and not schema.numeric:
        y = np.array([rng.choice(len(p), p=p) for p in answers.proba])
    else:
        y = answers.pred + rng.normal(0, 0.8, ROWS)
    groups = None
    shown = [schema.classes[code] for code in y] if schema.classes else y
    frame = frame.with_columns(y=pl.Series(shown))
    if kind == "ranking":
        y, groups = np.clip(np.round(y + 2), 0, 4), np.repeat(np.arange(ROWS // 10), 10)
        frame = frame.with_columns(y=pl.Series(y), query=pl.Series(groups))
    if kind == "forecast":
        days = pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2021, 8, 22), eager=True)
        frame = frame.with_columns(day=days.head(ROWS))
    metric = get_metric("accuracy") if kind == "policy" else default_metric(schema.task)
    bound = metric if groups is None else metric.grouped(groups)
    found = estimate(bound, y, answers.pred, answers.proba)
    tested = {
        "metric": metric.name,
        "metrics": {metric.name: {"value": found.value, "low": found.low, "high": found.high}},
        "gates": [{"gate": "g", "verdict": "pass", "value": 1.0, "detail": "Yes."}],
        "rows": ROWS,
    }
    if kind == "policy":
        tested |= {"returns": rng.normal(size=50).tolist(), "unit": "episodes"}
    values = np.column_stack([X[:, 0] - 45, 0.1 * X[:, 1]])[:20]
    words = {"explainer": "test", "of": explained_number(schema)}
    return Facts(
        model=kind, algorithm="mine", created=1_700_000_000_000, schema=schema,
        ask=lambda rows: asked(schema, rows), X=X, frame=frame, y=y, answers=answers,
        metric=metric, lists=groups, tested=tested, snapshot={"train_rows": 10},
        training={"metric": metric.name, "algorithm": "mine", "candidates": [], "params": {}},
        sensitive=[] if kind in ("ranking", "policy") else ["sex"],
        shapley=lambda: attributions(values, X[:20], schema, **words),
    )  # fmt: skip


@pytest.mark.parametrize("kind", SECTIONS)
def test_each_task_has_its_sections(kind: str) -> None:
    report = build_report(made(kind))
    assert report.left_out == []
    page = render_html(report)
    sections, charts = SECTIONS[kind]
    assert set(re.findall(r'<section id="(\w+)">', page)) == sections
    assert [chart.title for chart in report.curves] == charts
    assert report.importances[0].feature == "age" and report.importances[0].drop > 0
    assert "nan" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL).lower()
    assert read_report(render_json(report)) == report
    for name in re.findall(r'href="#(\w+)"', page):
        assert f'id="{name}"' in page, name


def test_the_class_that_is_drawn_is_the_most_probable_and_is_named() -> None:
    facts = made("multiclass")
    assert facts.answers.proba is not None
    most = facts.answers.proba.mean(axis=0).argmax()
    drawn = build_report(replace(facts, answers=replace(facts.answers, proba=facts.answers.proba)))
    of = f"the probability of {facts.schema.classes[most]}"
    assert drawn.dependence[0].of == of and f"The mean of {of} when" in render_html(drawn)
    reversed_ = facts.answers.proba[:, ::-1]
    other = build_report(replace(facts, answers=replace(facts.answers, proba=reversed_)))
    assert other.dependence[0].of == f"the probability of {facts.schema.classes[2 - most]}"
    assert made("binary").schema.classes[1] is True
    assert build_report(made("binary")).dependence[0].of == "the probability of True"


@pytest.mark.parametrize("kind", ["multiclass", "regression", "quantile", "anomaly"])
def test_groups_of_any_target_are_in_the_page_its_twin_and_the_card(kind: str) -> None:
    report = build_report(made(kind))
    page, card = render_html(report), render_card(report)
    gap = report.fairness[0].gaps[0]
    assert f"{gap.metric.replace('_', ' ')} is furthest apart between" in page
    assert "No groups were named" not in card and f"- {gap.metric} by sex: " in card
    assert "<td>–</td>" not in page.split('id="fairness"')[1].split("</section>")[0]


def test_a_column_of_too_many_groups_costs_the_others_nothing() -> None:
    facts = made("regression")
    frame = facts.frame.with_columns(city=pl.Series([f"c{i % 60}" for i in range(ROWS)]))
    report = build_report(replace(facts, frame=frame, sensitive=["sex", "city"]))
    assert [f.columns for f in report.fairness] == [["sex"]]
    assert [line.split(":")[0] for line in report.left_out] == [
        "fairness by city", "fairness by sex × city"
    ]  # fmt: skip
    assert "fairness by city: " in render_card(report)


def test_a_policy_says_why_no_groups_are_compared() -> None:
    report = build_report(made("policy"))
    assert "belong to no group" in report.fairness_note
    assert report.fairness_note in render_html(report) and report.fairness_note in render_card(
        report
    )


def test_a_policy_is_told_in_its_own_words() -> None:
    page = render_html(build_report(made("policy")))
    assert "Metrics on 600 episodes" in page and "How often the policy acts otherwise" in page
    assert "rows trained and" not in page


def test_what_quantiles_promise_is_held_against_what_came() -> None:
    held = build_report(made("quantile")).curves[0].curves[0].points
    assert [level for level, _ in held] == [0.1, 0.5, 0.9]
    assert [share for _, share in held] == sorted(share for _, share in held)


def test_no_order_of_a_group_is_better_than_the_best() -> None:
    ranked, best, _ = build_report(made("ranking")).curves[0].curves
    assert best.points[0][1] >= ranked.points[0][1] > ranked.points[-1][1]

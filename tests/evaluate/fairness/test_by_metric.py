"""Metrics by group are those of Fairlearn's MetricFrame, for every task but the binary one."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    mean_absolute_error,
    mean_squared_error,
    recall_score,
)

from everloop.data.quantiles import with_levels
from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.evaluate.answers import Answers
from everloop.evaluate.fairness.by_metric import Judged, fairness
from everloop.evaluate.gates import Evidence, check_spec, parse_gate
from everloop.evaluate.metrics import get_metric
from everloop.evaluate.spec import EvaluateSpec

fairlearn = pytest.importorskip("fairlearn.metrics")

FEATURES = (Feature("age", "number"),)
CLASSES = ("a", "b", "c")


def people(n: int = 1_500) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return pl.DataFrame({"sex": rng.choice(["f", "m"], n), "place": rng.choice(["p", "q", "r"], n)})


def classified() -> Judged:
    frame, rng = people(), np.random.default_rng(1)
    y = rng.integers(0, 3, frame.height)
    wrong = rng.random(frame.height) < np.where(frame["sex"].to_numpy() == "m", 0.3, 0.1)
    pred = np.where(wrong, rng.integers(0, 3, frame.height), y)
    return Judged(Schema(FEATURES, "y", "multiclass", CLASSES), frame, y, Answers(pred))


def numbers(**other: Any) -> Judged:
    frame, rng = people(), np.random.default_rng(2)
    y = rng.normal(10, 3, frame.height)
    male = frame["sex"].to_numpy() == "m"
    pred = y + rng.normal(0, 1, frame.height) * np.where(male, 3.0, 1.0) + male
    return Judged(Schema(FEATURES, "y", "regression"), frame, y, Answers(pred), **other)


@pytest.mark.parametrize("columns", [["sex"], ["sex", "place"]])
def test_classes_by_group_are_those_of_fairlearn(columns: list[str]) -> None:
    judged = classified()
    found = fairness(judged, columns)
    wanted = fairlearn.MetricFrame(
        metrics={"accuracy": accuracy_score, "balanced_accuracy": balanced_accuracy_score},
        y_true=judged.y,
        y_pred=judged.answers.pred,
        sensitive_features=judged.frame.select(columns).to_pandas(),
    )
    for group in found.groups:
        key = group.name.split(" × ")
        row = wanted.by_group.loc[tuple(key) if len(key) > 1 else key[0]]
        for name in ("accuracy", "balanced_accuracy"):
            one = group.metrics[name]
            assert one.value == pytest.approx(row[name])
            assert one.low is not None and one.high is not None
            assert one.low < row[name] < one.high
        assert group.selection_rate is None
    assert found.overall is not None
    assert found.overall.metrics["accuracy"].value == pytest.approx(wanted.overall["accuracy"])
    apart = wanted.difference()
    assert {gap.metric: gap.value for gap in found.gaps} == pytest.approx(dict(apart))


def test_the_recall_of_each_class_is_shown_where_there_are_few() -> None:
    judged = classified()
    male = judged.frame["sex"].to_numpy() == "m"
    want = recall_score(judged.y[male], judged.answers.pred[male], average=None)
    group = next(g for g in fairness(judged, ["sex"]).groups if g.name == "m")
    assert [group.metrics[f"recall of {c}"].value for c in CLASSES] == pytest.approx(list(want))


def test_errors_by_group_are_those_of_fairlearn_and_have_a_direction() -> None:
    judged = numbers()
    found = fairness(judged, ["sex"])
    wanted = fairlearn.MetricFrame(
        metrics={
            "mae": mean_absolute_error,
            "rmse": lambda y, pred: mean_squared_error(y, pred) ** 0.5,
            "mean_error": lambda y, pred: float(np.mean(pred - y)),
        },
        y_true=judged.y,
        y_pred=judged.answers.pred,
        sensitive_features=judged.frame["sex"].to_numpy(),
    ).by_group
    for group in found.groups:
        for name in ("mae", "rmse", "mean_error"):
            assert group.metrics[name].value == pytest.approx(wanted.loc[group.name, name])
    gap = found.gaps[0]
    assert (gap.metric, gap.highest, gap.lowest) == ("mae", "m", "f")
    assert 0 < gap.low < gap.value < gap.high


def test_the_metric_that_the_model_is_judged_by_comes_first() -> None:
    found = fairness(numbers(metric=get_metric("r2")), ["sex"])
    assert list(found.groups[0].metrics) == ["r2", "mae", "rmse", "mean_error"]


@pytest.mark.parametrize("columns", ["sex", "sex, place"])
def test_a_gate_on_the_gap_says_what_the_report_says(columns: str) -> None:
    judged = numbers()
    gate = parse_gate(f"mae gap by {columns} <= 0.5")
    said = gate.check(Evidence(judged.schema, judged.frame, judged.y, judged.answers))
    gap = fairness(judged, columns.split(", ")).gaps[0]
    assert (said.value, said.low, said.high) == pytest.approx((gap.value, gap.low, gap.high))
    assert said.verdict == "fail"


def test_a_gap_between_a_few_faultless_rows_and_others_is_not_certain() -> None:
    sex = ["f"] * 40 + ["m"] * 400
    y = np.zeros(440, dtype=np.int64)
    y[::2] = 1
    pred = y.copy()
    pred[40:60] = 2  # 5 % of the men are wrong, none of forty women is
    judged = Judged(
        Schema(FEATURES, "y", "multiclass", CLASSES), pl.DataFrame({"sex": sex}), y, Answers(pred)
    )
    gap = fairness(judged, ["sex"]).gaps[0]
    assert gap.metric == "accuracy" and gap.value == pytest.approx(0.05) and gap.low == 0.0


def test_a_number_is_cut_alike_in_the_gate_and_in_the_report() -> None:
    judged = numbers()
    age = np.random.default_rng(3).integers(18, 80, judged.frame.height)
    judged = numbers()
    frame = judged.frame.with_columns(age=pl.Series(age))
    said = parse_gate("mae gap by age <= 9").check(
        Evidence(judged.schema, frame, judged.y, judged.answers)
    )
    assert "age <" in said.detail and "left out" not in said.detail


def test_a_group_of_few_rows_is_shown_and_not_judged() -> None:
    judged = numbers()
    sex = ["x"] * 3 + judged.frame["sex"].to_list()[3:]
    frame = judged.frame.with_columns(sex=pl.Series(sex))
    found = fairness(Judged(judged.schema, frame, judged.y, judged.answers), ["sex"])
    small = found.groups[-1]
    assert (small.name, small.rows, small.judged) == ("x", 3, False)
    assert {found.gaps[0].highest, found.gaps[0].lowest} == {"m", "f"}


def test_labels_quantiles_and_odd_rows_have_their_own_metrics() -> None:
    frame, rng = people(300), np.random.default_rng(4)
    y = rng.integers(0, 2, (300, 3))
    labels = Judged(
        Schema(FEATURES, "y", "multilabel", CLASSES), frame, y, Answers(1 - y, y.astype(float))
    )
    assert list(fairness(labels, ["sex"]).groups[0].metrics) == ["f1_micro", "subset_accuracy"]

    schema = Schema(FEATURES, "y", "quantile", quantiles=(0.1, 0.5, 0.9))
    middle = rng.normal(size=300)
    told = with_levels(np.column_stack([middle - 1, middle, middle + 1]), schema)
    spread = Judged(schema, frame, middle + 0.5, Answers(middle, told))
    found = fairness(spread, ["sex"]).groups[0].metrics
    assert found["coverage"].value == 1.0 and found["mean_error"].value == pytest.approx(-0.5)

    odd = Schema(FEATURES, "y", "anomaly", (False, True))
    known = np.where(np.arange(300) < 200, -1, rng.integers(0, 2, 300))
    flags = fairness(Judged(odd, frame, known, Answers(rng.integers(0, 2, 300))), ["sex"])
    assert flags.overall is not None
    assert flags.overall.metrics["flagged"].n == 300 and flags.overall.metrics["recall"].n == 100


def test_a_list_is_ranked_for_one_group_only() -> None:
    lists = np.repeat(np.arange(80), 5)
    rng = np.random.default_rng(5)
    frame = pl.DataFrame(
        {"sex": np.where(lists % 2, "f", "m"), "kind": rng.choice(["x", "y"], 400)}
    )
    y = rng.integers(0, 3, 400).astype(np.float64)
    judged = Judged(
        Schema(FEATURES, "y", "ranking", group="q"), frame, y, Answers(rng.random(400)), lists=lists
    )
    found = fairness(judged, ["sex"])
    assert [(g.rows, g.judged) for g in found.groups] == [(200, True), (200, True)]
    assert found.gaps[0].metric == "ndcg"
    with pytest.raises(InvalidInput, match="the same for all rows of a list"):
        fairness(judged, ["kind"])


def test_what_has_no_groups_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidInput, match=r"sensitive.*whole episodes"):
        check_spec(EvaluateSpec(sensitive=("sex",)), "policy")
    with pytest.raises(InvalidInput, match=r'a binary target.*"mae gap by sex <= NUMBER"'):
        check_spec(EvaluateSpec(gates=("selection_rate_ratio by sex >= 0.8",)), "regression")

"""The report: every part from values, nothing that fails stops it, and the page is the twin."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from everloop.data.encode import encode
from everloop.data.schema import Feature, Schema
from everloop.evaluate.answers import Answers
from everloop.evaluate.metrics import get_metric
from everloop.evaluate.report.build import Facts, build_report
from everloop.evaluate.report.card import render_card
from everloop.evaluate.report.curves import calibration, precision_recall, roc
from everloop.evaluate.report.html import read_report, render_html, render_json
from everloop.evaluate.report.numbers import residuals

SCHEMA = Schema(
    features=(
        Feature("age", "number"),
        Feature("sex", "category", ("f", "m")),
        Feature("noise", "number"),
    ),
    target="paid",
    task="binary",
    classes=(False, True),
)
GATE = {"gate": "roc_auc >= 0.6", "verdict": "pass", "value": 0.8, "bound": 0.6, "detail": "Yes."}


def logistic(X: np.ndarray) -> Answers:
    p = 1 / (1 + np.exp(-(0.1 * (X[:, 0] - 45) + X[:, 1] - 0.5)))
    return Answers((p > 0.5).astype(np.int64), np.column_stack([1 - p, p]))


def facts(n: int = 1_000, **changes: Any) -> Facts:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "age": rng.uniform(20, 70, n),
            "sex": rng.choice(["f", "m"], n),
            "noise": rng.normal(size=n),
        }
    )
    X = encode(frame, SCHEMA)
    answers = logistic(X)
    assert answers.proba is not None
    paid = rng.random(n) < answers.proba[:, 1]
    values: dict[str, Any] = {
        "model": "credit",
        "algorithm": "logistic_regression",
        "created": 1_700_000_000_000,
        "schema": SCHEMA,
        "ask": logistic,
        "X": X,
        "frame": frame.with_columns(paid=paid),
        "y": paid.astype(np.int64),
        "answers": answers,
        "metric": get_metric("roc_auc"),
        "tested": {
            "metric": "roc_auc",
            "rows": n,
            "metrics": {"roc_auc": {"value": 0.8, "low": 0.75, "high": 0.85, "n": n}},
            "gates": [GATE],
        },
        "snapshot": {"train_rows": 10, "notes": ["column k dropped: constant"]},
        "training": {"metric": "roc_auc", "algorithm": "ridge", "candidates": [], "params": {}},
        "sensitive": ["sex"],
    }
    return Facts(**{**values, **changes})


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href")]


def test_every_part_is_there_and_the_page_needs_nothing_beside_itself() -> None:
    report = build_report(facts())
    assert report.left_out == []
    page = render_html(report)
    tags = Tags()
    tags.feed(page)
    assert "script" not in tags.seen and "img" not in tags.seen and "link" not in tags.seen
    assert all(address.startswith("#") for address in tags.addresses)
    parts = ("gates", "metrics", "curves", "confusion", "slices", "importances", "fairness")
    for part in (*parts, "training", "data"):
        assert f'<section id="{part}">' in page, part
    assert "column k dropped: constant" in page


def test_the_twin_holds_the_same_report() -> None:
    report = build_report(facts())
    assert read_report(render_json(report)) == report


def test_the_feature_that_decides_comes_first_and_noise_last() -> None:
    report = build_report(facts())
    assert [one.feature for one in report.importances] == ["age", "sex", "noise"]
    assert report.importances[0].drop > 0.1 > abs(report.importances[-1].drop)
    age = next(one for one in report.dependence if one.feature == "age")
    assert age.mean == sorted(age.mean)


def test_confusion_counts_every_row() -> None:
    made = facts()
    confusion = build_report(made).confusion
    assert confusion is not None
    want = [[int(((made.y == a) & (made.answers.pred == b)).sum()) for b in (0, 1)] for a in (0, 1)]
    assert confusion.counts == want


def test_a_part_that_fails_is_left_out_and_named() -> None:
    def broken(X: np.ndarray) -> Answers:
        raise RuntimeError("no model")

    report = build_report(facts(ask=broken))
    assert report.importances == [] and report.curves
    assert any(line.startswith("importances: ") for line in report.left_out)
    assert "Left out" in render_html(report)


def test_nothing_but_a_verdict_still_makes_a_page() -> None:
    none = np.empty(0, np.int64)
    empty = facts(
        frame=facts(1).frame.clear(),
        X=np.empty((0, 3)),
        y=none,
        answers=Answers(none, np.empty((0, 2))),
        tested={},
        training={},
        snapshot={},
        sensitive=(),
    )
    assert "credit" in render_html(build_report(empty))


def test_what_preparation_did_is_told() -> None:
    training = {"prepared": {"dropped_features": {"noise": "variance 0.1"}, "columns": 2}}
    page = render_html(build_report(facts(training=training)))
    assert "dropped features: noise: variance 0.1" in page and "columns: 2" in page


def test_names_cannot_break_out_of_the_page() -> None:
    page = render_html(build_report(facts(model="<script>alert(1)</script>")))
    assert "<script>" not in page


@pytest.mark.parametrize("n", [50, 20_000])
def test_curves_hold_the_areas_that_scikit_learn_finds(n: int) -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(n) < 0.3
    score = np.round(rng.normal(truth, 1), 1 if n == 50 else 6)  # with ties where it is short
    x, y = np.array(roc(truth, score)).T
    assert abs(np.trapezoid(y, x) - roc_auc_score(truth, score)) < 1e-3
    recall, precision = np.array(precision_recall(truth, score)).T
    if n == 50:
        area = np.sum(np.diff(np.r_[0.0, recall]) * precision)
        assert abs(area - average_precision_score(truth, score)) < 1e-4
    assert len(x) <= 151 and len(recall) <= 151


def test_calibration_of_honest_probabilities_lies_on_the_diagonal() -> None:
    rng = np.random.default_rng(2)
    p = rng.random(50_000)
    for said, came in calibration(rng.random(50_000) < p, p):
        assert abs(said - came) < 0.03


def test_residuals_of_numbers() -> None:
    y = np.arange(1_000.0)
    charts = residuals(y, y - 2.0, 0)
    assert [c.title for c in charts][1] == "Residuals"
    assert {round(r, 9) for _, r in charts[1].curves[0].points} == {2.0}


def test_a_number_is_reported_with_its_residuals_and_its_worst_slices() -> None:
    schema = Schema(features=SCHEMA.features, target="paid", task="regression")

    def ask(X: np.ndarray) -> Answers:
        return Answers(2 * X[:, 0])

    made = facts()
    y = 2 * made.X[:, 0] + np.where(made.X[:, 1] == 1, 50.0, 0.0)
    frame = made.frame.with_columns(paid=y)
    tested = {"metric": "rmse", "metrics": {}, "gates": []}
    report = build_report(
        facts(
            schema=schema,
            ask=ask,
            y=y,
            frame=frame,
            answers=ask(made.X),
            tested=tested,
            metric=get_metric("rmse"),
        )
    )
    assert report.left_out == [] and report.confusion is None
    assert [gap.highest for gap in report.fairness[0].gaps] == ["m", "m"]
    assert report.slices is not None
    assert report.slices.worst[0].name == "sex = m" and report.slices.worst[0].value == 50.0


def test_the_card_is_filled_and_asks_a_person_for_what_only_a_person_knows() -> None:
    card = render_card(build_report(facts()))
    assert card.startswith("# Model card: credit\n")
    assert "| roc_auc | 0.8 | 0.75 to 0.85 |" in card
    assert "To be written by those who use it" in card
    assert "It looks most at: age, sex" in card

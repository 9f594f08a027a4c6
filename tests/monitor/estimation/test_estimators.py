"""Scores before labels, against the labels: made-up rows whose truth is known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from everloop.data.schema import Feature, Schema, Task
from everloop.errors import InvalidInput
from everloop.evaluate.metrics import get_metric
from everloop.monitor.estimation._base import Rows
from everloop.monitor.estimation.estimate import Estimation, believe, estimate, estimator_for
from everloop.monitor.estimation.heldout import HeldOut, hold
from everloop.monitor.gauges import Gauge

FEATURES = (Feature("x", "number"), Feature("z", "number"), Feature("g", "category", ("a", "b")))


class Made(NamedTuple):
    frame: pl.DataFrame
    y: np.ndarray
    pred: np.ndarray
    proba: np.ndarray | None


def schema(task: Task, k: int = 2) -> Schema:
    return Schema(features=FEATURES, target="y", task=task, classes=tuple(range(k)) if k else ())


def inputs(rng: np.random.Generator, n: int, shift: float, share: float) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "x": rng.normal(shift, 1, n),
            "z": rng.normal(size=n),
            "g": rng.choice(["a", "b"], n, p=[1 - share, share]),
        }
    )


def binary(seed: int, n: int, shift: float = 0.0, share: float = 0.3) -> Made:
    """A model that is sharp for group a, and knows nothing of group b while being as sure."""
    rng = np.random.default_rng(seed)
    frame = inputs(rng, n, shift, share)
    x, b = frame["x"].to_numpy(), (frame["g"] == "b").to_numpy()
    y = (rng.random(n) < expit(np.where(b, 0.3, 2.0) * x)).astype(np.int64)
    p = expit(2.0 * x)
    return Made(frame, y, (p > 0.5).astype(np.int64), np.column_stack([1 - p, p]))


def numbers(seed: int, n: int, shift: float = 0.0, share: float = 0.3) -> Made:
    rng = np.random.default_rng(seed)
    frame = inputs(rng, n, shift, share)
    noise = rng.normal(size=n) * np.where(frame["g"] == "b", 3.0, 0.5)
    pred = frame["x"].to_numpy()
    return Made(frame, pred + noise, pred, None)


def held_of(made: Made, task: Task, k: int = 2) -> HeldOut:
    return hold(made.frame, schema(task, k), made.y, made.pred, made.proba)


def gauges(*names: str) -> list[Gauge]:
    found = [get_metric(name) for name in names]
    return [Gauge(m.name, m.function, m.greater_is_better, m.bounds) for m in found]


def estimated(
    method: str, task: Task, held: HeldOut, made: Made, *names: str, k: int = 2
) -> Estimation:
    chosen = estimator_for(method, task)
    assert chosen is not None
    rows = Rows(held.encode(made.frame, schema(task, k)), made.pred, made.proba)
    believed = believe(chosen[1], held, rows)
    return estimate(*chosen, held, believed, len(rows), gauges(*names))


def off(found: Estimation, made: Made, name: str) -> float:
    """How far an estimate is from what was measured."""
    value = found.metrics[name].value
    assert value is not None
    return abs(value - get_metric(name).function(made.y, made.pred, made.proba))


@pytest.mark.parametrize("method", ["cbpe", "pape", "adaptive", "m_cbpe"])
def test_scores_of_classes_are_found_without_labels(method: str) -> None:
    held, window = held_of(binary(0, 6_000), "binary"), binary(1, 4_000)
    found = estimated(method, "binary", held, window, "roc_auc", "accuracy", "log_loss", "f1")
    for name in ("roc_auc", "accuracy", "f1"):
        assert off(found, window, name) < 0.025, name
        low, value, high = (getattr(found.metrics[name], part) for part in ("low", "value", "high"))
        assert low < value < high and high - low < 0.1
    assert off(found, window, "log_loss") < 0.08
    assert not found.warnings and "concept shift" in found.blind


def test_weights_and_regions_find_what_calibration_alone_does_not() -> None:
    """The group that the model knows nothing of grows from 30 % to 90 % of the rows."""
    held, window = held_of(binary(0, 8_000), "binary"), binary(1, 5_000, share=0.9)
    plain = estimated("cbpe", "binary", held, window, "accuracy")
    assert off(plain, window, "accuracy") > 0.08
    for method in ("pape", "adaptive", "m_cbpe"):
        weighted = estimated(method, "binary", held, window, "accuracy")
        assert off(weighted, window, "accuracy") < 0.04, method
        assert method == "adaptive" or weighted.effective_rows < 0.7 * len(held)


def test_several_classes() -> None:
    def made(seed: int, n: int) -> Made:
        rng = np.random.default_rng(seed)
        p = rng.dirichlet([0.6, 0.6, 0.6], n)
        real = p**0.5 / (p**0.5).sum(axis=1, keepdims=True)  # the model is too sure
        y = (rng.random(n)[:, None] > real.cumsum(axis=1)).sum(axis=1)
        return Made(inputs(rng, n, 0, 0.3), y, p.argmax(axis=1), p)

    held, window = held_of(made(0, 5_000), "multiclass", 3), made(1, 4_000)
    found = estimated("cbpe", "multiclass", held, window, "accuracy", "roc_auc", k=3)
    assert window.proba is not None
    assert window.proba.max(axis=1).mean() - (window.y == window.pred).mean() > 0.1
    assert off(found, window, "accuracy") < 0.02
    assert off(found, window, "roc_auc") < 0.02


def test_errors_of_numbers_are_found_where_the_inputs_moved() -> None:
    held, window = held_of(numbers(0, 5_000), "regression", 0), numbers(1, 4_000, share=0.8)
    found = estimated("auto", "regression", held, window, "mae", "rmse", k=0)
    before = np.abs(held.y - held.pred).mean()
    assert found.method == "dle"
    assert np.abs(window.y - window.pred).mean() > 1.5 * before
    assert off(found, window, "mae") < 0.12
    assert off(found, window, "rmse") < 0.15


def test_intervals_hold_the_score_that_is_measured_later() -> None:
    held = held_of(binary(0, 2_000), "binary")
    inside = 0
    for seed in range(1, 15):
        window = binary(seed, 500)
        own = estimated("cbpe", "binary", held, window, "accuracy").metrics["accuracy"]
        assert own.low is not None and own.high is not None
        inside += own.low <= (window.y == window.pred).mean() <= own.high
    assert inside >= 11


def test_the_expected_accuracy_is_the_mean_of_the_beliefs() -> None:
    held, window = held_of(binary(0, 3_000), "binary"), binary(1, 1_500)
    chosen = estimator_for("cbpe", "binary")
    assert chosen is not None
    rows = Rows(held.encode(window.frame, schema("binary")), window.pred, window.proba)
    believed = believe(chosen[1], held, rows)
    found = estimate(*chosen, held, believed, len(rows), gauges("accuracy"))
    c = believed.belief.c[np.arange(len(rows)), window.pred]  # type: ignore[attr-defined]
    assert found.metrics["accuracy"].value == pytest.approx(c.mean(), abs=1e-3)


@pytest.mark.parametrize("n", [1, 5, 60])
def test_certain_answers_one_class_and_few_rows_are_no_error(n: int) -> None:
    made = binary(0, 500)
    sure = np.column_stack([1 - made.pred, made.pred]).astype(float)
    window = Made(made.frame[:n], made.y[:n], made.pred[:n], sure[:n])
    for y in (made.y, np.zeros(500, dtype=np.int64)):
        held = held_of(made._replace(y=y, proba=sure), "binary")
        for method in ("cbpe", "pape", "adaptive", "m_cbpe"):
            found = estimated(method, "binary", held, window, "roc_auc", "accuracy")
            assert all(np.isfinite(m.value) for m in found.metrics.values() if m.value is not None)


def test_answers_of_a_class_that_no_held_out_row_has_are_doubted() -> None:
    made = binary(0, 3_000)
    none = made._replace(y=np.zeros(3_000, np.int64))
    for held, doubted in ((none, True), (made, False)):
        found = estimated("cbpe", "binary", held_of(held, "binary"), binary(1, 1_000), "accuracy")
        assert any("classes that no held-out row has" in w for w in found.warnings) == doubted


def test_inputs_unlike_any_before_are_doubted() -> None:
    held, window = held_of(binary(0, 3_000), "binary"), binary(1, 1_000, shift=6.0)
    found = estimated("pape", "binary", held, window, "accuracy")
    assert any("outside the range" in warning for warning in found.warnings)
    assert any("held-out rows count" in warning for warning in found.warnings)
    gone = Made(window.frame.with_columns(z=pl.lit(None)), *window[1:])
    assert any("z is missing" in w for w in estimated("cbpe", "binary", held, gone).warnings)


def test_what_chance_adds_to_a_calibration_error_is_expected() -> None:
    """Of 300 rows even right probabilities have a calibration error of some 0.04."""
    rng = np.random.default_rng(0)

    def right(n: int) -> Made:
        p = rng.random(n)
        y = (rng.random(n) < p).astype(np.int64)
        proba = np.column_stack([1 - p, p])
        return Made(inputs(rng, n, 0, 0.3), y, (p > 0.5).astype(np.int64), proba)

    held = held_of(right(6_000), "binary")
    windows = [right(300) for _ in range(4)]
    metric = get_metric("calibration_error").function
    real = np.mean([metric(w.y, w.pred, w.proba) for w in windows])
    said = [estimated("cbpe", "binary", held, w, "calibration_error") for w in windows]
    values = [found.metrics["calibration_error"].value for found in said]
    assert np.mean(np.array(values, dtype=float)) == pytest.approx(real, abs=0.012)


def test_an_unknown_estimator_is_named() -> None:
    with pytest.raises(InvalidInput, match="Did you mean"):
        estimator_for("pap", "binary")
    assert estimator_for("dle", "binary") is None
    assert estimator_for("none", "binary") is None
    assert estimator_for("auto", "multilabel") is None

"""A window's score before its labels come, from rows as the log has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from everloop.data.schema import Feature, Schema
from everloop.monitor.estimation.heldout import hold
from everloop.monitor.expecting import Expecting
from everloop.monitor.gauges import Gauge, Interval
from everloop.monitor.judging import Judging
from everloop.monitor.performance import Baseline
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.windows import Alert

SCHEMA = Schema(
    features=(Feature("x", "number"), Feature("g", "category", ("a", "b"))),
    target="y",
    task="binary",
    classes=(False, True),
    id="id",
)


def accuracy(y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> float:
    return float((y == pred).mean())


def made(seed: int, n: int, sure: float) -> tuple[pl.DataFrame, np.ndarray]:
    """Rows of the log, and their labels; of the share ``sure`` of them the model is certain."""
    rng = np.random.default_rng(seed)
    g = rng.random(n) < sure
    p = np.where(g, 0.95, 0.6)
    turned = rng.random(n) < 0.5
    p = np.where(turned, 1 - p, p)
    y = rng.random(n) < p
    frame = pl.DataFrame(
        {
            "id": [f"{seed}-{i}" for i in range(n)],
            "x": rng.normal(size=n),
            "g": np.where(g, "a", "b"),
            "y": p > 0.5,
            "p": pl.Series(np.column_stack([1 - p, p]).tolist(), dtype=pl.List(pl.Float64)),
        }
    )
    return frame, y.astype(np.float64)


def expecting() -> tuple[Expecting, Baseline]:
    frame, y = made(0, 4_000, 0.8)
    p = np.array(frame["p"].to_list())
    held = hold(frame, SCHEMA, y.astype(int), (p[:, 1] > 0.5).astype(int), p)
    value = accuracy(held.y, held.pred, None)
    tested = Interval(value, value - 0.012, value + 0.012)
    judging = Judging((Gauge("accuracy", accuracy, True, (0.0, 1.0), tested),), held)
    spec = MonitorSpec()
    return Expecting("e", SCHEMA, spec, judging), Baseline(
        "accuracy", value, value - 0.012, value + 0.012
    )


def expect(
    seed: int, n: int, sure: float, before: dict[str, Any] | None = None, **more: Any
) -> tuple[dict[str, Any], list[Alert]]:
    watched, baseline = expecting()
    found = watched.expect(
        seed, made(seed, n, sure)[0], baseline, before, more.get("scored"), more.get("bad", False)
    )
    assert found is not None
    return found


def test_a_loss_that_can_be_seen_in_the_inputs_is_told_once() -> None:
    said, alerts = expect(1, 1_500, 0.3)
    assert said["worse"] and not said["warnings"]
    (alert,) = alerts
    assert alert.kind == "estimate" and "accuracy is expected to be 0." in alert.summary
    assert said["segments"]["worst"][0]["name"] == "g 'b'"
    again, more = expect(2, 1_500, 0.3, said)
    assert again["worse"] and more == []


def test_a_quiet_window_and_one_in_quarantine_tell_nothing() -> None:
    said, alerts = expect(1, 1_500, 0.8)
    assert not said["worse"] and alerts == []
    own = said["metrics"]["accuracy"]
    assert own["low"] < own["tested"] < own["high"]
    assert expect(1, 1_500, 0.3, bad=True)[1] == []


@pytest.mark.parametrize("n", [0, 1, 5])
def test_few_rows_are_not_enough(n: int) -> None:
    said, alerts = expect(1, n, 0.3)
    assert "not enough evidence" in said["note"] and alerts == []


def test_an_expectation_that_was_wrong_is_doubted_and_alarms_nobody() -> None:
    before, _ = expect(1, 1_500, 0.8)
    real = {"accuracy": {"value": 0.6, "low": 0.57, "high": 0.63}}
    said, alerts = expect(2, 1_500, 0.3, before, scored={"expected": before, "metrics": real})
    assert "labels follow the inputs otherwise" in said["warnings"][-1]
    assert not said["worse"] and alerts == []


def test_broken_probabilities_and_strange_answers_are_left_out() -> None:
    watched, baseline = expecting()
    frame, _ = made(1, 400, 0.8)
    for p in ([None, None], [float("nan"), float("nan")], [0.2, 0.3, 0.5]):
        odd = frame.with_columns(p=pl.Series([p] * 400))
        found = watched.expect(0, odd, baseline, None, None, False)
        assert found is not None and "not enough evidence" in found[0]["note"]
    strange = frame.with_columns(y=pl.lit("perhaps"))
    found = watched.expect(0, strange, baseline, None, None, False)
    assert found is not None and "not enough evidence" in found[0]["note"]


def test_a_trickle_of_labels_makes_it_surer() -> None:
    watched, _ = expecting()
    frame, y = made(1, 1_500, 0.5)
    known = np.where(np.arange(1_500) % 5 == 0, y, np.nan)
    found = watched.powered(frame, known, "accuracy")["prediction_powered"]
    real = float((y == frame["y"].to_numpy()).mean())
    assert found["labelled"] == 300 and found["rows"] == 1_500
    assert found["score"]["low"] < real < found["score"]["high"]
    assert watched.powered(frame, np.full(1_500, np.nan), "accuracy") == {}

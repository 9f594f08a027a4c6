from __future__ import annotations

import msgspec
import numpy as np
import polars as pl
import pytest

from everloop.data.encode import encode, encode_batches
from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.evaluate.answers import Answers
from everloop.train.fit import fit_candidates
from everloop.train.fitting import silent
from everloop.train.predictions import predict
from everloop.train.spec import PrepareSpec, TrainSpec
from everloop.update.probe import History, quick_fit
from everloop.update.worth import Ask, Worth, worth_it

SCHEMA = Schema((Feature("x", "number"), Feature("z", "number")), "y", "binary", (False, True))


def accuracy(y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> float:
    return float((y == pred).mean())


def table(n: int, turned: bool, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
    """``y`` follows ``x``, or ``-x`` once the world has turned."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.normal(size=n)
    y = (x * (-1 if turned else 1) + rng.normal(0, 0.5, n)) > 0
    return pl.DataFrame({"x": x, "z": z, "y": y}), y.astype(np.int64)


def encoded(rows: pl.DataFrame) -> History:
    found = encode_batches([rows], rows.height, SCHEMA)
    return History(found.X, found.y)


def probe(turned: bool, n: int = 1_000) -> Worth:
    old = quick_fit(SCHEMA, "lightgbm", accuracy)(encoded(table(2_000, False, 0)[0]))
    history, _ = table(2_000, turned, 1)
    recent, y = table(n, turned, 2)
    fit = quick_fit(SCHEMA, "lightgbm", accuracy)
    return worth_it(encoded(history), recent, y, old(recent), fit, accuracy, "accuracy", 0.005)


def test_a_world_that_turned_is_worth_an_update() -> None:
    found = probe(turned=True)
    assert found.worth and found.enough
    assert found.gain == pytest.approx(found.challenger - found.champion)
    assert 0.5 < found.low < found.gain < found.high
    assert (found.rows, found.trained_rows) == (1_000, 2_000)
    assert "a gain of +0.7" in found.summary() or "a gain of +0.6" in found.summary()


def test_a_world_that_stayed_is_not() -> None:
    found = probe(turned=False)
    assert found.enough and not found.worth
    assert found.low < 0.01


@pytest.mark.parametrize("n", [1, 199])
def test_few_rows_cannot_tell(n: int) -> None:
    found = probe(turned=True, n=n)
    assert not found.worth and not found.enough
    assert f"only {n} labelled rows" in found.summary()


def test_a_gain_that_is_certain_but_small_is_not_worth_it() -> None:
    recent, y = table(5_000, False, 0)
    right = Answers(y)
    almost = y.copy()
    almost[::400] = 1 - almost[::400]

    def fit(_: pl.DataFrame) -> Ask:
        return lambda __: right

    found = worth_it(recent, recent, y, Answers(almost), fit, accuracy, "accuracy", 0.005)
    assert found.low > 0
    assert found.gain < found.needed
    assert not found.worth


def test_a_metric_that_cannot_judge_is_not_enough_evidence() -> None:
    def refuses(y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> float:
        raise InvalidInput("roc_auc needs both classes")

    recent, y = table(500, False, 0)
    fit = quick_fit(SCHEMA, "lightgbm", accuracy)
    found = worth_it(encoded(recent), recent, y, Answers(y), fit, refuses, "roc_auc", 0.005)
    assert not found.enough and "roc_auc needs both classes" in found.note


def test_answers_of_one_day_are_one_piece_of_evidence() -> None:
    recent, y = table(2_000, False, 0)
    champion = y.copy()
    champion[:100] = 1 - champion[:100]  # wrong on the first morning only

    def fit(_: pl.DataFrame) -> Ask:
        return lambda __: Answers(y)

    found = worth_it(recent, recent, y, Answers(champion), fit, accuracy, "accuracy", 0.005)
    assert found.gain == pytest.approx(0.05)
    assert not found.worth


def test_a_challenger_that_cannot_be_fitted_is_not_enough_evidence() -> None:
    recent, y = table(500, False, 0)
    history = recent.with_columns(y=pl.lit(True)).head(0)
    fit = quick_fit(SCHEMA, "logistic_regression", accuracy)
    for rows in (history, recent.with_columns(y=pl.lit(True))):
        found = worth_it(encoded(rows), recent, y, Answers(y), fit, accuracy, "accuracy", 0.005)
        assert not found.enough and found.note


def test_the_quick_challenger_is_prepared_calibrated_and_decided_as_a_cycle_does() -> None:
    history, recent = table(600, False, 0)[0], table(300, False, 1)[0]
    rows = encoded(history.with_columns(x=pl.when(pl.col("z") > 0.5).then(None).otherwise("x")))
    costs = np.array([[0.0, 1.0], [9.0, 0.0]])
    spec = TrainSpec(
        ("decision_tree", "logistic_regression"),
        prepare=PrepareSpec(missing="knn", indicator=True),
        calibrate="platt",
        threshold="cost",
        space={"decision_tree": {"max_depth": 3}},
    )
    quick = quick_fit(SCHEMA, "decision_tree", accuracy, spec, seed=1, costs=costs)(rows)(recent)
    alone = msgspec.structs.replace(spec, candidates=("decision_tree",))
    (whole,) = fit_candidates(rows.X, rows.y, SCHEMA, alone, accuracy, 1, silent, costs=costs)
    assert whole.prepared is not None and whole.prepared["threshold"] < 0.3
    pred, proba = predict(whole.estimator, encode(recent, SCHEMA), SCHEMA)
    np.testing.assert_array_equal(quick.pred, pred)
    np.testing.assert_array_equal(quick.proba, proba)

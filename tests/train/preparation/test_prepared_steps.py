"""Each step of preparation: what it does, and that its ONNX graph does the same on 10,000 rows."""

import numpy as np
import onnxruntime
import pytest
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType

from everloop.data.schema import Feature, Schema
from everloop.train import onnx as export
from everloop.train.preparation import MissingFiller
from everloop.train.preparation.stage import Stage
from everloop.train.spec import PrepareSpec

LEVELS = tuple("abcdefghij")
SCHEMA = Schema(
    (
        Feature("income", "number"),
        Feature("age", "number"),
        Feature("member", "boolean"),
        Feature("town", "category", LEVELS),
        Feature("at", "datetime"),
        Feature("debt", "number"),
    ),
    "y",
    "binary",
    (False, True),
)


def rows(n, seed=0):
    """Related numbers with holes, a skewed category, dates."""
    rng = np.random.default_rng(seed)
    income = rng.lognormal(1.0, 1.0, n)
    age = rng.integers(18, 90, n).astype(float)
    member = (rng.random(n) < 0.3).astype(float)
    town = np.minimum(rng.geometric(0.35, n) - 1, len(LEVELS) - 1).astype(float)
    town[rng.random(n) < 0.05] = -1.0
    dates = [rng.integers(1, 13, n), rng.integers(0, 7, n), rng.random(n) * 24]
    debt = income * 2 + rng.normal(0, 0.1, n)
    X = np.column_stack([income, age, member, town, *dates, debt]).astype(float)
    y = ((town == 2) | (income > 6)).astype(np.int64)
    holes = rng.random(X.shape) < 0.1
    holes[:, 3] = False
    X[holes] = np.nan
    return X, y


SPECS = {
    "median": PrepareSpec(missing="median", indicator=True),
    "mean": PrepareSpec(missing="mean"),
    "most_frequent": PrepareSpec(missing="most_frequent"),
    "knn": PrepareSpec(missing="knn"),
    "iterative": PrepareSpec(missing="iterative", indicator=True),
    "winsorise": PrepareSpec(outliers="winsorise", tail=0.05),
    "robust": PrepareSpec(outliers="robust"),
    "flag": PrepareSpec(outliers="flag", tail=0.02),
    "drop": PrepareSpec(outliers="drop", tail=0.02, missing="mean"),
    "one_hot": PrepareSpec(categories="one_hot", rare=0.03),
    "ordinal": PrepareSpec(categories="ordinal"),
    "target": PrepareSpec(categories="target", rare=0.01),
    "cyclic": PrepareSpec(dates="cyclic", missing="median"),
    "select": PrepareSpec(select=("correlation", "l1")),
}


def graph_of(stage):
    export.register_converters(stage)
    model = convert_sklearn(
        stage,
        initial_types=[("X", DoubleTensorType([None, SCHEMA.width]))],
        target_opset=export.OPSET,
    )
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


@pytest.mark.parametrize("name", SPECS)
def test_the_graph_prepares_ten_thousand_rows_as_python_does(name):
    X, y = rows(2_000)
    stage = Stage(SPECS[name], SCHEMA).fit(X, y)
    new, _ = rows(10_000, seed=1)
    prepared = stage.transform(new)
    assert prepared.shape == (10_000, stage.width_) and stage.schema_.width == stage.width_
    (answer,) = graph_of(stage).run(None, {"X": new})
    scale = np.maximum(1.0, np.abs(prepared))
    np.testing.assert_allclose(answer / scale, prepared / scale, rtol=0, atol=1e-9)


def learned(name, n=2_000):
    X, y = rows(n)
    stage = Stage(SPECS[name], SCHEMA)
    return X, y, stage, stage.learn(X, y)


def names(stage):
    return [f.name for f in stage.schema_.features]


def test_indicators_stand_beside_the_filled_columns():
    X, _, stage, prepared = learned("median")
    assert names(stage)[-7:] == [
        "income missing",
        "age missing",
        "member missing",
        "at month missing",
        "at weekday missing",
        "at hour missing",
        "debt missing",
    ]
    np.testing.assert_array_equal(prepared[:, 8], np.isnan(X[:, 0]))
    filled = prepared[np.isnan(X[:, 0]), 0]
    assert set(filled) == {np.nanmedian(X[:, 0])}
    assert not np.isnan(prepared).any()


@pytest.mark.parametrize("name", ["knn", "iterative"])
def test_a_hole_is_filled_from_the_columns_related_to_it(name):
    rng = np.random.default_rng(3)
    X, y = rows(3_000)
    truth = X[:, 7].copy()
    X[:, 0] = (truth + rng.normal(0, 0.1, len(X))) / 2
    X[rng.random(len(X)) < 0.2, 7] = np.nan
    gone = np.isnan(X[:, 7]) & ~np.isnan(truth)
    prepared = Stage(SPECS[name], SCHEMA).learn(X, y)
    error = np.abs(prepared[gone, 7] - truth[gone]).mean()
    middle = np.abs(np.nanmedian(X[:, 7]) - truth[gone]).mean()
    assert error < middle * (0.2 if name == "iterative" else 0.8)


def test_extremes_become_bounds_and_holes_stay():
    X, _, stage, prepared = learned("winsorise")
    low, high = np.nanquantile(X[:, 0], [0.05, 0.95])
    assert np.nanmin(prepared[:, 0]) == low and np.nanmax(prepared[:, 0]) == high
    np.testing.assert_array_equal(np.isnan(prepared), np.isnan(X))
    assert 0.1 < stage.facts()["winsorised_rows"] < 0.4


def test_rows_are_dropped_only_in_training_and_only_when_told():
    X, _, stage, prepared = learned("drop")
    assert len(prepared) == len(stage.rows_) == pytest.approx(0.98 * len(X), abs=5)
    assert stage.facts()["dropped_rows"] == len(X) - len(prepared)
    assert len(stage.transform(X)) == len(X)
    _, _, flagging, flagged = learned("flag")
    assert len(flagged) == len(X) and names(flagging)[-1] == "(outlier)"
    odd = X[flagged[:, -1] == 1, 0]
    assert np.nanmedian(odd) > 2 * np.nanmedian(X[:, 0])


def test_rare_levels_are_one_and_unseen_levels_are_none():
    X, _, stage, prepared = learned("one_hot")
    towns = [n for n in names(stage) if n.startswith("town")]
    assert towns[-1] == "town = (rare)" and 3 < len(towns) < 10
    columns = prepared[:, -len(towns) :]
    np.testing.assert_array_equal(columns.sum(axis=1), X[:, 3] >= 0)
    assert columns[X[:, 3] == 9, -1].all()


def test_a_training_row_never_sees_its_own_target():
    rng = np.random.default_rng(0)
    n = 3_000
    X, _ = rows(n)
    X[:, 3] = rng.integers(0, len(LEVELS), n)
    y = rng.integers(0, 2, n)
    many = Stage(PrepareSpec(categories="target"), SCHEMA)
    crossed = many.learn(X, y)[:, -1]
    seen = many.transform(X)[:, -1]
    assert np.corrcoef(seen, y)[0, 1] > 0.02  # what a model would wrongly learn from
    assert np.corrcoef(crossed, y)[0, 1] < 0.02
    unseen = X.copy()
    unseen[:, 3] = -1.0
    np.testing.assert_allclose(many.transform(unseen)[:, -1], y.mean())


def test_december_lies_beside_january():
    X = np.tile([1.0, 30.0, 0.0, 0.0, 1.0, 0.0, 0.5, 2.0], (3, 1))
    X[:, 4] = [12, 1, 6]
    stage = Stage(SPECS["cyclic"], SCHEMA)
    months = stage.learn(X, np.array([0, 1, 0]))[:, [5, 8]]
    assert names(stage)[5:] == [
        f"at {p} {w}" for w in ("sin", "cos") for p in ("month", "weekday", "hour")
    ]
    near, far = np.linalg.norm(months[0] - months[1]), np.linalg.norm(months[0] - months[2])
    assert near < 0.6 < 1.9 < far


def test_medians_of_columns_with_holes_are_exact_and_those_of_others_near() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400_000, 2))
    X[::7, 0] = np.nan
    fill = MissingFiller().fit(X)
    assert fill.statistics_[0] == np.nanmedian(X[:, 0])
    assert fill.statistics_[1] == pytest.approx(np.median(X[:, 1]), abs=0.02)
    assert np.isnan(MissingFiller(keep=True).fit(X).statistics_).tolist() == [True, False]

"""Each method of selection leaves out what it is for, says why, and keeps what matters."""

import numpy as np
import pytest

from everloop.data.schema import Feature, Schema
from everloop.train.preparation.stage import Stage
from everloop.train.spec import PrepareSpec

NAMES = ("signal", "twin", "noise", "constant")


def data(task):
    rng = np.random.default_rng(0)
    n = 1_500
    signal, noise, level = rng.normal(size=n), rng.normal(size=n), rng.integers(0, 4, n)
    X = np.column_stack([signal, signal + 0.01 * rng.normal(size=n), noise, np.ones(n), level])
    X[::50, 2] = np.nan
    value = 2 * signal + 3 * (level == 1) + rng.normal(size=n)
    features = [Feature(name, "number") for name in NAMES]
    features.append(Feature("level", "category", tuple("abcd")))
    schema = Schema(tuple(features), "y", task, () if task == "regression" else (False, True))
    return X, value if task == "regression" else (value > 0.5).astype(np.int64), schema


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize(
    ("method", "gone"),
    [
        ("variance", {"constant"}),
        ("correlation", {"twin"}),
        ("mutual_information", {"noise", "constant"}),
        ("l1", {"noise", "constant"}),
        ("recursive", {"noise", "constant"}),
        ("permutation", {"noise", "constant"}),
    ],
)
def test_a_method_leaves_out_what_it_is_for(task, method, gone):
    X, y, schema = data(task)
    stage = Stage(PrepareSpec(select=(method,)), schema)
    prepared = stage.learn(X, y)
    dropped = stage.facts()["dropped_features"]
    names = {d["feature"] for d in dropped}
    assert gone <= names and names - gone <= {"signal", "twin"} and len(names) < 4
    assert all(d["method"] == method and d["reason"] for d in dropped)
    left = stage.schema_.names
    assert "level" in left and prepared.shape[1] == len(left) == 5 - len(names)
    np.testing.assert_array_equal(stage.transform(X), prepared)


def test_at_most_so_many_stay():
    X, y, schema = data("binary")
    stage = Stage(PrepareSpec(select=("correlation",), max_features=2), schema)
    stage.learn(X, y)
    assert len(stage.schema_.names) == 2 and "level" in stage.schema_.names
    assert "beyond the 2 most important" in stage.facts()["dropped_features"][-1]["reason"]

"""Changes that no feature shows alone."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from everloop.data.schema import Feature, Schema
from everloop.extensions import multivariate_tests
from everloop.monitor.multivariate._base import MultivariateTest, Together
from everloop.monitor.multivariate.matrix import MOST_ROWS, Matrix, matrices
from everloop.monitor.profile import profile

NAMES = multivariate_tests.names()
SCHEMA = Schema(
    features=(
        *(Feature(f"x{i}", "number") for i in range(4)),
        Feature("c", "category", ("a", "b")),
    ),
    target="y",
    task="regression",
)


def frame(rows: int, seed: int, together: float = 0.0, move: float = 0.0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(move, 1, (rows, 4))
    x[:, 1] = together * x[:, 0] + np.sqrt(1 - together**2) * x[:, 1]
    columns = {f"x{i}": x[:, i] for i in range(4)}
    return pl.DataFrame(columns | {"c": rng.choice(["a", "b"], rows)})


REFERENCE = frame(1_200, 0)
PROFILE = profile(REFERENCE, SCHEMA)


def compare(name: str, window: pl.DataFrame) -> Together | None:
    test: MultivariateTest = multivariate_tests.get(name)()
    return test.compare(*matrices(REFERENCE, window, SCHEMA, PROFILE))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "pca"])
def test_features_that_begin_to_go_together_are_found(name: str) -> None:
    found = compare(name, frame(800, 1, together=0.8))
    assert found is not None
    assert found.shift.p_value < 0.01
    assert 0 < found.shift.effect <= 1


def test_components_that_no_longer_explain_are_found() -> None:
    before, now = frame(1_200, 0, together=0.95), frame(600, 1)
    both = matrices(before, now, SCHEMA, profile(before, SCHEMA))
    found = multivariate_tests.get("pca")().compare(*both)
    assert found.shift.p_value < 1e-4
    assert found.shift.summary.startswith("error of reconstruction ")


@pytest.mark.parametrize("name", ["classifier", "mmd", "pca"])
def test_a_move_of_all_features_is_found(name: str) -> None:
    found = compare(name, frame(600, 1, move=0.7))
    assert found is not None
    assert found.shift.p_value < 0.01


def test_the_pair_is_named() -> None:
    found = compare("correlation", frame(1_000, 1, together=0.6))
    assert found is not None
    assert found.shift.summary.startswith("correlation of x0 and x1 ")
    assert found.shift.effect == pytest.approx(0.3, abs=0.04)


def test_a_move_of_one_feature_is_no_change_of_correlation() -> None:
    found = compare("correlation", frame(1_000, 1, move=1.0))
    assert found is not None
    assert found.shift.p_value > 0.05


@pytest.mark.parametrize(("name", "windows"), [("correlation", 60), ("pca", 40), ("mmd", 8)])
def test_quiet_windows_stay_quiet(name: str, windows: int) -> None:
    values = []
    for seed in range(1, windows + 1):
        found = compare(name, frame(500, seed))
        assert found is not None
        values.append(found.shift.p_value)
    assert np.mean(np.array(values) < 0.01) <= 0.05


def test_a_classifier_stays_quiet() -> None:
    found = compare("classifier", frame(600, 3))
    assert found is not None
    assert found.shift.p_value > 0.05
    assert found.shift.effect < 0.1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [0, 1, 5])
def test_few_rows_cannot_tell(name: str, rows: int) -> None:
    assert compare(name, frame(rows, 1)) is None


@pytest.mark.parametrize("name", NAMES)
def test_missing_constant_and_infinite_columns_are_no_obstacle(name: str) -> None:
    broken = frame(100, 1).with_columns(
        x0=pl.lit(None, dtype=pl.Float64),
        x1=pl.lit(1.0),
        x2=pl.when(pl.int_range(pl.len()) % 2 == 0).then(float("inf")).otherwise(0.0),
    )
    found = compare(name, broken)
    assert found is None or 0 <= found.shift.p_value <= 1


def test_rows_far_apart_depend_less_on_each_other() -> None:
    near = Matrix(np.zeros((100, 1)), ("x",), np.array([11.0]), 100)
    far = near._replace(total=1_000)
    assert (near.per_draw, far.per_draw) == (11.0, 2.0)
    many = pl.concat([REFERENCE] * 3)
    assert matrices(many, many, SCHEMA, PROFILE)[0].rows == MOST_ROWS

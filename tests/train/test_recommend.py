"""Recommenders: better than averages, alike in Python and in ONNX, sound for the unknown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import polars as pl
import pytest

import everloop as el
from cycling import carry_out
from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.train.onnx import to_onnx
from everloop.train.recommend.factors import MatrixFactorisation
from everloop.train.recommend.neighbours import ItemNeighbours

USERS, ITEMS = 300, 150
SCHEMA = Schema(
    (
        Feature("day", "number"),
        Feature("user", "category", tuple(f"u{i}" for i in range(USERS))),
        Feature("item", "category", tuple(f"i{i}" for i in range(ITEMS))),
    ),
    "rating",
    "regression",
)


def ratings(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Tastes of three kinds, and noise."""
    taste = np.random.default_rng(7)
    p, q = taste.normal(size=(USERS, 3)), taste.normal(size=(ITEMS, 3))
    rng = np.random.default_rng(seed)
    user, item = rng.integers(0, USERS, rows), rng.integers(0, ITEMS, rows)
    y = 3.0 + (p[user] * q[item]).sum(axis=1) + rng.normal(scale=0.3, size=rows)
    return np.column_stack([rng.random(rows), user, item]), y


@pytest.fixture(scope="module", params=["factors", "neighbours"])
def model(request: pytest.FixtureRequest) -> MatrixFactorisation | ItemNeighbours:
    kind = MatrixFactorisation(SCHEMA, factors=6) if request.param == "factors" else None
    return (kind or ItemNeighbours(SCHEMA)).fit(*ratings(12_000, 0))


def test_it_knows_more_than_averages(model: MatrixFactorisation | ItemNeighbours) -> None:
    X, y = ratings(3_000, 1)
    averages = model.baseline(*model.pairs(X))
    gained = np.mean((averages - y) ** 2) / np.mean((model.predict(X) - y) ** 2)
    assert gained > (5.0 if isinstance(model, MatrixFactorisation) else 1.5)


def test_both_answer_alike_on_10_000_rows(model: MatrixFactorisation | ItemNeighbours) -> None:
    X, _ = ratings(10_000, 2)
    X[::9, 1], X[::11, 2] = -1.0, -1.0
    session = onnxruntime.InferenceSession(to_onnx(model, SCHEMA, X))
    (y,) = session.run(["y"], {"X": X})
    assert np.abs(y - model.predict(X)).max() < 1e-9


def test_the_unknown_is_rated_by_averages(model: MatrixFactorisation | ItemNeighbours) -> None:
    nobody = np.array([[0.5, -1.0, -1.0], [0.5, -1.0, 3.0]])
    predicted = model.predict(nobody)
    assert predicted[0] == pytest.approx(model.mean_)
    assert predicted[1] == pytest.approx(model.mean_ + model.item_bias_[3])


def test_it_needs_users_and_items() -> None:
    with pytest.raises(InvalidInput, match=r"data\.categories: got '?1 categories"):
        MatrixFactorisation(Schema(SCHEMA.features[:2], "rating", "regression"))
    many = tuple(str(i) for i in range(5_000))
    wide = (Feature("user", "category", many), Feature("item", "category", many))
    with pytest.raises(InvalidInput, match="matrix_factorisation has no such limit"):
        ItemNeighbours(Schema(wide, "rating", "regression"))


def test_a_recommender_goes_round_the_loop(tmp_path: Path) -> None:
    """More than 128 users and items keep a level each when the loop file says so."""
    X, y = ratings(8_000, 0)
    rows = pl.DataFrame({"user": X[:, 1].astype(int), "item": X[:, 2].astype(int), "rating": y})
    rows.write_parquet(tmp_path / "ratings.parquet")
    loop = el.declare(
        tmp_path,
        el.from_dict(
            {
                "data": {
                    "source": "ratings.parquet",
                    "target": "rating",
                    "categories": ["user", "item"],
                    "max_levels": 1_000,
                },
                "train": {"candidates": ["matrix_factorisation", "item_based"]},
                "evaluate": {"gates": ["r2 >= 0.7"]},
            }
        ).declaration,
    )
    with loop.project as project:
        cycle = carry_out(project, loop.run(wait=False))
        assert cycle.verdict == "promoted", cycle.reason
        known = loop.predict(pl.DataFrame({"user": [3, 999_999], "item": [5, 5]}))
    assert known["y_pred"].is_finite().all()
    assert known["y_pred"][0] != known["y_pred"][1]

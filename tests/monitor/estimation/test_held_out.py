"""The held-out rows in a package."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from everloop.data.schema import Feature, Schema
from everloop.errors import Integrity
from everloop.monitor.estimation.heldout import (
    MISSING,
    MOST_ROWS,
    UNSEEN,
    HeldOut,
    hold,
    read_held_out,
)

SCHEMA = Schema(
    features=(
        Feature("n", "number"),
        Feature("flag", "boolean"),
        Feature("where", "category", ("JFK", "LGA")),
    ),
    target="y",
    task="binary",
    classes=(False, True),
)


def held(n: int = 400) -> HeldOut:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "n": rng.normal(size=n),
            "flag": rng.random(n) < 0.5,
            "where": rng.choice(["JFK", "LGA"], n),
        }
    )
    y = rng.integers(0, 2, n)
    p = rng.random(n)
    return hold(frame, SCHEMA, y, y, np.column_stack([1 - p, p]))


def test_it_comes_back_as_it_was_and_is_the_same_bytes() -> None:
    one = held()
    again = read_held_out(one.to_bytes())
    assert again.scales == one.scales
    assert again.y.dtype == np.int64
    for name in ("codes", "y", "pred", "proba"):
        np.testing.assert_array_equal(getattr(again, name), getattr(one, name))
    assert held().to_bytes() == one.to_bytes()


def test_it_stays_small() -> None:
    found = held(MOST_ROWS + 1_000)
    assert len(found) == MOST_ROWS
    assert len(found.to_bytes()) < 20 * MOST_ROWS


@pytest.mark.parametrize("data", [b"", b"no zip", b"PK\x03\x04 and more"])
def test_what_is_no_such_file_is_refused(data: bytes) -> None:
    with pytest.raises(Integrity, match=r"heldout\.npz"):
        read_held_out(data)


def test_values_of_other_kinds_have_codes_too() -> None:
    found = held()
    frame = pl.DataFrame(
        {"n": ["x", "-99", None, "99"], "flag": [0, 1, None, 1], "where": ["JFK", "EWR", None, "a"]}
    )
    codes = found.encode(frame, SCHEMA)
    number, flag, where = found.scales
    assert codes[:, 0].tolist() == [MISSING, 1, MISSING, number.size]
    assert codes[:, 1].tolist() == [1, 2, MISSING, 2]
    assert codes[:, 2].tolist() == [1, UNSEEN, MISSING, UNSEEN]
    assert number.outside(codes[:, 0]).tolist() == [False, True, False, True]
    assert where.outside(codes[:, 2]).tolist() == [False, True, False, True]
    assert not number.outside(found.codes[:, 0]).any()
    assert found.encode(pl.DataFrame({"n": [0.0]}), SCHEMA)[0, 1:].tolist() == [MISSING, MISSING]
    assert flag.told(1, 1) == "flag 'false'"


def test_rows_without_label_and_hidden_features_go() -> None:
    frame = pl.DataFrame({"n": [1.0, 2.0, 3.0], "flag": [True] * 3, "where": ["JFK"] * 3})
    found = hold(frame, SCHEMA, np.array([0, -1, 1]), np.array([0, 0, 1]), None)
    assert len(found) == 2
    assert [s.name for s in found.without(frozenset({"n"})).scales] == ["flag", "where"]

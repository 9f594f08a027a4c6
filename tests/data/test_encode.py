"""The matrix of a frame equals the one made value by value from JSON records."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counting import calls
from everloop.data.conform import conform
from everloop.data.encode import encode, encode_target
from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput

SCHEMA = Schema(
    features=(
        Feature("age", "number"),
        Feature("member", "boolean"),
        Feature("city", "category", ("Rome", "Oslo", "7")),
        Feature("seen", "datetime"),
    ),
    target="label",
    task="multiclass",
    classes=("a", "b", "c"),
)
TYPES = {"age": pl.Float64, "member": pl.Boolean, "city": pl.String, "seen": pl.String}


def encode_records(records, schema):
    """The table in ``everloop.data.schema``, one value at a time."""
    return np.array([[x for f in schema.features for x in _values(record[f.name], f)]
                     for record in records])  # fmt: skip


def _values(value, feature):
    if feature.kind == "category":
        return [float(feature.levels.index(value)) if value in feature.levels else -1.0]
    if value is None:
        return [math.nan] * feature.width
    if feature.kind == "datetime":
        at = datetime.fromisoformat(value)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        ms = ((at.hour * 60 + at.minute) * 60 + at.second) * 1000 + at.microsecond // 1000
        return [float(at.month), float(at.weekday()), ms / 3_600_000]
    return [float(value)]


rows = st.fixed_dictionaries(
    {
        "age": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "member": st.none() | st.booleans(),
        "city": st.none() | st.sampled_from(["Rome", "Oslo", "7", "Bern", ""]),
        "seen": st.none()
        | st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.none() | st.timezones()).map(
            lambda at: at.isoformat(timespec="seconds" if at.microsecond % 2 else "auto")
        ),
    }
).filter(lambda row: row["seen"] is None or row["seen"].count(":") < 4)


@settings(max_examples=100, deadline=None)
@given(st.lists(rows, min_size=1, max_size=6))
def test_a_frame_and_its_records_make_the_same_matrix(records):
    df = pl.DataFrame(records, schema=TYPES)
    expected = encode_records(records, SCHEMA)
    np.testing.assert_array_equal(encode(df, SCHEMA), expected)
    np.testing.assert_array_equal(encode(conform(df, SCHEMA), SCHEMA), expected)
    categorical = df.with_columns(pl.col("city").cast(pl.Categorical))
    np.testing.assert_array_equal(encode(categorical, SCHEMA), expected)


def test_numbers_as_codes_find_their_level():
    schema = Schema((Feature("c", "category", ("1", "2")),), "y", "regression")
    for values in ([2, 1, None, 3], [2.0, 1.0, float("nan"), 3.0]):
        df = pl.DataFrame({"c": values})
        assert encode(df, schema)[:, 0].tolist() == [1.0, 0.0, -1.0, -1.0]


def test_targets_become_codes():
    df = pl.DataFrame({"label": ["c", "a", "b"]})
    codes = encode_target(df, SCHEMA)
    assert (codes.tolist(), codes.dtype) == ([2, 0, 1], np.int64)
    numeric = Schema((), "label", "multiclass", classes=(1, 5))
    assert encode_target(pl.DataFrame({"label": [5.0, 1.0]}), numeric).tolist() == [1, 0]
    truth = Schema((), "label", "binary", classes=(False, True))
    assert encode_target(pl.DataFrame({"label": [True, False]}), truth).tolist() == [1, 0]
    plain = Schema((), "label", "regression")
    values = encode_target(pl.DataFrame({"label": [1, 2]}), plain)
    assert (values.tolist(), values.dtype) == ([1.0, 2.0], np.float64)


@pytest.mark.parametrize(
    ("values", "part"),
    [(["a", None], "row 2"), (["a", "d"], "row 2: got 'd', expected one of the classes ('a'")],
)
def test_a_wrong_label_is_named(values, part):
    with pytest.raises(InvalidInput) as caught:
        encode_target(pl.DataFrame({"label": values}), SCHEMA)
    assert part in caught.value.message


def test_a_missing_column_is_named():
    with pytest.raises(InvalidInput, match='a column "age"'):
        encode(pl.DataFrame({"city": ["Rome"]}), SCHEMA)


def test_ten_times_the_rows_cost_no_more_steps():
    levels = tuple(f"level {i}" for i in range(50))
    schema = Schema(
        tuple(Feature(f"n{i}", "number") for i in range(14))
        + tuple(Feature(f"c{i}", "category", levels) for i in range(4))
        + (Feature("b", "boolean"), Feature("t", "datetime")),
        "y", "regression",
    )  # fmt: skip

    def frame(n):
        rng = np.random.default_rng(0)
        columns = {f"n{i}": rng.normal(size=n) for i in range(14)}
        columns |= {f"c{i}": pl.Series(levels).gather(rng.integers(0, 50, n)) for i in range(4)}
        columns["b"] = rng.random(n) > 0.5
        columns["t"] = pl.Series(rng.integers(0, 10**12, n)).cast(pl.Datetime("ms"))
        return pl.DataFrame(columns)

    assert encode(frame(1_000), schema).shape == (1_000, 22)
    few, many = frame(5_000), frame(50_000)
    assert calls(lambda: encode(many, schema)) <= 1.1 * calls(lambda: encode(few, schema))


def test_a_table_of_numbers_is_encoded_as_its_columns_are() -> None:
    frame = pl.DataFrame(
        {
            "z": [1.5, None, float("nan"), -0.0],
            "a": pl.Series([3, None, -1, 2**40], dtype=pl.Int64),
            "f": pl.Series([0.1, 0.2, None, 1e30], dtype=pl.Float32),
        }
    )
    schema = Schema(tuple(Feature(n, "number") for n in "afz"), "y", "regression")
    X = encode(frame, schema)
    assert X.flags.c_contiguous and X.flags.writeable
    for i, name in enumerate("afz"):
        alone = Schema((Feature(name, "number"), Feature("c", "category", ("k",))), "y", "binary")
        column = encode(frame.with_columns(c=pl.lit("k")), alone)[:, :1]
        np.testing.assert_array_equal(X[:, i : i + 1], column)
    with pytest.raises(InvalidInput, match=r'column "z" row 2.*a finite number'):
        encode(frame.with_columns(z=pl.Series([0.0, math.inf, 0.0, 0.0])), schema)

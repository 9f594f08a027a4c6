"""New data is held against the schema of the old."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from everloop.data.conform import conform
from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput

SCHEMA = Schema(
    features=(
        Feature("age", "number"),
        Feature("member", "boolean"),
        Feature("city", "category", ("Rome", "7")),
        Feature("seen", "datetime"),
    ),
    target="label",
    task="binary",
    classes=(0, 1),
    id="key",
    time="at",
    ignored=("note",),
)
GOOD = {
    "seen": ["2024-01-01 05:30", "2024-01-01T05:30:00+01:00"],
    "label": [1, 0],
    "city": [7, None],
    "note": ["x", "y"],
    "member": [1, 0],
    "at": [1_700_000_000, 1_700_000_000_000],
    "age": ["30", None],
    "key": [1, 2],
}


def test_columns_come_in_order_and_typed():
    df = conform(pl.DataFrame(GOOD), SCHEMA, training=True)
    assert df.schema == {
        "key": pl.String,
        "at": pl.Datetime("ms"),
        "age": pl.Float64,
        "member": pl.Boolean,
        "city": pl.String,
        "seen": pl.Datetime("ms"),
        "label": pl.Int64,
    }
    assert df.row(0) == (
        "1", datetime(2023, 11, 14, 22, 13, 20), 30.0, True, "7", datetime(2024, 1, 1, 5, 30), 1,
    )  # fmt: skip
    assert df["at"][1] == df["at"][0]
    assert df["seen"][1] == datetime(2024, 1, 1, 4, 30)


def test_it_changes_nothing_the_second_time():
    df = conform(pl.DataFrame(GOOD), SCHEMA)
    assert conform(df, SCHEMA).equals(df)


def test_keys_and_target_may_be_absent_from_rows_to_predict():
    df = pl.DataFrame(GOOD).select("age", "member", "city", "seen")
    assert conform(df, SCHEMA).columns == ["age", "member", "city", "seen"]


def test_labels_and_extra_columns_may_be_allowed():
    df = pl.DataFrame(GOOD).with_columns(label=pl.lit(None), extra=1)
    assert conform(df, SCHEMA, ignore=["extra"])["label"].null_count() == 2


BAD = [
    ({"age": None}, False, "missing_column", 'a column "age"'),
    ({"age": None, "agee": [1, 2]}, False, "missing_column", 'Is "agee" the one?'),
    ({"label": None}, True, "missing_column", '"label"'),
    ({"at": None}, True, "missing_column", '"at"'),
    ({"at": [None, 1_700_000_000]}, True, "mistyped_column", 'column "at" row 1'),
    ({"extra": [1, 2]}, False, "extra_column", 'column "extra": got <an extra column of type'),
    ({"age": ["30", "old"]}, False, "mistyped_column", "column \"age\" row 2: got 'old'"),
    ({"age": [True, False]}, False, "mistyped_column", "row 1: got True, expected a number"),
    ({"age": [1.0, float("inf")]}, False, "mistyped_column", "row 2: got inf"),
    ({"member": [1, 2]}, False, "mistyped_column", 'column "member" row 2: got 2.0'),
    ({"member": ["true", "si"]}, False, "mistyped_column", "row 2: got 'si'"),
    ({"seen": ["2024-01-01", "soon"]}, False, "mistyped_column", "row 2: got 'soon'"),
    ({"seen": ["2024-02-30", "2024-02-28"]}, False, "mistyped_column", "row 1: got '2024-02-30'"),
    ({"label": [0, 2]}, False, "mistyped_column", "row 2: got 2, expected one of the classes"),
]


@pytest.mark.parametrize(("change", "training", "code", "part"), BAD)
def test_what_is_missing_extra_or_mistyped_is_named(change, training, code, part):
    columns = {k: v for k, v in {**GOOD, **change}.items() if v is not None}
    with pytest.raises(InvalidInput) as caught:
        conform(pl.DataFrame(columns), SCHEMA, training=training)
    assert caught.value.code == code
    assert part in caught.value.message

"""What a schema says of data, and what it refuses to guess."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from everloop.data.infer import infer_schema
from everloop.data.schema import Feature
from everloop.data.spec import DataSpec
from everloop.errors import InvalidInput

N = 100


def table(**columns):
    base = {"x": np.linspace(0, 1, N), "y": [i % 2 == 0 for i in range(N)]}
    return pl.DataFrame({**base, **columns}, strict=False)


def inferred(df, **spec):
    return infer_schema(df, DataSpec("data.csv", spec.pop("target", "y"), **spec))


KINDS = [
    ([i / 3 for i in range(N)], Feature("c", "number")),
    ([None, *range(1, N)], Feature("c", "number", nullable=True)),
    ([float("nan")] + [0.5, 2.0] * 49 + [1.0], Feature("c", "number", nullable=True)),
    ([True, False] * 50, Feature("c", "boolean")),
    (["b", "a", "a", "a"] * 25, Feature("c", "category", ("a", "b"))),
    (["b", "a", None, "c"] * 25, Feature("c", "category", ("a", "b", "c"), nullable=True)),
    ([f"2024-01-{1 + i % 28:02}" for i in range(N)], Feature("c", "datetime")),
    (["2024-01-01 05:00", "2024-01-02T05:00:01.5+02:00"] * 50, Feature("c", "datetime")),
    ([datetime(2024, 1, 1 + i % 2) for i in range(N)], Feature("c", "datetime")),
]


@pytest.mark.parametrize(("values", "feature"), KINDS)
def test_kinds(values, feature):
    found = inferred(table(c=values))
    assert found.schema.features[1] == feature
    assert found.notes == []


LEFT_OUT = [
    ([None] * N, "it has no value"),
    ([5] * N, "it has one value only, 5"),
    ([10**25 + (7 * i) % N for i in range(N)], "it has one value only, 1000"),  # as a float
    ([f"name {i}" for i in range(N)], "nearly every row has a value of its own"),
    ([{"a": 1}] * N, "are not read"),
]


@pytest.mark.parametrize(("values", "reason"), LEFT_OUT)
def test_columns_that_say_nothing_are_left_out_with_a_note(values, reason):
    found = inferred(table(c=values))
    assert found.schema.names == ("x",)
    assert found.schema.ignored == ("c",)
    assert found.notes[0].startswith('Column "c" is left out: ')
    assert reason in found.notes[0]


def test_a_row_counter_is_no_feature():
    assert inferred(table(Index=range(N))).schema.ignored == ("Index",)
    assert inferred(table(steps=range(N))).schema.names == ("x", "steps")


def test_the_rarest_levels_are_left_unseen():
    values = [f"l{i}" for i in range(200)] * 2 + ["l7"] * 100
    df = pl.DataFrame({"c": values, "y": [i % 2 for i in range(500)]})
    found = inferred(df)
    levels = found.schema.features[0].levels
    assert len(levels) == 128
    assert levels[:2] == ("l7", "l0")
    assert "128 most frequent values of 200" in found.notes[0]


def test_declared_categories_and_ignored_columns():
    df = table(zone=[3, 1, 3, 2] * 25, secret=range(N), when="2024", key=range(N))
    found = inferred(df, categories=("zone",), ignore=("secret", "when"), id="key")
    assert found.schema.features[1] == Feature("zone", "category", ("3", "1", "2"))
    assert found.schema.names == ("x", "zone")
    assert (found.schema.id, found.schema.ignored) == ("key", ("secret", "when"))


TARGETS = [
    ([True, False] * 50, "binary", (False, True)),
    (["yes", "no"] * 50, "binary", ("no", "yes")),
    (["c", "a", "b", "b"] * 25, "multiclass", ("a", "b", "c")),
    ([0, 1] * 50, "binary", (0, 1)),
    ([0.0, 1.0] * 50, "binary", (0, 1)),
    (list(range(20)) * 5, "multiclass", tuple(range(20))),
    (list(range(25)) * 4, "regression", ()),
    ([i / 7 for i in range(N)], "regression", ()),
]


@pytest.mark.parametrize(("values", "task", "classes"), TARGETS)
def test_the_task_follows_the_target(values, task, classes):
    schema = inferred(table(y=values)).schema
    assert (schema.task, schema.classes) == (task, classes)
    assert [type(c) for c in schema.classes] == [type(c) for c in classes]


def test_a_given_task_overrules():
    df = table(y=[0, 1, 2, 3] * 25)
    spec = DataSpec("data.csv", "y")
    assert infer_schema(df, spec, "regression").schema.classes == ()
    assert (
        infer_schema(table(y=list(range(25)) * 4), spec, "multiclass").schema.task == "multiclass"
    )
    with pytest.raises(InvalidInput, match="4 classes"):
        infer_schema(df, spec, "binary")


def test_few_rows_of_whole_numbers_are_regressed():
    df = pl.DataFrame({"x": range(12), "y": range(12)})
    assert inferred(df).schema.task == "regression"


HOURS = [datetime(2024, 1, 1) + timedelta(hours=i) for i in range(N)]
ODD = [float(i) if i != 41 else "n/k" for i in range(N)]
REFUSED = [
    (table(), {"target": "yy"}, "missing_column", 'Did you mean "y"?'),
    (table(), {"time": "t"}, "missing_column", "data.time: got 't'"),
    (table(), {"ignore": ("zz",)}, "missing_column", "data.ignore"),
    (table(**{"a\nb": [1.5, 2.5] * (N // 2)}), {}, "unfit_name", "expected a name without"),
    (table(**{'height "': [1.5, 2.5] * (N // 2)}), {}, "unfit_name", "data.ignore"),
    (table(), {"id": "y"}, "invalid_value", "another column than data.target"),
    (table().head(2), {}, "too_few_rows", "got <2 rows>, expected at least 10 rows"),
    (table(y=[1] * N), {}, "constant_target", "got <only 1>"),
    (table(y=[None] * N), {}, "constant_target", "got <no value at all>"),
    (table(y=[0.5] * 3 + [float("nan")] + [1.5] * 96), {}, "mistyped_column", "row 4: got None"),
    (table(y=[f"n{i}" for i in range(N)]), {}, "too_many_classes", "100 classes"),
    (table(x=[1] * N), {}, "no_features", "one value only"),
    (table(c=pl.Series([str(v) for v in ODD])), {}, "mistyped_column",
     "column \"c\" row 42: got 'n/k', expected a number, as in 99 % of the column. Clean"),
    (table(y=pl.Series([str(v) for v in ODD])), {}, "mistyped_column", 'column "y" row 42'),
    (table(c=[f"{i},5" for i in range(N)]), {}, "mistyped_column", "a decimal point"),
    (table(c=["2024-01-01"] * 99 + ["soon"]), {}, "mistyped_column", "row 100: got 'soon'"),
    (table(c=[1.0] * 99 + [float("inf")]), {}, "mistyped_column", "a finite number"),
    (table(t=HOURS[:1] * N), {"time": "t"}, "constant_column", "different times"),
    (table(t=[*HOURS[:-1], None]), {"time": "t"}, "mistyped_column", "Every row needs its time"),
    (table(t=["2024-01-01"] * 99 + ["x"]), {"time": "t"}, "mistyped_column", "row 100: got 'x'"),
    (table(t=range(N)), {"time": "t"}, "mistyped_column", "since 1970"),
    (table(k=[1, 1, *range(98)]), {"id": "k"}, "mistyped_column", "row 2: got 1"),
]  # fmt: skip


@pytest.mark.parametrize(("df", "spec", "code", "part"), REFUSED)
def test_refusals_name_the_column_the_row_and_the_value(df, spec, code, part):
    with pytest.raises(InvalidInput) as caught:
        inferred(df, **spec)
    assert caught.value.code == code
    assert part in caught.value.message
    assert "\n" not in caught.value.message


def test_missing_labels_may_be_allowed():
    df = table(y=[None, True, False, True] * 25)
    schema = infer_schema(df, DataSpec("d", "y"), allow_null_target=True).schema
    assert schema.classes == (False, True)

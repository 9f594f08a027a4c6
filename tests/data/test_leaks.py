"""Each way in which data leaks is spoken of; honest data is not."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

from everloop.data.infer import infer_schema
from everloop.data.leaks import Leak, leaks
from everloop.data.spec import DataSpec
from everloop.data.splits import Split, split

N = 2000
START = datetime(2024, 1, 1)
NOW = int((START + timedelta(days=400)).timestamp() * 1000)


def honest(seed: int = 0) -> pl.DataFrame:
    """Rows by the hour whose target depends on two noisy features."""
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=(2, N))
    return pl.DataFrame(
        {
            "x": x,
            "place": rng.choice(["north", "south", "west"], N),
            "at": [START + timedelta(hours=i) for i in range(N)],
            "y": x + noise > 0.3,
        }
    )


def found(frame: pl.DataFrame, time: str | None = None, how: str = "auto", **spec) -> list[Leak]:
    ignore = () if time else ("at",) if "at" in frame.columns else ()
    data = DataSpec(source="", target="y", time=time, ignore=ignore, **spec)
    schema = infer_schema(frame, data).schema
    return leaks(frame, schema, split(frame, schema, 0.25, 0, how), NOW)


def names(all_found: list[Leak]) -> set[tuple[str, str | None]]:
    return {(leak.check, leak.column) for leak in all_found}


@pytest.mark.parametrize("seed", range(5))
def test_honest_rows_give_no_finding(seed: int) -> None:
    assert found(honest(seed)) == []
    assert found(honest(seed), "at") == []


@pytest.mark.parametrize("load", [load_breast_cancer, load_diabetes, load_iris])
def test_public_data_give_no_finding(load) -> None:
    bunch = load()
    frame = pl.DataFrame(bunch.data, list(bunch.feature_names)).with_columns(y=bunch.target)
    assert found(frame) == []


@pytest.mark.parametrize(
    "copy",
    [
        pl.col("y"),
        ~pl.col("y"),
        pl.when("y").then(pl.lit("late")).otherwise(pl.lit("fine")),
        pl.when("y").then(7.0).otherwise(None).fill_null(3.0),
    ],
)
def test_a_copy_of_the_classes(copy: pl.Expr) -> None:
    [leak] = found(honest().with_columns(result=copy))
    assert (leak.check, leak.level, leak.column) == ("target_copy", "leak", "result")
    assert '"result" copies the target "y"' in leak.sentence


def test_a_copy_of_the_number_in_another_unit() -> None:
    frame = honest().with_columns(y=pl.col("x").exp() * 3 + 1)
    frame = frame.with_columns(x=pl.lit(1.0) + pl.col("at").dt.hour(), dollars=pl.col("y").log())
    assert names(found(frame)) == {("target_copy", "dollars")}


def test_an_id_that_tells() -> None:
    by_target = honest().sort("y").with_row_index("order_id")
    assert ("telling_id", "order_id") in names(found(by_target, how="random"))
    unsorted = honest().with_row_index("order_id")
    assert found(unsorted, how="random") == []


def test_the_id_of_a_thing_with_several_rows() -> None:
    rng = np.random.default_rng(1)
    person = rng.integers(0, 200, N)
    sick = rng.random(200) < 0.5
    frame = honest().with_columns(person_id=person * 17 % 9973, y=sick[person])
    [leak] = found(frame, how="random")
    assert (leak.check, leak.column) == ("telling_id", "person_id")
    assert "is an id by its name" in leak.sentence
    assert "evaluate.group_by" in leak.sentence


def test_times_that_have_not_come() -> None:
    frame = honest().with_columns(
        at=pl.when(pl.int_range(N) == 1500).then(pl.lit(datetime(2099, 1, 1))).otherwise("at")
    )
    [leak] = found(frame, "at")
    assert (leak.check, leak.column) == ("future_time", "at")
    assert leak.sentence.startswith("1 rows (0.1%)")
    assert "2099" in leak.sentence


def test_a_random_division_of_rows_with_a_time() -> None:
    assert names(found(honest(), "at", "random")) == {("future_time", "at")}


def test_a_feature_later_than_the_row() -> None:
    rng = np.random.default_rng(2)
    hours = pl.Series(rng.integers(1, 99, N)) * 3_600_000
    frame = honest().with_columns(paid=pl.col("at") + hours.cast(pl.Duration("ms")))
    [leak] = found(frame, "at")
    assert (leak.check, leak.level, leak.column) == ("future_time", "suspect", "paid")
    assert "in 100% of the rows" in leak.sentence


def test_rows_on_both_sides() -> None:
    frame = honest()
    twice = pl.concat([frame, frame.sample(300, seed=1)])
    [leak] = found(twice, how="last")
    assert leak.check == "duplicates"
    assert leak.value == pytest.approx(300 * 1725 / 2000 / 575, abs=0.03)
    assert found(twice, how="random") == []  # equal rows have equal hashes: they stay together


def test_rows_that_are_alike_in_their_first_columns_only_are_no_leak() -> None:
    rng = np.random.default_rng(4)
    few = pl.DataFrame(rng.random((N, 3)) < 0.5, ["a", "b", "c"])
    rest = pl.DataFrame({"x": rng.normal(size=N), "y": rng.random(N) < 0.5})
    frame = few.hstack(rest)
    assert found(frame, how="last") == []
    (leak,) = found(pl.concat([frame, frame.head(N // 2)]), how="last")
    assert leak.check == "duplicates"


def test_equal_rows_of_few_values_are_no_leak() -> None:
    rng = np.random.default_rng(3)
    frame = pl.DataFrame(rng.random((N, 4)) < 0.5, ["a", "b", "c", "y"])
    assert found(frame, how="last") == []


def test_what_is_filled_in_after_the_outcome() -> None:
    frame = honest().with_columns(
        reason=pl.when("y").then(pl.col("x").abs()).otherwise(None),
        score=pl.when("y").then(2.0).otherwise(0.0) + pl.col("x") * 0.2,
    )
    all_found = found(frame)
    assert names(all_found) == {("after_outcome", "reason"), ("after_outcome", "score")}
    assert {leak.level for leak in all_found} == {"suspect"}
    said = {leak.column: leak.sentence for leak in all_found}
    assert 'a value in 100% of the rows with "y" True' in said["reason"]
    assert "ROC AUC" in said["score"]


def test_no_more_than_a_sample_is_looked_at() -> None:
    frame = pl.concat([honest(seed) for seed in range(50)]).with_columns(copy=pl.col("y"))
    schema = infer_schema(frame, DataSpec(source="", target="y", ignore=("at",))).schema
    rows = np.arange(len(frame))
    [leak] = leaks(frame, schema, Split(rows[:70_000], rows[70_000:], ""), NOW)
    assert leak.column == "copy"


@pytest.mark.parametrize("y", ["common", "rare", "number"])
def test_of_many_rows_the_same_is_said(y: str) -> None:
    rng = np.random.default_rng(1)
    x, z = rng.normal(size=(2, 100_000))
    target = {"common": z > 0.3, "rare": z > 3.2, "number": z}[y]
    told = z + rng.normal(size=len(z)) * 0.02
    frame = pl.DataFrame({"x": x, "weak": z + x, "told": told, "y": target})
    schema = infer_schema(frame, DataSpec(source="", target="y")).schema
    rows = np.arange(len(frame))
    of_many = leaks(frame, schema, Split(rows[:70_000], rows[70_000:], ""), NOW)
    assert names(of_many) == {("after_outcome", "told")}

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from everloop.errors import InvalidInput
from everloop.monitor.profile import CategorySketch, NumberSketch, sketch_number
from everloop.monitor.summaries.drawing import facts
from everloop.monitor.summaries.levels import LevelSummary
from everloop.monitor.summaries.numbers import K, NumberSummary
from everloop.monitor.summaries.table import TableProfile, profile_table, read_table_profile


def summary(values: np.ndarray) -> NumberSummary:
    made = NumberSummary()
    made.add(values)
    return made


def rows(n: int, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "x": rng.normal(size=n),
            "k": rng.integers(0, 5, n),
            "c": rng.choice(["a", "b", "cc"], n, p=[0.5, 0.3, 0.2]),
            "b": rng.random(n) < 0.3,
        }
    )


@given(st.lists(st.lists(st.integers(-9, 9), max_size=20), min_size=1, max_size=4))
@settings(max_examples=50, deadline=None)
def test_few_values_merge_to_exact_counts(parts: list[list[int]]) -> None:
    whole = NumberSummary()
    for part in parts:
        whole.merge(summary(np.array(part, dtype=np.float64)))
    values = np.array([v for part in parts for v in part], dtype=np.float64)
    sketch, exact = whole.sketch(), sketch_number(values)
    assert (sketch.points, sketch.below, sketch.upto) == (exact.points, exact.below, exact.upto)
    assert (sketch.n, sketch.exact) == (len(values), True)
    assert sketch.mean == pytest.approx(exact.mean)
    assert sketch.sd == pytest.approx(exact.sd)


@pytest.mark.parametrize("draw", ["normal", "standard_cauchy", "standard_exponential"])
def test_quantiles_of_merged_parts_lie_within_the_bound_of_the_sketch(draw: str) -> None:
    rng = np.random.default_rng(1)
    parts = [getattr(rng, draw)(size=40_000) for _ in range(5)]
    whole = NumberSummary()
    for part in parts:
        whole.merge(summary(part))
    values = np.sort(np.concatenate(parts))
    sketch = whole.sketch()
    upto = np.searchsorted(values, sketch.points, side="right")
    bound = whole.quantiles.normalized_rank_error(False) * len(values)
    assert np.abs(upto - sketch.upto).max() <= bound
    assert (sketch.points[0], sketch.points[-1]) == (values[0], values[-1])
    assert whole.quantiles.num_retained < 4 * K
    assert whole.distinct == pytest.approx(len(values), rel=0.1)


def test_frequent_values_and_the_number_of_different_ones_lie_within_their_bounds() -> None:
    rng = np.random.default_rng(4)
    parts = [pl.Series("c", (rng.pareto(1.0, 30_000) * 50).astype(int)) for _ in range(4)]
    whole = LevelSummary()
    for part in parts:
        one = LevelSummary()
        one.add(part.cast(pl.String))
        whole.merge(LevelSummary.of(one.state()))
    exact = dict(pl.concat(parts).cast(pl.String).value_counts().iter_rows())
    assert whole.items is not None
    bound = whole.items.epsilon * sum(exact.values())
    assert all(exact[v] - bound <= count <= exact[v] for v, count in whole.frequent(1 << 11))
    assert {v for v, count in exact.items() if count > bound} <= dict(
        whole.frequent(1 << 11)
    ).keys()
    assert whole.distinct == pytest.approx(len(exact), rel=3 / 32)  # three standard errors
    assert whole.numeric == whole.n == 120_000


def test_a_column_of_text_and_numbers_says_how_many_are_numbers() -> None:
    column = profile_table(pl.DataFrame({"n": ["1", "2.5", "x", None]})).columns["n"]
    assert (column.kind, column.to_dict()["numeric"]) == ("category", 2)
    assert facts(column)[0] == "category, 67% numbers"


def test_a_lazy_frame_is_read_a_batch_at_a_time() -> None:
    frame = rows(3_000).drop("x")  # of a number that has many values quantiles are drawn at random
    assert profile_table(frame.lazy()).sketches() == profile_table(frame).sketches()


def test_what_is_missing_and_infinite_is_counted_apart() -> None:
    made = summary(np.array([1.0, np.nan, np.inf, -np.inf, 2.0]))
    assert (made.n, made.missing, made.infinite, made.rows) == (2, 1, 2, 5)
    nothing = summary(np.array([np.nan]))
    assert nothing.sketch() == NumberSketch(0, 1, 0, 0.0, 0.0, (), (), ())


def test_frequent_items_merge_and_rare_ones_are_unseen() -> None:
    one, two = LevelSummary(), LevelSummary()
    one.add(pl.Series("c", ["a"] * 5 + ["b"] * 3 + [None]))
    two.add(pl.Series("c", ["b"] * 4 + ["z"]))
    one.merge(two)
    assert one.frequent() == [("b", 7), ("a", 5), ("z", 1)]
    sketch = one.sketch(("a", "b"))
    assert (sketch.n, sketch.missing, sketch.counts) == (13, 1, (5, 7))
    assert (sketch.unseen, sketch.examples, one.distinct) == (1, ("z",), 3)


def test_profiles_of_parts_merge_to_that_of_the_whole() -> None:
    one, two = rows(3_000), rows(2_000, seed=1).drop("b")
    merged = profile_table(one).merge(profile_table(two))
    whole = TableProfile()
    whole.add(one)
    whole.add(two)
    assert merged.rows == whole.rows == 5_000
    for name in ("k", "c", "b"):
        one_way, other = merged.columns[name].sketch(), whole.columns[name].sketch()
        assert replace(one_way, rows_per_draw=1) == replace(other, rows_per_draw=1)
    assert merged.columns["b"].summary.missing == 2_000
    assert merged.columns["x"].sketch().n == 5_000


def test_a_saved_profile_is_the_same_again_and_small_however_many_rows() -> None:
    small, large = profile_table(rows(20_000)), profile_table(rows(300_000))
    again = read_table_profile(large.to_json())
    assert again.sketches() == large.sketches()
    assert len(large.to_json()) < 1.5 * len(small.to_json()) < 200_000


def test_a_private_profile_names_no_value() -> None:
    frame = pl.DataFrame({"who": ["Ada", "Bob", "Ada", "Eve"] * 20, "n": [1, 2, 3, 4] * 20})
    data = profile_table(frame).to_json(private=True)
    assert b"Ada" not in data
    found = read_table_profile(data).columns
    assert (found["who"].summary.n, found["who"].summary.distinct) == (80, 3)
    sketch = found["who"].sketch()
    assert isinstance(sketch, CategorySketch)
    assert sketch.levels == ()
    assert found["n"].summary.values is None  # type: ignore[union-attr]


@pytest.mark.parametrize("data", [b"", b"{}", b'{"format":"x","rows":1,"columns":[]}', b"\xff"])
def test_what_is_no_profile_is_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"old\.json.*a profile that everloop saved"):
        read_table_profile(data, "old.json")


@pytest.mark.parametrize("format", ["everloop.profile/2", "everloop.profile/0", ""])
def test_a_profile_of_another_format_is_refused(format: str) -> None:
    state = msgspec.json.decode(profile_table(rows(30)).to_json())
    for changed in ({"format": format}, {"format": format, "columns": "in another way"}):
        data = msgspec.json.encode(state | changed)
        with pytest.raises(InvalidInput, match=r"old\.json: format: got .* everloop\.profile/1"):
            read_table_profile(data, "old.json")


@pytest.mark.parametrize("first", [True, False])
def test_a_part_where_a_column_is_all_missing_decides_no_kind(first: bool) -> None:
    nothing = pl.DataFrame({"x": [None] * 40, "c": [None] * 40})
    values = rows(100).select("x", "c")
    parts = [nothing, values] if first else [values, nothing]
    merged = profile_table(parts[0]).merge(profile_table(parts[1]))
    whole = TableProfile()
    for part in parts:
        whole.add(part)
    assert merged.sketches() == whole.sketches()
    for name, column in merged.columns.items():
        assert column.types == whole.columns[name].types
        assert (column.mistyped, column.summary.missing, column.summary.n) == (0, 40, 100)


def test_a_column_of_another_type_counts_as_mistyped_and_missing() -> None:
    whole = TableProfile()
    whole.add(pl.DataFrame({"x": [1.0, 2.0]}))
    whole.add(pl.DataFrame({"x": ["3", "four", None]}))
    column = whole.columns["x"]
    assert (column.summary.rows, column.summary.missing, column.mistyped) == (5, 2, 1)
    assert column.types == {"Float64": 2, "String": 3}


def test_a_column_begins_with_its_first_value() -> None:
    whole = TableProfile()
    whole.add(pl.DataFrame({"x": [None, None]}))
    whole.add(pl.DataFrame({"x": [1.5]}))
    assert whole.columns["x"].kind == "number"
    assert whole.columns["x"].summary.missing == 2


def test_dates_lists_and_sentences_are_measured() -> None:
    frame = pl.DataFrame(
        {
            "at": ["2024-01-01T05:00", "2024-01-02T07:00"] * 10,
            "v": [[1.0, 3.0], [5.0, 7.0]] * 10,
            "said": [f"row {i} says a thing or two" for i in range(20)],
        }
    )
    found = profile_table(frame).columns
    assert found["at"].sketch().points == (5.0, 7.0)  # type: ignore[union-attr]
    assert found["v"].sketch().points == (2.0, 6.0)  # type: ignore[union-attr]
    assert found["said"].shown_kind == "text"
    assert "<table" in profile_table(frame)._repr_html_()


def test_days_are_told_by_their_weekday() -> None:
    days = pl.DataFrame({"d": [date(2025, 1, 6), date(2025, 1, 12)], "s": ["a", "b"]})
    column = profile_table(days).columns["d"]
    assert column.measured == "weekday"
    assert column.sketch().points == (1.0, 7.0)  # type: ignore[union-attr]


@pytest.mark.parametrize("first", [1, 60_000])
def test_a_file_in_another_encoding_is_refused_with_the_place(tmp_path: Path, first: int) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(b"a,b\n" + b"1,x\n" * first + "2,café\n".encode("latin1"))
    with pytest.raises(
        InvalidInput, match=rf"byte 0xe9 at offset {4 * first + 9}, line {first + 2}"
    ):
        profile_table(path)

"""Newer rows on top of older ones."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from everloop.data.merge import by_time, newer_over


def test_the_newer_row_of_an_id_counts() -> None:
    old = pl.DataFrame({"id": [1, 2, 3], "x": [1, 2, 3]})
    new = pl.DataFrame({"id": ["2", "4"], "x": [2.5, 4.5], "z": [True, False]})
    merged = newer_over(old, new, "id")
    assert merged.rows() == [
        ("1", 1.0, None),
        ("3", 3.0, None),
        ("2", 2.5, True),
        ("4", 4.5, False),
    ]


def test_without_an_id_all_rows_stay() -> None:
    rows = pl.DataFrame({"x": [1, 2]})
    assert newer_over(rows, rows, None)["x"].to_list() == [1, 2, 1, 2]


def test_rows_are_sorted_only_when_they_are_not() -> None:
    rows = pl.DataFrame({"t": [2, 1, 2], "x": [1, 2, 3]})
    assert by_time(rows, "t")["x"].to_list() == [2, 1, 3]
    assert by_time(rows, None) is rows
    ordered = rows.sort("t")
    assert by_time(ordered, "t") is ordered


def test_times_of_any_zone_and_unit_go_with_the_log_s() -> None:
    utc = datetime(2026, 1, 1, 12, tzinfo=UTC)
    new = pl.DataFrame({"t": [datetime(2026, 1, 2)]}, schema={"t": pl.Datetime("ms")})
    noon = datetime(2026, 1, 1, 12)
    for old in (
        pl.Series([utc], dtype=pl.Datetime("us", "UTC")),
        pl.Series([utc]).dt.convert_time_zone("Asia/Tokyo"),
        pl.Series([noon], dtype=pl.Datetime("ns")),
        pl.Series(["2026-01-01T12:00:00Z"]),
        pl.Series([int(utc.timestamp())]),
    ):
        merged = newer_over(pl.DataFrame({"t": old}), new, None)
        assert merged["t"].to_list() == [noon, datetime(2026, 1, 2)], old.dtype

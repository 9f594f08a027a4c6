"""The year of departures: complete, in order, and without a look into the future."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from everloop.data.infer import infer_schema
from everloop.data.spec import DataSpec
from everloop.datasets.departures import ARCHIVE, _build, scan_flights
from everloop.datasets.fetch import fetch

AFTERWARDS = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum"}
CALENDAR = {"year", "month", "day", "day_of_year", "week"}


def test_every_scheduled_flight_is_there_once_and_in_order(departures):
    assert departures.height == 336_776
    assert departures["flight_id"].n_unique() == 336_776
    assert departures["scheduled_at"].is_sorted()
    assert departures["scheduled_at"].dtype == pl.Datetime("ms")
    assert departures["scheduled_at"][0] == datetime(2013, 1, 1, 5, 15)


def test_one_known_flight(departures):
    row = departures.row(by_predicate=pl.col("flight_id") == "20130101-UA1545-EWR", named=True)
    assert (row["carrier"], row["dest"], row["distance"]) == ("UA", "IAH", 1400)
    assert (row["hour"], row["minute_of_day"], row["arrival_minute_of_day"]) == (5, 315, 499)
    assert row["weekday"] == datetime(2013, 1, 1).weekday()
    assert (row["plane_age"], row["seats"], row["manufacturer"]) == (14, 149, "BOEING")
    assert (row["temp"], row["pressure"]) == (39.02, 1011.9)
    assert row["late"] is False


def test_labels(departures):
    assert departures["late"].null_count() == 9_430
    assert departures["late"].mean() == pytest.approx(0.23715, abs=1e-5)


def test_nothing_is_known_too_early_or_counts_the_year(departures):
    assert not set(departures.columns) & (AFTERWARDS | CALENDAR)


def test_the_schema_that_everloop_reads(departures):
    spec = DataSpec("x", "late", time="scheduled_at", id="flight_id")
    found = infer_schema(departures, spec, allow_null_target=True)
    assert found.notes == []
    kinds = {f.name: f.kind for f in found.schema.features}
    text = {name for name, kind in kinds.items() if kind == "category"}
    assert text == {"carrier", "origin", "dest", "manufacturer", "engine"}
    assert len(kinds) == 22
    assert found.schema.task == "binary"


def test_building_gives_what_the_cache_holds(departures):
    assert _build(fetch(ARCHIVE)).equals(departures)


def test_the_table_on_disk_gives_the_same_rows(departures):
    assert scan_flights().slice(100_000, 900).collect().equals(departures.slice(100_000, 900))

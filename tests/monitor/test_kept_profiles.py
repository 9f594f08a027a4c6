"""Profiles that are kept of windows and their segments, merged, and shown beside the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from stream_of_days import SCHEMA, SPEC, T0, Stream

import everloop as el
from everloop.data.schema import Feature, Schema
from everloop.errors import Integrity, InvalidInput, NotFound
from everloop.monitor.kept import check_segments, profile_window, read_kept
from everloop.monitor.profile import sketch_category
from everloop.monitor.profile_report import ProfileLine, Profiles
from everloop.monitor.spans import DAY
from everloop.monitor.summaries.numbers import BRIEF, NumberSummary
from everloop.monitor.summaries.table import profile_table
from everloop.store.database import Database
from everloop.store.references import referred


def move(columns: dict[str, list[Any]]) -> None:
    columns["x0"] = [value + 90 for value in columns["x0"]]
    columns["x1"][:100] = [None] * 100


@pytest.fixture
def stream(sqlite_database: Database, tmp_path: Path) -> Stream:
    made = Stream(sqlite_database, tmp_path)
    spec = msgspec.structs.replace(SPEC, performance=None, segments=("place",))
    for day in range(4):
        made.day(day, n=400, change=move if day == 2 else None)
    made.tick(spec=spec)
    return made


def profiles(stream: Stream) -> Profiles:
    return Profiles(stream.windows, stream.log.blobs, "e")


def line(lines: list[ProfileLine], name: str) -> ProfileLine:
    return next(one for one in lines if one.name == name)


def test_a_window_is_shown_beside_the_training_rows(stream: Stream) -> None:
    report = profiles(stream).report(T0 + 2 * DAY)
    assert (report.rows, report.windows, report.segment) == (400, 1, None)
    assert report.beside == "the training rows"
    x0, x1 = line(report.lines, "x0"), line(report.lines, "x1")
    assert len(x0.now) == len(x0.before) == 12
    assert x0.now[0] == 0 < x0.before[0]
    assert (x1.missing, x1.missing_before) == (0.25, 0)
    place = line(report.lines, "place")
    assert place.names == ["JFK", "LGA", "others"]
    assert sum(place.now) == pytest.approx(1)
    assert line(report.lines, "(prediction)").rows == 400


def test_windows_merge_and_segments_are_told_apart(stream: Stream) -> None:
    known = profiles(stream)
    both = known.profile(T0, T0 + 2 * DAY)
    assert both.rows == 800
    one = stream.log.predictions("e", T0, T0 + 2 * DAY, schema=SCHEMA)
    exact = profile_table(one.select(SCHEMA.names)).sketches()
    assert both.sketches().features["x2"].upto == exact.features["x2"].upto  # type: ignore[union-attr]
    report = known.report(T0 + 2 * DAY, segment="place=JFK")
    assert report.segments == ["place=JFK", "place=LGA"]
    assert report.beside == "the same segment in the 2 windows before"
    assert report.rows == int(
        (stream.log.predictions("e", T0 + 2 * DAY, T0 + 3 * DAY)["place"] == "JFK").sum()
    )
    x0 = line(report.lines, "x0")
    assert x0.before[0] > 0 == x0.now[0]
    seen = el.compare(known.profile(T0), known.profile(T0 + 2 * DAY))
    assert {"x0", "x1"} <= set(seen.drifted)


def test_what_is_not_kept_is_said(stream: Stream) -> None:
    known = profiles(stream)
    with pytest.raises(NotFound, match="place=JFK, place=LGA"):
        known.profile(T0, segment="place=BER")
    with pytest.raises(NotFound, match="no window"):
        known.report(T0 + 7)
    with pytest.raises(InvalidInput, match="until"):
        known.report(T0, T0)
    window = stream.windows.get("e", T0)
    checks = {k: v for k, v in window.checks.items() if k != "profile"}
    with stream.events.transaction() as conn:
        stream.windows.save(conn, msgspec.structs.replace(window, checks=checks), [])
    with pytest.raises(NotFound, match="none is kept"):
        known.profile(T0)
    with pytest.raises(Integrity):
        read_kept(b"no profile")
    with pytest.raises(InvalidInput, match=r"monitor\.segments"):
        check_segments(["x0"], SCHEMA)


def test_profiles_and_references_stay_while_their_windows_do(stream: Stream) -> None:
    checks = stream.windows.get("e", T0).checks
    wanted = {checks["profile"], checks["reference"]}
    with stream.windows.db.read() as conn:
        assert referred(conn, wanted) == wanted


def test_a_kept_profile_holds_no_text_and_no_value_that_training_did_not_have() -> None:
    schema = Schema(
        (Feature("said", "text", ("hello",), shape=(4,)), Feature("c", "category", ("a", "b"))),
        "y",
        "regression",
    )
    rows = pl.DataFrame(
        {"said": ["hello", "call 555-0199", None] * 9, "c": ["a", "Ada", None] * 9, "y": [1.0] * 27}
    )
    kept = profile_window(rows, schema, ["c"])
    for part in (kept.whole, kept.segments["c=a"]):
        assert not any(word in part.to_json() for word in (b"555", b"Ada"))
    assert kept.whole.columns["c"].summary.missing == 9
    profile = kept.whole.sketches({"c": sketch_category(rows["c"], ("a", "b"))})
    assert profile.features["c"].unseen == 9  # type: ignore[union-attr]
    assert profile.features["said"].of == "length"  # type: ignore[union-attr]


def test_a_kept_profile_is_small_however_many_rows(stream: Stream) -> None:
    rows = stream.log.predictions("e", schema=SCHEMA)
    many = pl.concat([rows] * 5)
    sizes = [len(profile_window(frame, SCHEMA, ()).to_bytes()) for frame in (rows, many)]
    assert sizes[1] < 1.3 * sizes[0]
    whole, part = NumberSummary(BRIEF), NumberSummary(BRIEF)
    whole.add(stream.rng.normal(size=50_000))
    part.add(stream.rng.normal(size=50_000))
    whole.merge(NumberSummary.of(part.state()))
    assert whole.distinct == pytest.approx(100_000, rel=0.25)
    assert len(part.state().hashes) == 8 * BRIEF.hashes

"""The demo's streams: every row once, a day at a time."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from everloop import datasets
from everloop.demo.streams import Fault, Stream, quick

START = datetime(2013, 1, 1, 6)


def test_a_stream_without_gaps_in_its_days() -> None:
    hours = [0, 20, 30, 80, 81]  # nothing on the third day
    rows = pl.DataFrame({"t": [START + timedelta(hours=h) for h in hours], "y": [1, None, 0, 1, 0]})
    stream = Stream("s", rows.lazy(), "", "y", "t", "id", 1, Fault("x", 2.0, 1, ""))
    assert stream.training()["y"].to_list() == [1]
    assert (stream.replayed, stream.day_count) == (4, 3)
    assert [day["y"].to_list() for day in stream.days()] == [[None, 0], [], [1, 0]]


def test_the_quick_stream_is_replayed_whole() -> None:
    stream = quick(lambda _: None)
    everything = datasets.quick()
    assert stream.training().height + stream.replayed == everything.height
    replayed = pl.concat(list(stream.days()))
    assert replayed.equals(everything.tail(stream.replayed))

"""Records of the native client: kept once, whole or not at all, on both dialects."""

from __future__ import annotations

import math
from array import array
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import sqlalchemy as sa

from everloop.errors import Conflict, InvalidInput, NotFound
from everloop.tracking.ingest import Ingest
from everloop.tracking.records import Point
from everloop.tracking.runs import RunStore
from everloop.tracking.wire import Begin, Columns, End, Record, decode_record

RUN, CLIENT = "a" * 32, "c" * 32


def columns(*points: tuple[str, float, int, int]) -> Columns:
    keys = list(dict.fromkeys(point[0] for point in points))
    return Columns(
        keys,
        array("I", [keys.index(point[0]) for point in points]).tobytes(),
        array("q", [point[2] for point in points]).tobytes(),
        array("q", [point[3] for point in points]).tobytes(),
        array("d", [point[1] for point in points]).tobytes(),
    )


def record(sequence: int, client: str = CLIENT, **parts: object) -> Record:
    return Record(client=client, sequence=sequence, run=RUN, **parts)  # type: ignore[arg-type]


@pytest.fixture
def ingest(runs: RunStore) -> Ingest:
    ingest = Ingest(runs)
    assert ingest.keep(record(1, begin=Begin("e", "n", "u", 5, {"t": "1"})))
    return ingest


def test_a_run_from_its_beginning_to_its_end(ingest: Ingest) -> None:
    points = columns(("b", 1.5, 10, 1), ("a", math.nan, 20, 2), ("b", math.inf, 11, 2))
    ingest.keep(record(2, points=points, params={"p": "1"}, tags={"mlflow.runName": "m"}))
    ingest.keep(record(3, end=End("FAILED", 99)))
    run = ingest.runs.get(RUN)
    assert (run.experiment, run.name, run.user, run.started) == ("e", "m", "u", 5)
    assert (run.status, run.finished, run.params) == ("FAILED", 99, {"p": "1"})
    assert run.tags == {"mlflow.runName": "m", "t": "1"}
    assert math.isnan(run.metrics["a"].value)
    assert run.metrics["b"] == Point("b", 1.7976931348623157e308, 11, 2)
    assert [p.value for p in ingest.runs.history(RUN, "b").items] == [1.5, 1.7976931348623157e308]


def test_columns_are_kept_as_single_points_are(ingest: Ingest, runs: RunStore) -> None:
    given = [("k" if i % 3 else "j", float((i * 7) % 5), 100 + i % 4, i % 6) for i in range(200)]
    ingest.keep(record(2, points=columns(*given)))
    other = runs.start("e", "other")
    runs.log(other, points=[Point(k, v, at, step) for k, v, at, step in given])
    assert runs.get(RUN).metrics == runs.get(other).metrics
    for key in ("j", "k"):
        assert runs.history(RUN, key) == runs.history(other, key)


TWINS = [("k", math.nan, 7, 1), ("k", 0.0, 7, 1), ("j", 0.0, 7, 1), ("j", math.nan, 7, 1)]


def test_two_writers_of_the_same_points_write_them_in_one_order(ingest: Ingest) -> None:
    written: list[object] = []
    sa.event.listen(
        ingest.runs.db.engine,
        "before_cursor_execute",
        lambda conn, cursor, text, values, *_: "metric_points" in text and written.append(values),
    )
    ingest.keep(record(2, points=columns(*TWINS)))
    ingest.keep(record(3, points=columns(*reversed(TWINS))))
    assert len(written) == 2 and written[0] == written[1]
    assert ingest.runs.history(RUN, "k").items[0].value == 0.0


def test_two_writers_of_the_same_points_never_wait_for_each_other(ingest: Ingest) -> None:
    together = Barrier(2)

    def write(writer: str, forward: bool) -> None:
        for step in range(8):
            keys = (f"k{number}" for number in range(300))
            points = [(key, value, 7, step) for key in keys for value in (math.nan, 0.0)]
            columned = columns(*(points if forward else reversed(points)))
            together.wait()
            ingest.keep(record(step + 1, writer * 32, points=columned))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, "12", (True, False)))
    assert len(ingest.runs.history(RUN, "k7").items) == 16


def test_a_record_that_comes_again_changes_nothing(ingest: Ingest) -> None:
    first = record(2, tags={"t": "2"})
    assert ingest.keep(first)
    assert ingest.keep(record(1, client="d" * 32, tags={"t": "3"}))
    assert not ingest.keep(first)
    assert not ingest.keep(record(1, begin=Begin("e")))
    assert ingest.runs.get(RUN).tags["t"] == "3"


def test_going_on_is_not_repeated_after_the_end(ingest: Ingest) -> None:
    ingest.keep(record(2, begin=Begin()))
    ingest.keep(record(3, end=End("FINISHED", 9)))
    assert not ingest.keep(record(2, begin=Begin()))
    assert ingest.runs.get(RUN).status == "FINISHED"


def test_a_refused_record_leaves_nothing_and_the_next_one_is_kept(ingest: Ingest) -> None:
    ingest.keep(record(2, params={"p": "1"}))
    with pytest.raises(Conflict, match="written once"):
        ingest.keep(record(3, points=columns(("a", 1.0, 1, 1)), params={"p": "2"}))
    assert ingest.runs.get(RUN).metrics == {}
    assert ingest.keep(record(4, points=columns(("a", 1.0, 1, 1))))


def test_a_run_that_is_not_there_is_not_begun_by_a_point(runs: RunStore) -> None:
    with pytest.raises(NotFound):
        Ingest(runs).keep(record(1, points=columns(("a", 1.0, 1, 1))))
    with pytest.raises(NotFound):
        Ingest(runs).keep(record(1, begin=Begin()))


@pytest.mark.parametrize(
    "broken",
    [
        Columns(["a"], b"\1\0\0\0", b"\0" * 8, b"\0" * 8, b"\0" * 8),  # no such key
        Columns(["a"], b"\0" * 4, b"\0" * 8, b"\0" * 16, b"\0" * 8),  # lengths
        Columns(["a"], b"\0" * 4, b"\0" * 8, b"\0" * 8, b"\0" * 9),
        Columns(["a", "a"], b"\0" * 4, b"\0" * 8, b"\0" * 8, b"\0" * 8),
        Columns([""], b"\0" * 4, b"\0" * 8, b"\0" * 8, b"\0" * 8),
        Columns(["\0"], b"\0" * 4, b"\0" * 8, b"\0" * 8, b"\0" * 8),
        Columns([], b"\0" * 4, b"\0" * 8, b"\0" * 8, b"\0" * 8),
    ],
)
def test_columns_that_do_not_fit_are_refused(ingest: Ingest, broken: Columns) -> None:
    with pytest.raises(InvalidInput):
        ingest.keep(record(2, points=broken))
    assert ingest.runs.get(RUN).metrics == {}


@pytest.mark.parametrize("raw", [b"", b"\xc1", b"{}", b"\x80", b"\x91" * 100_000])
def test_what_is_no_record_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput, match="body: not a record"):
        decode_record(raw)

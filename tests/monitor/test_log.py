"""The prediction log over real segments, databases and blobs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from everloop.data.schema import Feature, Schema
from everloop.data.segments import (
    FeedbackRecord,
    PredictionRecord,
    SegmentWriter,
    encode_record,
    list_segments,
)
from everloop.monitor import shipping
from everloop.monitor.log import PredictionLog
from everloop.store.blobs import Blobs
from everloop.store.database import Database
from everloop.store.tables import log_offsets, log_parts

SCHEMA = Schema(
    features=(
        Feature("distance", "number"),
        Feature("carrier", "category", ("AA", "UA")),
        Feature("wet", "boolean", (), True),
        Feature("booked", "datetime", (), True),
    ),
    target="late",
    task="binary",
    classes=(False, True),
    id="flight",
    time="at",
)


class Plane:
    """Writes what a data plane would write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.predictions = SegmentWriter(folder / "predictions", "predictions")
        self.feedback = SegmentWriter(folder / "feedback", "feedback")

    def predict(self, ids: list[str], times: list[int] | None, **more: Any) -> None:
        n = len(ids)
        columns = {
            "distance": [100] * n,
            "carrier": ["AA"] * n,
            "wet": [True] * n,
            "booked": ["2013-01-05T10:00:00Z"] * n,
        }
        record = PredictionRecord(
            at=more.pop("at", 1_000),
            request=more.pop("request", ids[0]),
            endpoint=more.pop("endpoint", "flights"),
            version=more.pop("version", 1),
            arm=more.pop("arm", "champion"),
            ids=ids,
            times=times,
            columns=columns | more.pop("columns", {}),
            y=more.pop("y", [False] * n),
            p=more.pop("p", [[0.75, 0.25]] * n),
            ms=1.5,
            error=more.pop("error", None),
        )
        assert not more
        self.predictions.append(encode_record(record))

    def label(self, ids: list[str], labels: list[Any], at: int = 2_000) -> None:
        record = FeedbackRecord(at=at, endpoint="flights", ids=ids, labels=labels)
        self.feedback.append(encode_record(record))


@pytest.fixture
def plane(tmp_path: Path) -> Plane:
    return Plane(tmp_path / "log")


@pytest.fixture
def log(database: Database, tmp_path: Path) -> PredictionLog:
    return PredictionLog(database, Blobs((tmp_path / "blobs").as_uri()), tmp_path / "log")


def ids(frame: pl.DataFrame) -> list[str]:
    return frame["id"].to_list()


def test_rows_come_back_by_time_with_their_answers(log: PredictionLog, plane: Plane) -> None:
    plane.predict(["b", "a"], [20, 10], columns={"distance": [2, 1.5]}, y=[True, False])
    assert log.ship() == 2
    frame = log.predictions("flights", 0, 100, schema=SCHEMA)
    assert ids(frame) == ["a", "b"]
    assert frame["distance"].to_list() == [1.5, 2.0]
    assert frame["y"].to_list() == [False, True]
    assert frame["time"].cast(pl.Int64).to_list() == [10, 20]
    assert frame["p"].to_list() == [[0.75, 0.25]] * 2
    kinds = {f.name: frame.schema[f.name] for f in SCHEMA.features}
    assert kinds == {
        "distance": pl.Float64,
        "carrier": pl.String,
        "wet": pl.Boolean,
        "booked": pl.Datetime("ms"),
    }


def test_values_that_are_no_finite_numbers_are_counted(log: PredictionLog, plane: Plane) -> None:
    plane.predict(["a", "b", "c"], [10, 20, 90], columns={"distance": [2, float("inf"), -1e999]})
    plane.predict(["d", "e", "f"], [30, 40, 50], columns={"distance": ["7", "far", "-inf"]})
    plane.predict(["g"], [60], columns={"distance": [8]})
    log.ship()
    found = log.misfits("flights", 0, 90, SCHEMA)
    assert found == {"distance": (3, ["-inf", "far", "inf"])}


def test_a_request_without_times_happens_when_it_came(log: PredictionLog, plane: Plane) -> None:
    plane.predict(["a"], None, at=77)
    plane.predict(["b", "c"], [5, None], at=88)
    log.ship()
    times = log.predictions("flights").select("id", pl.col("time").cast(pl.Int64)).rows()
    assert times == [("b", 5), ("a", 77), ("c", 88)]


def test_shipping_again_ships_nothing_and_later_records_follow(
    log: PredictionLog, plane: Plane
) -> None:
    plane.predict(["a"], [1])
    assert log.ship() == 1
    assert log.ship() == 0
    plane.predict(["b"], [2])
    assert log.ship() == 1
    assert ids(log.predictions("flights")) == ["a", "b"]


def test_a_look_asks_only_about_segments_that_grew(log: PredictionLog, plane: Plane) -> None:
    """Offsets of all segments there ever were stay, and a look comes for each loop."""
    with log.db.write() as conn:
        old = [{"segment": f"predictions/{n}.seg", "offset": 9, "updated": 1} for n in range(700)]
        conn.execute(sa.insert(log_offsets), old)
    plane.predict(["a"], [1])
    asked: list[str] = []
    sa.event.listen(log.db.engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
    assert log.ship() == 1
    (offsets,) = [text for text in asked if "log_offsets.segment, log_offsets" in text]
    assert "IN (" in offsets
    asked.clear()
    assert log.ship() == 0
    assert not [text for text in asked if "log_offsets" in text]
    plane.predict(["b"], [2])
    assert log.ship() == 1


def test_shippers_side_by_side_ship_each_record_once(
    log: PredictionLog, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "BATCH_BYTES", 2_000)  # many batches, so that they overlap
    for number in range(200):
        plane.predict([f"i{number}"], [number])
    shipped: list[int] = []
    threads = [threading.Thread(target=lambda: shipped.append(log.ship())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.ship()
    assert ids(log.predictions("flights")) == [f"i{n}" for n in range(200)]


def test_a_crash_between_blob_and_commit_loses_and_doubles_nothing(
    log: PredictionLog, plane: Plane, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.predict(["a"], [1])

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shipping, "add_part", crash)
        with pytest.raises(KeyboardInterrupt):
            log.ship()
    with database.read() as conn:
        assert conn.execute(sa.select(log_parts)).all() == []
        assert conn.execute(sa.select(log_offsets)).all() == []
    assert log.ship() == 1
    assert ids(log.predictions("flights")) == ["a"]


def test_a_torn_tail_is_left_and_the_rest_is_read(log: PredictionLog, plane: Plane) -> None:
    plane.predict(["a"], [1])
    plane.predict(["b"], [2])
    path = list_segments(plane.folder / "predictions")[0]
    path.write_bytes(path.read_bytes()[:-3])
    assert log.ship() == 1
    assert ids(log.predictions("flights")) == ["a"]


def test_only_parts_with_overlapping_times_are_read(
    log: PredictionLog, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    for week in range(3):
        plane.predict([f"w{week}"], [week * 100])
        log.ship()
    read: list[str] = []
    get = log.blobs.get
    monkeypatch.setattr(log.blobs, "get", lambda digest: read.append(digest) or get(digest))
    assert ids(log.predictions("flights", 100, 200)) == ["w1"]
    assert len(read) == 1


def test_the_last_label_wins_whatever_the_order_of_parts(log: PredictionLog, plane: Plane) -> None:
    plane.label(["a", "early"], [False, True], at=10)
    log.ship()
    plane.label(["a"], [True], at=20)
    plane.label(["b"], [True], at=21)
    log.ship()
    plane.label(["b"], [False], at=15)  # an older word that was shipped later
    log.ship()
    plane.predict(["a", "b", "early", "none"], [1, 2, 3, 4])
    log.ship()
    found = dict(log.labels("flights").select("id", "label").rows())
    assert found == {"a": True, "b": True, "early": True}
    frame = log.labelled("flights", SCHEMA)
    assert frame.select("flight", "late").rows() == [("a", True), ("b", True), ("early", True)]


def test_a_label_of_null_takes_the_label_back(log: PredictionLog, plane: Plane) -> None:
    plane.predict(["a"], [1])
    plane.label(["a"], [True], at=10)
    plane.label(["a"], [None], at=20)
    log.ship()
    assert log.labels("flights").height == 0
    assert log.labelled("flights", SCHEMA).height == 0


def test_labelled_rows_are_shaped_like_training_rows(log: PredictionLog, plane: Plane) -> None:
    plane.predict(["a", "b", "c"], [10, 20, 30])
    plane.predict(["a"], [12], columns={"distance": [7]})  # asked again
    plane.predict(["a"], [13], arm="shadow", columns={"distance": [8]})
    plane.predict(["d"], [40], y=[], p=None, error="the model failed")
    plane.label(["a", "b", "c", "d"], [True, "false", 0, 1])
    plane.label(["c"], ["perhaps"], at=3_000)  # no class of the schema
    log.ship()
    frame = log.labelled("flights", SCHEMA)
    assert frame.columns == ["flight", "at", "distance", "carrier", "wet", "booked", "late"]
    assert frame.select("flight", "distance", "late").rows() == [
        ("a", 7.0, True),
        ("b", 100.0, False),
    ]
    assert frame.schema["late"] == pl.Boolean
    assert log.labelled("flights", SCHEMA, until=20)["flight"].to_list() == ["a"]
    assert log.labelled("flights", SCHEMA, exclude=[(0, 15)])["flight"].to_list() == ["b"]


def test_the_newest_labelled_rows_come_from_the_last_parts(
    log: PredictionLog, plane: Plane
) -> None:
    for at, name in enumerate("abc"):
        plane.predict([name, f"{name}2"], [at * 10, at * 10 + 1])
        log.ship()
    plane.label(["a", "b", "b2", "c"], [True, True, False, True])
    log.ship()
    assert log.labelled("flights", SCHEMA)["flight"].to_list() == ["a", "b", "b2", "c"]
    assert log.labelled("flights", SCHEMA, newest=2)["flight"].to_list() == ["c"]
    assert log.labelled("flights", SCHEMA, newest=3)["flight"].to_list() == ["b", "b2", "c"]


def test_rows_that_came_out_of_order_are_put_in_order(log: PredictionLog, plane: Plane) -> None:
    plane.predict(["late", "twice"], [30, 40], columns={"distance": [1, 2]})
    log.ship()
    plane.predict(["early", "twice"], [10, 20], columns={"distance": [3, 4]})
    plane.label(["late", "early", "twice"], [True, False, True])
    log.ship()
    frame = log.labelled("flights", SCHEMA)
    assert frame.select("flight", "distance").rows() == [
        ("early", 3.0),
        ("late", 1.0),
        ("twice", 2.0),
    ]


def test_labels_of_many_ids_are_those_of_few(
    log: PredictionLog, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.predict(["a", "b", "c"], [1, 2, 3])
    for at, (name, label) in enumerate([("a", True), ("b", False), ("a", False), ("z", True)]):
        plane.label([name], [label], at=at)
        log.ship()
    few = log.labelled("flights", SCHEMA), log.labels("flights", ["b", "c"])
    monkeypatch.setattr("everloop.monitor.log.FEW", 0)
    assert few[0].rows() == log.labelled("flights", SCHEMA).rows()
    assert few[0]["late"].to_list() == [False, False]
    assert few[1].equals(log.labels("flights", ["b", "c"]))


def test_an_empty_log_answers_with_the_columns(log: PredictionLog) -> None:
    assert log.ship() == 0
    assert log.extent("flights") is None
    assert log.predictions("flights", schema=SCHEMA).columns[-4:] == list(SCHEMA.names)
    assert log.labelled("flights", SCHEMA).columns[-1] == "late"
    assert log.labels("flights").height == 0
    assert list(log.fresh("flights")) == []


def test_types_that_change_between_parts_follow_the_schema(
    log: PredictionLog, plane: Plane
) -> None:
    for at, (distance, carrier) in enumerate([(None, None), (1, "AA"), (2.5, 7), ("3.5", "UA")]):
        plane.predict([str(at)], [at], columns={"distance": [distance], "carrier": [carrier]})
        log.ship()
    frame = log.predictions("flights", schema=SCHEMA)
    assert frame["distance"].to_list() == [None, 1.0, 2.5, 3.5]
    assert frame["carrier"].to_list() == [None, "AA", "7", "UA"]


def test_a_feature_called_like_a_field_of_the_log_stays_apart(
    log: PredictionLog, plane: Plane
) -> None:
    schema = Schema((Feature("version", "number"),), "y", "regression", id="id")
    plane.predict(["a"], [1], columns={"version": [42]}, y=[1.5], p=None)
    plane.label(["a"], [3.25])
    log.ship()
    frame = log.predictions("flights", schema=schema)
    assert (frame["version"].item(), frame["x.version"].item()) == (1, 42.0)
    assert log.labelled("flights", schema).to_dicts() == [{"id": "a", "version": 42.0, "y": 3.25}]


def test_what_is_new_is_read_part_by_part(log: PredictionLog, plane: Plane) -> None:
    plane.predict(["a", "b"], [1, 2], request="r1", at=50)
    log.ship()
    plane.predict(["c"], [3], request="r2", version=2, arm="canary", at=60, y=[], error="broken")
    plane.predict(["c"], [3], request="r3", version=3, arm="shadow", at=60)
    log.ship()
    parts = dict(log.fresh("flights"))
    assert [frame["request"].to_list() for frame in parts.values()] == [["r1", "r1"], ["r2", "r3"]]
    first, second = parts
    ((number, rows),) = log.fresh("flights", after=first)
    assert number == second > first
    assert rows.select("version", "arm", "error").rows() == [
        (2, "canary", "broken"),
        (3, "shadow", None),
    ]
    assert [frame.height for _, frame in log.fresh("flights", since=55)] == [0, 2]


def test_the_next_event_after_a_gap_is_found(log: PredictionLog, plane: Plane) -> None:
    plane.predict(["a", "b"], [10, 5_000])
    log.ship()
    plane.predict(["c"], [4_000])
    log.ship()
    assert log.next_time("flights", 0) == 10
    assert log.next_time("flights", 11) == 4_000
    assert log.next_time("flights", 4_001) == 5_000
    assert log.next_time("flights", 5_001) is None

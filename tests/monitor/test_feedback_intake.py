"""Labels that come as tables: what each row becomes, over a real database and blobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from everloop.data.schema import Feature, Schema
from everloop.monitor.feedback import SKEW_MS, Fed, Intake, json_texts
from everloop.monitor.importing import Importer
from everloop.monitor.log import PredictionLog
from everloop.monitor.parts import prediction_frame
from everloop.store.blobs import Blobs
from everloop.store.clock import now_ms
from everloop.store.database import Database

SCHEMA = Schema(
    features=(Feature("x", "number"),),
    target="late",
    task="binary",
    classes=(False, True),
    id="id",
    time=None,
)


@pytest.fixture
def log(database: Database, tmp_path: Path) -> PredictionLog:
    blobs = Blobs((tmp_path / "blobs").as_uri())
    found = PredictionLog(database, blobs, tmp_path / "log")
    predict(found, ["a", "b", "c"])
    return found


def predict(log: PredictionLog, ids: list[str]) -> None:
    n = len(ids)
    empty = prediction_frame([])
    rows = pl.DataFrame(
        {
            "id": ids, "time": [10] * n, "at": [10] * n, "request": ids, "version": [1] * n,
            "arm": ["champion"] * n, "rate": [1.0] * n, "y": [True] * n, "latency": [1.0] * n,
        }
    )  # fmt: skip
    frame = pl.concat([empty.drop("y"), rows], how="diagonal_relaxed")
    importer = Importer(log.db, log.blobs)
    name = importer.known("predictions", "e", frame)
    assert name is not None and importer.add("predictions", "e", frame, name)


def feed(log: PredictionLog, ids: list[Any], labels: list[Any], at: list[int] | None = None) -> Fed:
    intake = Intake(log, Importer(log.db, log.blobs), "e", SCHEMA)
    times = None if at is None else pl.Series(at, dtype=pl.Int64)
    intake.take(pl.Series(ids), pl.Series(labels), times)
    return intake.finish()


def counts(fed: Fed) -> dict[str, int]:
    names = [n for n in Fed.__struct_fields__ if n not in ("examples", "rows")]
    return {name: getattr(fed, name) for name in names if getattr(fed, name)}


def current(log: PredictionLog) -> dict[str, Any]:
    return dict(log.labels("e").select("id", "label").sort("id").iter_rows())


def test_a_label_in_another_spelling_is_no_correction(log: PredictionLog) -> None:
    assert counts(feed(log, ["a", "b"], ["true", "false"], [100, 100])) == {"new": 2}
    assert counts(feed(log, ["a", "b"], [True, True], [200, 200])) == {
        "repeated": 1,
        "corrected": 1,
    }


def test_each_row_is_counted_by_what_it_is(log: PredictionLog) -> None:
    assert counts(feed(log, ["a", "b"], [True, False], [100, 100])) == {"new": 2}
    assert counts(feed(log, ["a", "b"], [True, False], [100, 100])) == {"repeated": 2}
    assert counts(feed(log, ["a", "b"], [False, False], [200, 200])) == {
        "corrected": 1,
        "repeated": 1,
    }
    late = feed(log, ["a", "b"], [True, True], [150, 50])
    assert counts(late) == {"repeated": 1, "outdated": 1}
    assert current(log) == {"a": False, "b": False}
    assert log.label_history("e", pl.Series(["a"]))["label"].to_list() == ["true", "false"]


def test_a_label_waits_for_its_prediction(log: PredictionLog) -> None:
    fed = feed(log, ["z", "c"], [True, True], [5, 5])
    assert counts(fed) == {"new": 2, "unknown": 1}
    assert fed.examples == {"unknown": ["z"]}
    assert any("nobody predicted" in sentence for sentence in fed.sentences())
    predict(log, ["z"])
    assert log.labelled("e", SCHEMA)["id"].sort().to_list() == ["c", "z"]


def test_what_cannot_count_is_left_out_and_told(log: PredictionLog) -> None:
    ahead = now_ms() + 10 * SKEW_MS
    fed = feed(log, ["a", "b", None, "c"], ["true", "maybe", "true", None], [ahead, 1, 1, 1])
    assert counts(fed) == {"future": 1, "unfit": 1, "empty": 2}
    assert current(log) == {}
    assert any("look at the sender's clock" in sentence for sentence in fed.sentences())


def test_a_file_that_comes_again_without_times_brings_nothing(log: PredictionLog) -> None:
    assert counts(feed(log, ["a"], [True])) == {"new": 1}
    assert counts(feed(log, ["a"], [False])) == {"corrected": 1}
    assert counts(feed(log, ["a"], [True])) == {"repeated": 1}
    assert current(log) == {"a": False}
    # A file that has grown brings its new rows only.
    assert counts(feed(log, ["a", "b"], [False, True])) == {"repeated": 1, "new": 1}


def test_twice_in_one_table_counts_once(log: PredictionLog) -> None:
    fed = feed(log, ["a", "a", "b", "b"], [True, True, True, False], [1, 2, 2, 1])
    assert counts(fed) == {"new": 1, "repeated": 1, "corrected": 1, "outdated": 1}
    assert current(log) == {"a": True, "b": True}


def test_labels_are_kept_as_the_values_they_are() -> None:
    assert json_texts(pl.Series([1.0, None, 2.5])).to_list() == ["1", "null", "2.5"]
    assert json_texts(pl.Series(["x", '"', None])).to_list() == ['"x"', '"\\""', "null"]
    assert json_texts(pl.Series([True, False])).to_list() == ["true", "false"]

from __future__ import annotations

import io
import math
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from search_reference import Row, keep, some_runs

from everloop.errors import InvalidInput, TooLarge
from everloop.store.database import Database
from everloop.tracking.search import frames

ROWS = some_runs(30)


@pytest.fixture
def many(database: Database) -> Database:
    keep(database, ROWS)
    return database


def active(experiments: tuple[int, ...] = (0, 1, 2)) -> list[Row]:
    return [row for row in ROWS if not row.deleted and row.experiment in experiments]


def test_a_table_of_all_runs(many: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MOST_ROWS", 7)
    parts = list(frames.run_frames(many))
    assert [len(part) for part in parts] == [7] * (len(active()) // 7) + (
        [len(active()) % 7] if len(active()) % 7 else []
    )
    assert len({tuple(part.schema.items()) for part in parts}) == 1
    table = pl.concat(parts)
    assert table.columns[: len(frames.FIXED)] == list(frames.FIXED)
    for row, got in zip(active(), table.iter_rows(named=True), strict=True):
        assert got["run_id"] == row.id
        assert got["experiment"] == ("Default" if row.experiment == 0 else f"e{row.experiment}")
        assert got["started"] == datetime.fromtimestamp(row.started / 1000, UTC)
        assert (got["finished"] is None) == (row.finished is None)
        for group in ("params", "tags", "metrics"):
            own = {key: got[key] for key in got if key.startswith(f"{group}.")}
            assert {k: v for k, v in own.items() if v is not None} == pytest.approx(
                {f"{group}.{k}": v for k, v in getattr(row, group).items()}, nan_ok=True
            )
    assert any(math.isnan(value) for value in table["metrics.k"].drop_nulls())


def test_a_filter_leaves_rows_and_columns(many: Database) -> None:
    chosen = [row for row in active((1,)) if "k" in row.params and row.status == "FAILED"]
    filter = "params.k IS NOT NULL AND attributes.status = 'FAILED'"
    table = pl.concat(frames.run_frames(many, [1], filter))
    assert table["run_id"].to_list() == [row.id for row in chosen]
    keys = {f"metrics.{key}" for row in chosen for key in row.metrics}
    assert {name for name in table.columns if name.startswith("metrics.")} == keys


def test_no_runs_are_a_table_without_rows(many: Database) -> None:
    for experiments, filter in (([], ""), ([7], ""), (None, "params.k = 'never'")):
        (table,) = frames.run_frames(many, experiments, filter)
        assert (table.shape[0], table.columns) == (0, list(frames.FIXED))
        assert pl.read_ipc_stream(
            io.BytesIO(b"".join(frames.arrow_stream(many, experiments, filter)))
        ).equals(table)


def test_an_arrow_stream_and_a_parquet_file(
    many: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(frames, "MOST_ROWS", 4)
    table = pl.concat(frames.run_frames(many, [0, 1]))
    pieces = list(frames.arrow_stream(many, [0, 1]))
    assert len(pieces) > 4
    assert_frame_equal(pl.read_ipc_stream(io.BytesIO(b"".join(pieces))), table)
    frames.write_parquet(many, tmp_path / "runs.parquet", [0, 1])
    assert_frame_equal(pl.read_parquet(tmp_path / "runs.parquet"), table)


def test_a_bad_filter_is_refused_before_anything_is_sent(many: Database) -> None:
    with pytest.raises(InvalidInput, match="Invalid attribute key"):
        frames.arrow_stream(many, None, "nope = 'x'")


def test_too_many_columns_are_refused(many: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MOST_COLUMNS", 12)
    with pytest.raises(TooLarge, match="more than 12"):
        frames.run_frames(many)


def test_keys_that_come_later_are_left_out(many: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MOST_ROWS", 5)
    parts = frames.run_frames(many)
    first = next(parts)
    with many.write() as conn:
        conn.exec_driver_sql("UPDATE run_params SET key = 'renamed' WHERE key = 'k.l'")
    rest = list(parts)
    assert all(part.schema == first.schema for part in rest)
    assert sum(map(len, [first, *rest])) == len(active())


def test_memory_is_that_of_one_part(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "MOST_ROWS", 100)
    rows = [Row(n, f"{n:032x}", 0, "FINISHED", n, None, False) for n in range(1, 2001)]
    for row in rows:
        row.params = {"text": "x" * 2000 + str(row.number)}
        row.tags = {"mlflow.runName": "r"}
        row.metrics = {"m": 1.0}
    keep(sqlite_database, rows)
    tracemalloc.start()
    size = sum(len(piece) for piece in frames.arrow_stream(sqlite_database, [0]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 4_000_000
    assert peak < 2_500_000

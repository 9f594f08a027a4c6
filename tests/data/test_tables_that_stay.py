"""Tables are read again and again; one that is not what it was is refused in one sentence."""

from __future__ import annotations

import io
import os
import sqlite3
from pathlib import Path

import duckdb
import obstore
import polars as pl
import pytest
import sqlalchemy as sa
from obstore.store import from_url

from everloop.data.infer import infer_schema
from everloop.data.references import Part, Reference
from everloop.data.spec import DataSpec
from everloop.data.splits.rule import Rule
from everloop.data.streams import Table, open_table
from everloop.data.streams.staying import bounded, stays
from everloop.data.versions import DatasetStore
from everloop.errors import Conflict, InvalidInput

ROWS = pl.DataFrame({"n": range(100), "x": [i / 4 for i in range(100)], "y": [0, 1] * 50})


def read(table: Table, parts=None) -> pl.DataFrame:
    return pl.concat(table.batches(parts or table.parts(), rows=30))


def test_a_file_that_changes_is_refused_and_one_that_is_touched_is_not(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    ROWS.write_csv(path)
    table = open_table("rows.csv", tmp_path)
    parts = table.parts()
    assert (parts[0].address, parts[0].bytes) == ("rows.csv", path.stat().st_size)
    assert read(table, parts)["n"].to_list() == ROWS["n"].to_list()
    os.utime(path, (1, 1))
    assert read(table, parts).height == 100
    text = path.read_text()
    path.write_text(text.replace("24.75", "24.76"))
    with pytest.raises(Conflict, match=r"rows\.csv has changed .* its content is not\."):
        read(table, parts)
    path.write_text(text + "100,1,1\n")
    with pytest.raises(Conflict, match=rf"{len(text):,} bytes then, {len(text) + 8:,} now"):
        read(table, parts)
    path.unlink()
    with pytest.raises(Conflict, match="no such file"):
        read(table, parts)


def test_a_change_while_it_is_read_is_seen_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    ROWS.write_parquet(path)
    table = open_table("rows.parquet", tmp_path)
    batches = table.batches(table.parts(), rows=30)
    next(batches)
    ROWS.head(50).write_parquet(path)
    with pytest.raises(Conflict, match="has changed"):
        list(batches)


def test_objects_are_fetched_one_at_a_time_and_compared(s3_url: str, tmp_path: Path) -> None:
    store = from_url(s3_url)
    for part in range(2):
        data = io.BytesIO()
        ROWS[part * 50 : part * 50 + 50].write_parquet(data)
        obstore.put(store, f"stay/{part}.parquet", data.getvalue())
    table = open_table(f"{s3_url}/stay/*.parquet", tmp_path)
    parts = table.parts()
    assert [p.address for p in parts] == [f"{s3_url}/stay/{i}.parquet" for i in range(2)]
    assert all(p.stamp and p.bytes for p in parts)
    assert read(table, parts).equals(ROWS)
    assert stays(DataSpec(f"{s3_url}/stay/*.parquet", "y"), tmp_path, memory=10_000)
    obstore.put(store, "stay/1.parquet", data.getvalue() + b" ")
    with pytest.raises(Conflict, match=r"stay/1\.parquet has changed"):
        read(table, parts)


def test_an_answer_is_known_by_its_rows_in_any_order(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "d.db") as db:
        db.execute("create table t (n integer, x real, y integer)")
        db.executemany("insert into t values (?, ?, ?)", ROWS.rows())
    query = "select * from t order by n"
    table = open_table("sqlite:///d.db", tmp_path, query=query)
    parts = table.parts()
    assert parts[0].bytes == 100
    assert read(table, parts).equals(ROWS)
    other = open_table("sqlite:///d.db", tmp_path, query=query + " desc")
    assert other.parts() == parts
    with sqlite3.connect(tmp_path / "d.db") as db:
        db.execute("update t set x = -1 where n = 99")
    with pytest.raises(Conflict, match="it still has 100 rows, but others"):
        read(table, parts)
    with sqlite3.connect(tmp_path / "d.db") as db:
        db.execute("delete from t where n = 99")
    with pytest.raises(Conflict, match="100 rows then, 99 now"):
        read(table, parts)


def test_answers_of_a_server_and_of_duckdb_come_in_batches(
    database_url: str, tmp_path: Path
) -> None:
    engine = sa.create_engine(database_url)
    with engine.begin() as conn:
        conn.execute(sa.text("create table staying (n integer, x float, y integer)"))
        columns = sa.table("staying", *(sa.column(c) for c in ROWS.columns))
        conn.execute(sa.insert(columns), ROWS.to_dicts())
    engine.dispose()
    query = "select * from staying order by n"
    table = open_table(database_url, tmp_path, query=query)
    assert read(table)["x"].to_list() == ROWS["x"].to_list()
    ROWS.write_parquet(tmp_path / "rows.parquet")
    duck = open_table("duckdb://", tmp_path, query="select * from 'rows.parquet'")
    assert read(duck).equals(ROWS)
    with duckdb.connect(str(tmp_path / "d.duckdb")) as db:
        db.execute("create table t as select * from range(5000) r(n)")
    own = open_table("duckdb:///d.duckdb", tmp_path, query="select n from t order by n")
    assert read(own)["n"].to_list() == list(range(5000))


def test_rows_stay_when_told_or_when_they_outgrow_the_memory(tmp_path: Path) -> None:
    ROWS.write_csv(tmp_path / "rows.csv")
    size = (tmp_path / "rows.csv").stat().st_size
    assert stays(DataSpec("rows.csv", "y", stream=True), tmp_path)
    assert not stays(DataSpec("rows.csv", "y"), tmp_path)
    assert stays(DataSpec("rows.csv", "y"), tmp_path, memory=size)
    assert not stays(DataSpec("rows.csv", "y", stream=False), tmp_path, memory=size)
    with pytest.raises(InvalidInput, match=r"data\.stream: got True, expected false"):
        stays(DataSpec("rows.csv", "y", stream=True, task="ranking", group="n"), tmp_path)
    sample, rows = bounded(DataSpec("rows.csv", "y", stream=True, sample=20), tmp_path)
    assert (sample.height, rows) == (20, 100)
    assert sample.schema["n"] == pl.Int64


def test_a_reference_is_kept_by_its_content(database, blobs) -> None:
    store = DatasetStore(database, blobs)
    schema = infer_schema(ROWS, DataSpec("d", "y")).schema
    rule = Rule("about 20%", share=0.2)
    made = Reference([_part("a", "1")], 1000, 800, 200, 60, 40, 0, rule, ["n"], [800], False)
    version = store.refer(ROWS, made, "d", schema, {}, {"source": "a"})
    assert version.reference == made
    assert (version.rows, version.origin) == (1000, {"source": "a"})
    assert store.load(version.digest).equals(ROWS)
    touched = Reference([_part("a", "2")], 1000, 800, 200, 60, 40, 0, rule, ["n"], [800], False)
    assert store.refer(ROWS, touched, "d", schema, {}, {}) == version
    other = Reference([_part("b", "1")], 1000, 800, 200, 60, 40, 0, rule, ["n"], [800], False)
    assert store.refer(ROWS, other, "d", schema, {}, {}).digest != version.digest
    assert store.snapshot(ROWS, "d", schema, {}).reference is None


def _part(digest: str, stamp: str) -> Part:
    return Part("rows.csv", 10, stamp, digest * 64)

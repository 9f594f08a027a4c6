"""Snapshots are found by their content and come back as they were."""

from __future__ import annotations

import polars as pl
import pytest

from everloop.data.infer import infer_schema
from everloop.data.schema import Feature, Schema
from everloop.data.spec import DataSpec
from everloop.data.versions import DatasetStore
from everloop.errors import Integrity, NotFound

DF = pl.DataFrame(
    {"x": [None, *(i / 2 for i in range(1, 20))], "c": ["a", "b"] * 10, "y": [0, 1] * 10}
)
SCHEMA = infer_schema(DF, DataSpec("d", "y")).schema


@pytest.fixture
def store(database, blobs):
    return DatasetStore(database, blobs)


def test_a_snapshot_comes_back(store):
    version = store.snapshot(DF, "d", SCHEMA, {"source": "d.csv"})
    assert store.load(version.digest).equals(DF)
    assert store.get(version.digest) == version
    assert (version.rows, version.schema, version.origin) == (20, SCHEMA, {"source": "d.csv"})
    x = version.statistics["x"]
    assert (x.missing, x.distinct, x.low, x.high, x.mean) == (1, 19, 0.5, 9.5, 5.0)
    assert version.statistics["c"].distinct == 2


def test_some_rows_of_a_snapshot(store):
    digest = store.snapshot(DF, "d", SCHEMA, {}).digest
    assert store.load(digest, 15).equals(DF[15:])
    assert store.load(digest, 3, 4).equals(DF[3:7])
    batches = list(store.batches(digest, rows=17, size=8))
    assert [batch.height for batch in batches] == [8, 8, 1]
    assert pl.concat(batches).equals(DF[:17])


def test_the_same_rows_are_kept_once(store):
    first = store.snapshot(DF, "d", SCHEMA, {"n": 1})
    assert store.snapshot(DF.clone(), "d", SCHEMA, {"n": 2}) == first
    assert store.page() == [first]
    other = store.snapshot(DF.head(19), "d", SCHEMA, {})
    assert other.digest != first.digest


def test_pages_go_from_the_newest(store):
    made = {store.snapshot(DF.head(10 + i), "d", SCHEMA, {}).digest for i in range(5)}
    first = store.page("d", limit=3)
    rest = store.page("d", before=(first[-1].created, first[-1].digest), limit=3)
    assert len(first) == 3
    assert {v.digest for v in first + rest} == made
    assert store.page("other") == []


def test_what_is_not_there_or_damaged(store, tmp_path):
    with pytest.raises(NotFound):
        store.get("0" * 64)
    version = store.snapshot(DF, "d", SCHEMA, {})
    digest = version.digest
    path = tmp_path / "blobs" / digest[:2] / digest[2:4] / digest
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(Integrity):
        store.load(digest)


def test_rows_just_kept_and_rows_read_back_are_the_same(store, database, blobs):
    digest = store.snapshot(DF, "d", SCHEMA, {}).digest
    fresh, later = (list(s.batches(digest, 17, 8)) for s in (store, DatasetStore(database, blobs)))
    assert [b.height for b in fresh] == [b.height for b in later] == [8, 8, 1]
    assert pl.concat(fresh).equals(pl.concat(later))
    assert pl.concat(list(store.batches(digest, 17, 8))).equals(DF[:17])  # and once more


def test_different_values_of_many_rows_are_estimated(store):
    rows = 200_000
    frame = pl.DataFrame({"x": range(rows), "y": [i % 7 for i in range(rows)], "b": [True] * rows})
    schema = Schema((Feature("x", "number"),), "y", "regression")
    found = store.snapshot(frame, "d", schema, {}).statistics
    assert found["x"].estimated and found["x"].distinct == pytest.approx(rows, rel=0.05)
    assert (found["x"].low, found["x"].high, found["x"].mean) == (0.0, rows - 1, (rows - 1) / 2)
    assert found["y"].distinct == pytest.approx(7, abs=0.5)
    assert not found["b"].estimated and found["b"].distinct == 1

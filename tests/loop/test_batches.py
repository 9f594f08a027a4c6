"""Tables through a model in parts: killed and gone on with, each row once, what is wrong said."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from polars.testing import assert_frame_equal
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

import everloop as el
from everloop.cli import everloop as command
from everloop.errors import Conflict, InvalidInput
from everloop.loop.batches.frames import predict_frame
from everloop.loop.batches.targets.database import Database, _columns
from everloop.loop.batches.targets.folder import Folder
from everloop.loop.project import Project

NAMES = ["a", "b", "c"]
ROWS = 2_400


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A project with the model ``trips``, and rows in files of each kind."""
    folder = tmp_path_factory.mktemp("batches")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, 3))
    model = LogisticRegression().fit(X, np.where(X.sum(axis=1) > 0, "yes", "no"))
    (folder / "m.onnx").write_bytes(to_onnx(model, X[:1].astype(np.float32)).SerializeToString())
    el.register(folder / "m.onnx", "trips", dir=folder, features=NAMES, target="late")
    rows = pl.DataFrame(X, schema=NAMES).with_columns(trip=pl.Series(f"t{i}" for i in range(ROWS)))
    for kind, write in (
        ("parquet", pl.DataFrame.write_parquet), ("arrow", pl.DataFrame.write_ipc),
        ("csv", pl.DataFrame.write_csv), ("jsonl", pl.DataFrame.write_ndjson),
    ):  # fmt: skip
        (folder / kind).mkdir()
        for number, first in enumerate(range(0, ROWS, 1_000)):
            write(rows[first : first + 1_000], folder / kind / f"rows-{number}.{kind}")
    with sqlite3.connect(folder / "rows.db") as db:
        db.execute("create table rows (a real, b real, c real, trip text)")
        db.executemany("insert into rows values (?, ?, ?, ?)", rows.rows())
    return folder


@pytest.fixture(scope="module")
def expected(folder) -> pl.DataFrame:
    rows = pl.read_parquet(folder / "parquet" / "*.parquet")
    with Project.open(folder) as project:
        version = project.registry.resolve("trips")
        return rows.select("trip").hstack(predict_frame(project, rows.drop("trip"), version))


def predict(folder: Path, source: Path | str, to: Path | str, **how):
    return el.predict_batch(
        "trips", source, to, dir=folder, **{"keep": ["trip"], "rows": 200, **how}
    )


@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv", "jsonl"])
def test_each_kind_of_file(folder, expected, tmp_path, kind) -> None:
    done = predict(folder, folder / kind, tmp_path / "out")
    assert (done.rows, done.written, done.rejected, done.pieces) == (ROWS, ROWS, 0, 12)
    assert_frame_equal(pl.read_parquet(tmp_path / "out" / "*.parquet"), expected)
    again = predict(folder, folder / kind, tmp_path / "out")
    assert (again.resumed, again.seconds, again.id) == (12, 0.0, done.id)


def test_a_pattern_into_csv_with_probabilities(folder, expected, tmp_path) -> None:
    source = f"{folder}/parquet/rows-[01].parquet"
    predict(folder, source, tmp_path / "out", format="csv", probabilities=True)
    found = pl.read_csv(tmp_path / "out" / "*.csv")
    assert found.columns == [*expected.columns, "probability of no", "probability of yes"]
    assert found["y_pred"].to_list() == expected["y_pred"][:2_000].to_list()


SLOW = """
import sys, time
import everloop as el
from everloop.loop.batches.targets.folder import Folder
put = Folder.put
def slowly(self, piece, frame, rejects):
    put(self, piece, frame, rejects)
    print(piece.number, flush=True)
    time.sleep(0.05 if piece.number < 7 else 600)
Folder.put = slowly
el.predict_batch("trips", sys.argv[2], sys.argv[3], dir=sys.argv[1], keep=["trip"], rows=200)
"""


def test_killed_at_any_moment_it_goes_on(folder, expected, tmp_path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", SLOW, str(folder), str(folder / "csv"), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "7":
                break
        with pytest.raises(Conflict, match="another process writes"):
            predict(folder, folder / "csv", out)
        os.kill(process.pid, signal.SIGKILL)
    assert not (out / "_SUCCESS").exists()
    with (out / "_manifest.jsonl").open("ab") as file:
        file.write(b'{"number":8,"spa')  # a line that the power cut off
    (out / "part-00008.parquet").write_bytes(b"written, and its line is not")
    done = predict(folder, folder / "csv", out)
    assert (done.rows, done.pieces, done.resumed) == (ROWS, 12, 8)
    assert_frame_equal(pl.read_parquet(out / "*.parquet"), expected)
    with Project.open(folder) as project:
        told = project.events.latest(100, subject="batch:trips/1")
    assert [event.payload["rows"] for event in told if event.payload["id"] == done.id] == [ROWS]


def begun(folder: Path, source: Path, out: Path, parts: int, **how) -> None:
    """A batch that was cut off after some parts."""
    put = Folder.put

    def cut_off(self, piece, *rest) -> None:
        if piece.number == parts:
            raise KeyboardInterrupt
        put(self, piece, *rest)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Folder, "put", cut_off)
        predict(folder, source, out, **how)


def test_a_changed_source_and_other_options_are_refused(folder, tmp_path) -> None:
    source = tmp_path / "rows"
    source.mkdir()
    for path in (folder / "csv").iterdir():
        (source / path.name).write_bytes(path.read_bytes())
    begun(folder, source, tmp_path / "out", 3)
    with pytest.raises(Conflict, match=r"format: got 'csv', but the parts .* made with 'parquet'"):
        predict(folder, source, tmp_path / "out", format="csv")
    text = (source / "rows-2.csv").read_text()
    (source / "rows-2.csv").write_text(text.replace("0.1", "0.2", 1))
    with pytest.raises(Conflict, match=r"rows-2\.csv has changed since this batch began"):
        predict(folder, source, tmp_path / "out")
    (source / "rows-2.csv").write_text(text)
    (tmp_path / "out" / "part-00001.parquet").write_bytes(b"")
    with pytest.raises(Conflict, match=r"part-00001\.parquet .* is not what was written"):
        predict(folder, source, tmp_path / "out")


def test_a_query_goes_on_only_with_the_same_rows(folder, expected, tmp_path) -> None:
    source, query = f"sqlite:///{folder}/rows.db", "select * from rows order by rowid"
    begun(folder, source, tmp_path / "out", 5, query=query)
    with sqlite3.connect(folder / "rows.db") as db:
        db.execute("update rows set a = a + 1 where trip = 't300'")
    with pytest.raises(Conflict, match="from row 201 on, has other rows"):
        predict(folder, source, tmp_path / "out", query=query)
    with sqlite3.connect(folder / "rows.db") as db:
        db.execute("update rows set a = a - 1 where trip = 't300'")
        db.execute("update rows set a = ? where trip = 't300'", [
            pl.read_parquet(folder / "parquet" / "*.parquet").filter(trip="t300")["a"][0]
        ])  # fmt: skip
    done = predict(folder, source, tmp_path / "out", query=query)
    assert (done.resumed, done.rows) == (5, ROWS)
    assert_frame_equal(pl.read_parquet(tmp_path / "out" / "*.parquet"), expected)


def test_into_a_table_of_any_database(folder, expected, database_url, monkeypatch) -> None:
    put = Database.put

    def cut_off(self, piece, *rest) -> None:
        put(self, piece, *rest)
        if piece.number == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Database, "put", cut_off)
        predict(folder, folder / "parquet", database_url, table="answers")
    done = predict(folder, folder / "parquet", database_url, table="answers")
    assert (done.resumed, done.pieces, done.rows) == (5, 12, ROWS)
    engine = sa.create_engine(database_url)
    with engine.connect() as conn:
        found = pl.read_database(sa.text("select * from answers"), conn)
    engine.dispose()
    assert_frame_equal(found.sort("trip"), expected.sort("trip"), check_dtypes=False)
    with pytest.raises(Conflict, match="is there already"):
        predict(folder, folder / "parquet", database_url, table="models")


def test_mysql_keeps_long_texts_and_parts_of_a_second(tmp_path) -> None:
    """Where TEXT ends after 64 KiB, which the lines of rejected rows pass."""
    target = Database("sqlite:///d.db", "answers", tmp_path / "lock", tmp_path)
    frame = pl.DataFrame({"at": [datetime(2024, 1, 1)], "note": ["x"], "raw": [b"x"]})
    answers = sa.Table("answers", sa.MetaData(), *_columns(frame))
    dialect = sa.make_url("mysql+pymysql://").get_dialect()()
    made = [
        str(sa.schema.CreateTable(t).compile(dialect=dialect)) for t in (target._parts, answers)
    ]
    target.close()
    assert "said LONGTEXT" in made[0] and "rejects LONGTEXT" in made[0]
    assert all(kind in made[1] for kind in ("at DATETIME(6)", "note LONGTEXT", "raw LONGBLOB"))


def test_bad_rows_fail_or_are_set_aside(folder, expected, tmp_path) -> None:
    source = tmp_path / "rows.csv"
    lines = "".join(
        p.read_text() if i == 0 else p.read_text().split("\n", 1)[1]
        for i, p in enumerate(sorted((folder / "csv").iterdir()))
    ).splitlines()
    lines[1_301] = "many,1,2,t1300"
    lines[2_001] = "1,inf,2,t2000"
    source.write_text("\n".join(lines) + "\n")
    with pytest.raises(
        InvalidInput, match=r'rows\.csv: column "a" row 1301: got .many., expected a'
    ):
        predict(folder, source, tmp_path / "failed")
    done = predict(folder, source, tmp_path / "out", errors="reject")
    assert (done.written, done.rejected) == (ROWS - 2, 2)
    kept = expected.filter(~pl.col("trip").is_in(["t1300", "t2000"]))
    assert_frame_equal(pl.read_parquet(tmp_path / "out" / "*.parquet"), kept)
    found = pl.read_ndjson(tmp_path / "out" / "_rejects" / "*.jsonl")
    assert found.select("row", "field").rows() == [(1301, "a"), (2001, "b")]
    assert "expected a finite number" in found["reason"][1]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"keep": ["other"]}, "keep: got 'other', expected one of the columns"),
        ({"keep": []}, 'column "trip": got <an extra column'),
        ({"rows": 0}, "rows: got 0, expected 1 to"),
        ({"format": "orc"}, "arguments of predict_batch"),
        ({"table": "t"}, "table: got 't', expected none"),
        ({"query": "select 1"}, "data.query"),
        ({"to": "sqlite:///d.db?timeout=soon", "table": "t"}, "to: got 'sqlite:///d.db"),
        ({"to": "postgresql://host:port/x", "table": "t"}, "to: got 'postgresql://host:port"),
    ],
)
def test_what_is_asked_wrongly_is_said(folder, tmp_path, how, said) -> None:
    with pytest.raises(InvalidInput, match=said.replace("(", r"\(")):
        predict(folder, folder / "parquet", **{"to": tmp_path / "out"} | how)


def test_a_column_that_is_called_like_an_answer_cannot_be_kept(folder, tmp_path) -> None:
    rows = pl.read_parquet(folder / "parquet" / "rows-0.parquet")
    for name in ("y_pred", "probability of yes"):
        rows.rename({"trip": name}).write_parquet(tmp_path / "rows.parquet")
        with pytest.raises(InvalidInput, match=f"keep: got '{name}', expected a column whose name"):
            predict(folder, tmp_path / "rows.parquet", tmp_path / name, keep=[name],
                    probabilities=True)  # fmt: skip
    done = predict(folder, tmp_path / "rows.parquet", tmp_path / "out", keep=[name])
    assert done.rows == 1_000


def test_a_folder_of_somebody_is_not_mixed_with(folder, tmp_path) -> None:
    (tmp_path / "mine.parquet").write_bytes(b"mine")
    with pytest.raises(Conflict, match=r"has files in it that no batch wrote, mine\.parquet"):
        predict(folder, folder / "parquet", tmp_path)


def test_the_command_line(folder, tmp_path) -> None:
    asked = ["predict", "trips/1", "--batch", f"{folder}/csv", "--to", str(tmp_path / "out"),
             "--keep", "trip", "--dir", str(folder)]  # fmt: skip
    said = CliRunner().invoke(command, asked, catch_exceptions=False)
    assert said.exit_code == 0, said.output
    assert "2,400 predictions by trips version 1 in 1 parts" in said.output
    assert "next: everloop events --subject batch:trips/1" in said.output
    told = CliRunner().invoke(command, [*asked, "--json"], catch_exceptions=False)
    assert json.loads(told.output)["rows"] == ROWS

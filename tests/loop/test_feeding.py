"""Labels from files, SQL, a folder that fills and over the command line, to a served model."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression

import everloop as el
from everloop.cli import main
from everloop.data.segments import PredictionRecord, SegmentWriter, encode_record
from everloop.errors import EverloopError
from everloop.loop.feeding import Feeder
from everloop.loop.project import Project
from everloop.server.api.feeding import table_of


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sums")
    X = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    model = to_onnx(LinearRegression().fit(X, X.sum(axis=1)), X[:1])
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    return folder / "m.onnx"


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.chdir(tmp_path)
    el.register(made, "sums", dir=tmp_path, features=["a", "b"], target="y")
    el.promote("sums/1", dir=tmp_path)
    with Project.open(tmp_path) as opened:
        writer = SegmentWriter(opened.state / "log/predictions", "predictions")
        writer.append(
            encode_record(
                PredictionRecord(
                    at=1_000, request="r", endpoint="sums", version=1, arm="champion",
                    ids=["1", "2", "3"], times=None, columns={"a": [1, 2, 3], "b": [0, 0, 0]},
                    y=[1.0, 2.0, 3.0], p=None, ms=1.0,
                )
            )
        )  # fmt: skip
        writer.close()
        yield opened


def of(project: Project) -> dict[str, Any]:
    return dict(project.log.labels("sums").select("id", "label").sort("id").iter_rows())


def test_files_of_every_kind_and_sql(project: Project) -> None:
    frame = pl.DataFrame({"id": [1, 2], "label": [1.5, 2.0]})
    (project.dir / "csv").mkdir()
    frame.write_csv(project.dir / "csv/a.csv")
    frame.write_parquet(project.dir / "a.parquet")
    frame.write_ndjson(project.dir / "a.jsonl")
    fed = el.feedback(project.dir / "csv", dir=project.dir)
    assert (fed.rows, fed.new) == (2, 2)
    for name in ("a.parquet", "a.jsonl"):
        assert el.feedback(name, dir=project.dir).repeated == 2
    with sqlite3.connect(project.dir / "labels.db") as db:
        db.execute("create table truth (row text, value real, at text)")
        db.execute("insert into truth values ('2', 9.5, '2024-01-01'), ('3', 3.5, '2024-01-01')")
    url = f"sqlite:///{project.dir}/labels.db"
    columns = {"id": "row", "label": "value", "time": "at"}
    fed = el.feedback(url, query="select * from truth", dir=project.dir, **columns)
    assert (fed.new, fed.outdated) == (1, 1)  # the file's label of row 2 came later
    assert of(project) == {"1": 1.5, "2": 2.0, "3": 3.5}


def test_a_folder_is_watched(project: Project) -> None:
    folder = project.dir / "in"
    folder.mkdir()
    pl.DataFrame({"id": [1], "label": [1.5]}).write_csv(folder / "1.csv")
    watching = Feeder(project, "sums").watch(str(folder), every=0.01)
    assert [(n, f.new) for n, f in [next(watching)]] == [("1.csv", 1)]
    pl.DataFrame({"id": [1, 2], "label": [1.5, 2.5]}).write_csv(folder / "1.csv")
    name, fed = next(watching)
    assert (name, fed.repeated, fed.new) == ("1.csv", 1, 1)
    pl.DataFrame({"id": [3], "label": [3.5]}).write_csv(folder / "2.csv")
    assert next(watching)[0] == "2.csv"
    watching.close()


def test_what_is_wrong_is_one_sentence(project: Project) -> None:
    frame = pl.DataFrame({"id": [1], "lable": [1.5]})
    with pytest.raises(EverloopError, match=r'label: got .label., .* Did you mean "lable"'):
        el.feedback(frame, dir=project.dir)
    with pytest.raises(EverloopError, match=r'endpoint: got .sum., .* Did you mean "sums"'):
        el.feedback(frame, endpoint="sum", dir=project.dir)
    for body in (b"", b"[1", b"PAR1 no"):
        with pytest.raises(EverloopError):
            table_of(body)
    assert table_of(b'[{"id": 1, "label": true}]').height == 1
    assert table_of(b'{"id": 1, "label": true}\n').height == 1
    assert table_of(b"id,label\n007,1\n", ["id"])["id"].to_list() == ["007"]


def test_the_command_line_tells(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("everloop.cli._output.console._file", None)
    frame = pl.DataFrame({"id": ["1", "x"], "label": [1.5, 2.5]})
    frame.write_csv(project.dir / "labels.csv")
    monkeypatch.setattr(sys, "argv", ["everloop", "feedback", "labels.csv", "--json"])
    main()
    said = json.loads(capsys.readouterr().out)
    assert (said["new"], said["unknown"], said["examples"]) == (2, 1, {"unknown": ["x"]})
    monkeypatch.setattr(sys, "argv", ["everloop", "feedback", "labels.csv"])
    main()
    out = capsys.readouterr().out
    assert "2 rows: 0 new labels" in out and "everloop monitor" in out

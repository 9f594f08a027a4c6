"""Predictions and labels that are logged elsewhere, read as they grow; and when they stop."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression

import everloop as el
from everloop.errors import EverloopError
from everloop.loop.controller import Controller
from everloop.loop.declaration import Declaration, parse
from everloop.loop.losses import tell_clock, tell_silence
from everloop.loop.project import Project
from everloop.loop.sources import Mark, Read, read_sources
from everloop.monitor.importing import Importer
from everloop.monitor.log import PredictionLog
from everloop.monitor.rhythm import DAY, MINUTE, SILENCE, Rhythm
from everloop.store.clock import now_ms

T0 = 1_714_564_800_000
LOOP = """
[loop]
name = "sums"
[data]
source = "none.csv"
target = "y"
id = "id"
time = "t"
[monitor]
"""
SOURCE = """
[monitor.source]
address = "{address}"
every = "1ms"
[monitor.source.labels]
address = "labels"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sums")
    X = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    model = to_onnx(LinearRegression().fit(X, X.sum(axis=1)), X[:1])
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    return folder / "m.onnx"


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "everloop.toml").write_text(LOOP)
    training = pl.DataFrame({"a": np.arange(200.0), "b": np.zeros(200)})
    training.write_csv(tmp_path / "training.csv")
    how = {"features": ["a", "b"], "target": "y", "data": "training.csv"}
    el.register(made, "sums", dir=tmp_path, **how)
    el.promote("sums/1", dir=tmp_path)
    with Project.open(tmp_path) as opened:
        yield opened


def declared(project: Project, source: str) -> Declaration:
    (project.dir / "everloop.toml").write_text(LOOP + source)
    found = project.sync_file()
    assert found is not None
    return found


def rows(first: int, count: int) -> pl.DataFrame:
    numbers = range(first, first + count)
    return pl.DataFrame(
        {
            "id": [str(n) for n in numbers], "t": [T0 + n * 1000 for n in numbers],
            "a": [float(n) for n in numbers], "b": 0.0, "prediction": [float(n) for n in numbers],
        }
    )  # fmt: skip


def ids(project: Project) -> list[int]:
    return sorted(int(id) for id in project.log.predictions("sums")["id"])


def stored(project: Project) -> int:
    """Rows in the parts themselves, those that would be counted once too."""
    return sum(part.height for _, part in project.log.fresh("sums"))


def look(project: Project, declaration: Declaration) -> tuple[int, int]:
    read = read_sources(project, declaration, force=True)
    assert read.error is None
    return read.logged.new, read.fed.new


def test_a_folder_that_grows_is_read_once(project: Project) -> None:
    (project.dir / "in").mkdir()
    (project.dir / "labels").mkdir()
    spec = declared(project, SOURCE.format(address="in"))
    rows(0, 50).write_csv(project.dir / "in/1.csv")
    pl.DataFrame({"id": ["1"], "y": [1.5]}).write_csv(project.dir / "labels/1.csv")
    assert look(project, spec) == (50, 1) and look(project, spec) == (0, 0)
    rows(0, 80).write_csv(project.dir / "in/1.csv")  # it grew
    rows(60, 60).write_csv(project.dir / "in/2.csv")  # and another repeats some of it
    assert look(project, spec) == (70, 0)
    assert ids(project) == list(range(120)) and stored(project) == 120
    with (project.dir / "in/2.csv").open("a") as file:
        file.write("120,1714564920000,1.0,0.0,1")  # somebody is in the middle of a line
    assert look(project, spec) == (0, 0)
    with (project.dir / "in/2.csv").open("a") as file:
        file.write("23.0\n")
    assert look(project, spec) == (1, 0)
    found = project.log.predictions("sums")
    assert found.filter(found["id"] == "120")["y"].to_list() == [123.0]


def test_who_sent_a_row_is_kept(project: Project) -> None:
    (project.dir / "in").mkdir()
    (project.dir / "labels").mkdir()
    told = SOURCE.replace('every = "1ms"', 'every = "1ms"\nsenders = ["client"]')
    spec = declared(project, told.format(address="in"))
    sent = rows(0, 4).with_columns(client=pl.Series(["web", "mobile", None, "web"]))
    sent.write_csv(project.dir / "in/1.csv")
    pl.DataFrame({"id": ["1"], "y": [1.5]}).write_csv(project.dir / "labels/1.csv")
    assert look(project, spec) == (4, 1)
    found = project.log.predictions("sums").sort("id")
    assert found["client"].to_list() == ["web", "mobile", None, "web"]


@pytest.mark.parametrize("lost", ["mark", "part"])
def test_a_look_that_is_killed_is_simply_begun_again(
    project: Project, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    (project.dir / "labels").mkdir()
    pl.DataFrame({"id": ["1"], "y": [1.5]}).write_csv(project.dir / "labels/1.csv")
    spec = declared(project, SOURCE.format(address="served.parquet"))
    rows(0, 30).write_parquet(project.dir / "served.parquet")

    def killed(*_: object) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        place = (project.marks, "write") if lost == "mark" else (Importer, "add")
        patched.setattr(*place, killed)
        with pytest.raises(KeyboardInterrupt):
            read_sources(project, spec)
    assert look(project, spec) == (0 if lost == "mark" else 30, 1)
    assert ids(project) == list(range(30)) and stored(project) == 30


@pytest.mark.parametrize("form", ["text", "seconds", "ms"])
def test_a_database_is_asked_for_what_is_new(project: Project, form: str) -> None:
    source = """
[monitor.source]
address = "sqlite:///served.db"
query = "select * from served"
late = "10s"
"""
    spec = declared(project, source)
    address = f"sqlite:///{project.dir}/served.db"
    at = pl.from_epoch("t", "ms").dt.strftime("%Y-%m-%d %H:%M:%S")
    times = {"text": at, "seconds": pl.col("t") // 1000, "ms": pl.col("t")}

    def add(first: int, count: int) -> None:
        told = rows(first, count).with_columns(t=times[form])
        told.write_database("served", address, if_table_exists="append")

    add(0, 50)
    assert look(project, spec) == (50, 0)
    add(50, 10)
    add(45, 1)  # again, with the same time
    with sqlite3.connect(project.dir / "served.db") as db:
        db.execute("update served set id = '1000' where id = '44'")  # a late row
        db.execute("update served set id = '2000' where id = '3'")  # one that is too late
    assert look(project, spec) == (11, 0)
    assert ids(project) == [*range(60), 1000]
    (seen,) = project.marks.read("sums", "predictions", Mark).parts.values()
    assert (seen.newest, seen.form) == (T0 + 59_000, form)


def test_what_cannot_be_read_is_told_and_the_loop_goes_on(project: Project) -> None:
    spec = declared(project, SOURCE.format(address="missing.csv"))
    read = read_sources(project, spec)
    assert read.error is not None and "missing.csv" in read.error
    assert read_sources(project, parse(LOOP).declaration) == Read()
    for wrong, said in (
        ("[monitor.source]\naddress = 'postgresql://x/y'", r"monitor.source.query"),
        ("[monitor.source]\nevery = '1m'", "monitor.source.address"),
        ("[monitor.source]\naddress = 'a.csv'\nevery = 'often'", "monitor.source.every"),
        ("silence = 'long'", "monitor.silence"),
    ):
        with pytest.raises(EverloopError, match=said):
            parse(LOOP + wrong)


def test_a_source_that_stops_is_told_once_until_rows_come(project: Project) -> None:
    spec = declared(project, "silence = '1h'\n[monitor.channels.f]\nkind = 'file'\npath = 'f'\n")
    look_at = rows(0, 3)
    el.log_predictions(look_at, dir=project.dir)
    assert tell_silence(project, spec, 0) is None
    # It came three hours ago, and every ten minutes before.
    now = now_ms()
    with project.db.write() as conn:
        conn.exec_driver_sql(f"UPDATE log_parts SET created = {now - 180 * MINUTE}")
    usual = Rhythm(now - 190 * MINUTE, (10 * MINUTE,) * 9, {now // DAY: 10 * MINUTE})
    project.marks.write("sums", "rhythm", usual)
    assert tell_silence(project, spec, now) is None  # nobody looked until now
    project.marks.write("sums", "rhythm", usual)
    raised = tell_silence(project, spec, 0)
    assert raised is not None and (raised.kind, raised.feature) == ("log", SILENCE)
    assert raised.summary == "no rows for 3 h, usually every 10 min"
    assert tell_silence(project, spec, 0) is None
    project.alerts.route("sums", spec.monitor)
    (line,) = project.alerts.page("sums", "open")
    assert line.incident.feature == SILENCE
    project.alerts.route("sums", spec.monitor, now_ms() + 9 * DAY)
    assert project.alerts.page("sums", "open") != []  # it lasts
    el.log_predictions(rows(3, 3), dir=project.dir)
    project.alerts.route("sums", spec.monitor)
    assert project.alerts.page("sums", "open") == []


def test_rows_from_the_future_are_told_once(project: Project) -> None:
    spec = declared(project, "")
    el.log_predictions(rows(0, 3), dir=project.dir)
    assert tell_clock(project, spec) is None
    ahead = now_ms() + 250_000  # within what a clock may be ahead when it comes
    el.log_predictions(rows(3, 1).with_columns(t=pl.lit(ahead)), dir=project.dir)
    assert tell_clock(project, spec) is None
    with project.db.write() as conn:
        conn.exec_driver_sql(f"UPDATE log_parts SET last = {ahead + 30 * DAY}")
    raised = tell_clock(project, spec)
    assert raised is not None and "up to 30 d ahead of this machine's clock" in raised.summary
    assert tell_clock(project, spec) is None


def test_a_rhythm_is_learned() -> None:
    rhythm, now = Rhythm(), T0
    for gap in (1, 10, 10, 60, 10, 10):  # the hour is a lunch break
        now += gap * MINUTE
        rhythm = rhythm.after(now, 0)
    assert rhythm.silence(now + 119 * MINUTE, 0) is None
    assert rhythm.silence(now + 121 * MINUTE, 0) == "no rows for 2.02 h, usually every 10 min"
    assert rhythm.silence(now + 30 * MINUTE, 0, 20 * MINUTE) is not None
    assert rhythm.after(now + MINUTE - 1, 0) == rhythm
    later = rhythm.after(now + DAY, now + DAY - MINUTE)  # nobody was there for most of it
    assert later.gaps == rhythm.gaps and later.last == now + DAY
    assert Rhythm().silence(now, 0, MINUTE) is None


def test_the_controller_reads_and_tells(project: Project) -> None:
    (project.dir / "labels").mkdir()
    pl.DataFrame({"id": ["1"], "y": [1.5]}).write_csv(project.dir / "labels/1.csv")
    spec = declared(project, SOURCE.format(address="served.jsonl"))
    day = rows(0, 1).with_columns(t=pl.lit(T0 + 2 * DAY))  # which ends the days before
    pl.concat([rows(300, 200), day]).write_ndjson(project.dir / "served.jsonl")
    controller = Controller(project)
    controller._look()
    assert ids(project) == [0, *range(300, 500)]
    (window,) = project.windows.page("sums")  # of a model that no cycle of ours has made
    assert window.rows == 200 and "a" in window.drifting
    assert project.log.labels("sums")["id"].to_list() == ["1"]
    assert project.marks.read("sums", "rhythm", Rhythm).last > 0
    (project.dir / "served.jsonl").unlink()
    project.marks.write(
        "sums", "predictions",
        msgspec.structs.replace(project.marks.read("sums", "predictions", Mark), looked=0),
    )  # fmt: skip
    controller._look()
    (alert,) = project.windows.alerts("sums", kind="log")
    assert alert.feature == "(source)" and "served.jsonl" in alert.summary
    assert isinstance(project.log, PredictionLog) and spec.endpoint == "sums"

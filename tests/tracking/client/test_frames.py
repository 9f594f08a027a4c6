"""``el.runs`` from a folder and from a server, and the verb."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from logging_server import Server, running

import everloop as el
from everloop.cli import everloop as cli
from everloop.errors import InvalidInput, NotFound


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    for i, value in enumerate((3.0, 1.0, float("nan"), 2.0)):
        with el.start_run("e", f"run {i}", {"i": i}, dir=folder, server="") as run:
            run.log({"m": value})
    with el.start_run("other", "without", dir=folder, server=""):
        pass
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with running(folder) as server:
        yield server


@pytest.fixture(params=["folder", "server"])
def place(request: pytest.FixtureRequest, folder: Path) -> dict[str, object]:
    if request.param == "folder":
        return {"dir": folder, "server": ""}
    return {"dir": folder, "server": request.getfixturevalue("server").url}


def test_the_newest_first(place: dict[str, object]) -> None:
    frame = el.runs(**place)  # type: ignore[arg-type]
    assert frame["name"].to_list() == ["without", "run 3", "run 2", "run 1", "run 0"]
    assert frame["params.i"].to_list() == [None, "3", "2", "1", "0"]
    assert frame["started"].dtype.is_temporal()


def test_a_filter_and_an_order(place: dict[str, object]) -> None:
    frame = el.runs("e", order_by="metrics.m DESC", **place)  # type: ignore[arg-type]
    assert frame["name"].to_list() == ["run 0", "run 3", "run 1", "run 2"]
    frame = el.runs(None, "metrics.m < 3", ["metrics.m"], **place)  # type: ignore[arg-type]
    assert frame["metrics.m"].to_list() == [1.0, 2.0]
    frame = el.runs(None, "metrics.m > 100", **place)  # type: ignore[arg-type]
    assert frame.height == 0 and "run_id" in frame.columns


def test_bad_input(place: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        el.runs("nowhere", **place)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        el.runs(None, "metrics.", **place)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        el.runs(order_by="sideways.x", **place)  # type: ignore[arg-type]
    with pytest.raises(NotFound, match="no project"):
        el.runs(dir=tmp_path, server="")
    assert not list(tmp_path.iterdir())


def test_the_verb(place: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERLOOP_SERVER", str(place["server"]))

    def said(*arguments: str) -> str:
        done = CliRunner().invoke(cli, ["runs", *arguments, "--dir", str(place["dir"])])
        assert done.exit_code == 0, done.output
        return done.output

    listed = json.loads(said("list", "--json", "--experiment", "e", "--limit", "2"))
    assert [run["name"] for run in listed] == ["run 3", "run 2"]
    found = json.loads(said("search", "params.i = '1'", "--json"))
    assert [run["name"] for run in found] == ["run 1"]
    ordered = json.loads(said("list", "--order-by", "metrics.m", "--limit", "1", "--json"))
    assert ordered[0]["name"] == "run 1"
    assert "run 3" in said("list")
    shown = said("show", listed[0]["id"])
    assert "m = 2.000000" in shown and "i = 3" in shown
    assert json.loads(said("show", listed[1]["id"], "--json"))["metrics"]["m"]["value"] is None
    assert json.loads(said("sync", "--json"))["waiting"] is False

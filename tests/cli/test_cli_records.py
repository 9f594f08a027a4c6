"""The verbs of tracking and the registry, in a folder and against a server: the same answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from everloop.cli import command_of
from everloop.errors import Conflict, EverloopError, NotFound
from everloop.loop.project import Project
from everloop.server.child import answers_ready
from everloop.settings import Settings
from everloop.tracking.records import Point
from ports import free_port
from waiting import wait_for

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("records")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """A server of that folder."""
    port = free_port()
    command = [sys.executable, "-m", "everloop.server", "--dir", str(folder), "--port", str(port)]
    process = subprocess.Popen([*command, "--no-controller"], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: answers_ready(("127.0.0.1", port)) or process.poll() is not None)
        yield url
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()


@pytest.fixture(params=["folder", "server"])
def ask(
    request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Ask:
    """Call a verb with ``--json``, on the folder itself and over its server in turn."""
    monkeypatch.delenv("EVERLOOP_SERVER", raising=False)
    where = folder
    if request.param == "server":
        monkeypatch.setenv("EVERLOOP_SERVER", request.getfixturevalue("address"))
        where = tmp_path

    def call(verb: str, *arguments: str, plain: bool = False) -> Any:
        given = [*arguments, "--dir", str(where), *([] if plain else ["--json"])]
        result = CliRunner().invoke(command_of(verb), given)
        if isinstance(result.exception, EverloopError):
            raise result.exception
        assert result.exit_code == 0, result.output + str(result.exception)
        return result.output if plain else json.loads(result.output)

    return call


@pytest.fixture
def run(folder: Path) -> str:
    with Project.open(folder, Settings()) as project:
        run = project.runs.start("trees", "oak")
        project.runs.log(run, points=[Point("loss", 1 / (n + 1), n, n) for n in range(4)])
    return run


def test_models(ask: Ask, folder: Path, tmp_path: Path) -> None:
    name = f"été {tmp_path.name} 100%"
    with Project.open(folder, Settings()) as project:
        project.registry.create_model(name, description="d", tags={"a": "b"}, actor="t")
        for _ in range(3):
            project.registry.create_version(name, source="s3://b/m", actor="t")
    assert name in [one["name"] for one in ask("models", "list")["items"]]
    assert ask("models", "list", "--filter", "name = 'none'")["items"] == []
    assert ask("models", "alias", name, "best", "2") == {"aliases": {"best": 2}}
    assert ask("models", "stage", name, "1", "production", "--archive-others")["stage"] == (
        "Production"
    )
    shown = ask("models", "show", name)
    assert [v["version"] for v in shown["versions"]] == [3, 2, 1]
    assert "best → 2" in ask("models", "list", plain=True)
    assert "Production" in ask("models", "show", name, plain=True)
    assert ask("models", "delete", name, "3") == {"deleted": f"{name}/3"}
    assert ask("models", "alias", name, "best", "--delete") == {"aliases": {}}
    with pytest.raises(NotFound):
        ask("models", "show", "no model")
    about = ask("events", "--subject", f"model:{name}")["items"]
    actors = {one["actor"] for one in about if one["kind"] == "model.alias_set"}
    assert actors in ({"cli"}, {"http:local"})
    newest = ask("events", "--kind", "model.alias_set", "--limit", "1")
    older = ask("events", "--kind", "model.*", "--before", str(newest["items"][0]["seq"]))["items"]
    assert older and older[0]["seq"] < newest["items"][0]["seq"]
    group = ask("search", name)["groups"][0]
    assert group["hits"][0]["name"] == name
    assert ask("models", "delete", name) == {"deleted": name}


def test_settings_and_storage(ask: Ask) -> None:
    assert {one["name"]: one["value"] for one in ask("settings")}["lease"] == "10s"
    assert "session_idle" in ask("settings", "--all", plain=True)
    assert ask("storage")["places"][0]["name"] == "database"
    assert "A collection would free" in ask("storage", plain=True)
    assert "Nothing is called so" in ask("search", "no such thing", plain=True)


def test_experiments(ask: Ask, tmp_path: Path) -> None:
    name = tmp_path.name
    id = str(ask("experiments", "create", name)["id"])
    with pytest.raises(Conflict):
        ask("experiments", "create", name)
    assert ask("experiments", "rename", id, name + "-b")["name"] == name + "-b"
    assert "is deleted" in ask("experiments", "delete", id, plain=True)
    names = [one["name"] for one in ask("experiments", "list", "--deleted")["items"]]
    assert name + "-b" in names
    assert ask("experiments", "restore", id)["deleted"] is None
    assert name + "-b" in ask("experiments", "list", "--filter", f"name LIKE '{name}%'", plain=True)


def test_artifacts(ask: Ask, run: str, tmp_path: Path) -> None:
    file = tmp_path / "a file+ü.bin"
    file.write_bytes(b"x" * 3_000_000)
    stored = ask("artifacts", "put", run, str(file), "deep/a file+ü.bin")
    assert (stored["path"], stored["size"]) == ("deep/a file+ü.bin", 3_000_000)
    ask("artifacts", "put", run, str(file))
    listed = ask("artifacts", "list", run)["items"]
    assert [one["path"] for one in listed] == ["a file+ü.bin", "deep"]
    assert "deep/a file+ü.bin" in ask("artifacts", "list", run, "deep", plain=True)
    to = tmp_path / "back.bin"
    ask("artifacts", "get", run, "deep/a file+ü.bin", "--to", str(to))
    assert to.read_bytes() == file.read_bytes()
    with pytest.raises(NotFound):
        ask("artifacts", "get", run, "none", "--to", str(tmp_path / "none"))
    assert not (tmp_path / "none").exists() and not list(tmp_path.glob(".*.part"))
    assert ask("artifacts", "delete", run, "deep") == {"deleted": 1}


def test_runs_and_their_histories(ask: Ask, run: str) -> None:
    page = ask("runs", "history", run, "loss", "--limit", "3")
    rest = ask("runs", "history", run, "loss", "--before", page["next"])
    assert [point["step"] for point in page["items"] + rest["items"]] == [0, 1, 2, 3]
    assert ask("runs", "delete", run)["deleted"] is not None
    with pytest.raises(Conflict):
        ask("runs", "delete", run)
    assert "is there" in ask("runs", "restore", run, plain=True)


def test_groups_and_saved_views_of_runs(ask: Ask, run: str) -> None:
    asked = ("metrics.loss >= 0", "--group-by", "status", "--metric", "loss")
    (group,) = ask("runs", "search", *asked, "--save-view", "by status")["groups"]
    assert (group["value"], group["metrics"]["loss"]["runs"]) == ("RUNNING", group["runs"])
    assert "loss mean" in ask("runs", "list", "--view", "by status", "--metric", "loss", plain=True)
    (view,) = ask("runs", "views")["items"]
    assert (view["query"]["filter"], view["query"]["group_by"]) == ("metrics.loss >= 0", "status")
    assert "by status" in ask("runs", "views", plain=True)
    assert ask("runs", "delete-view", "by status")["name"] == "by status"
    with pytest.raises(NotFound):
        ask("runs", "list", "--view", "by status")
    assert "No view was saved." in ask("runs", "views", plain=True)


def test_webhooks(ask: Ask) -> None:
    made = ask("webhooks", "create", "w", "https://example.com/h", "--event",
               "model_version.created", "--secret", "s3cret")  # fmt: skip
    assert "s3cret" not in json.dumps(made)
    assert made["id"] in ask("webhooks", "list", plain=True)
    assert ask("webhooks", "deliveries", made["id"])["items"] == []
    assert ask("webhooks", "delete", made["id"]) == {"deleted": made["id"]}
    with pytest.raises(EverloopError, match="public"):
        ask("webhooks", "create", "w", "https://127.0.0.1/", "--event", "model_version.created")


def test_an_import_at_a_server(
    address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EVERLOOP_SERVER", address)
    result = CliRunner().invoke(
        command_of("import"), ["mlflow", "sqlite:////etc/passwd", "--dir", str(tmp_path)]
    )
    assert isinstance(result.exception, EverloopError)
    assert result.exception.code == "outside_the_fence"
    assert not (tmp_path / ".everloop").exists()

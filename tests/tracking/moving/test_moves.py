"""Imports and exports that a server does by itself: kept, fenced in, resumed."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from mlflow_made import RUNS, Made
from moving_server import served

from everloop.errors import Conflict, EverloopError, Forbidden, InvalidInput, NotFound, Unavailable
from everloop.loop import mover
from everloop.loop.mover import Mover
from everloop.loop.project import Project
from everloop.registry.webhooks import guard
from everloop.settings import Settings
from everloop.store.tables import moves as table
from everloop.tracking.moving.fence import Fence
from everloop.tracking.moving.queue import Kind, MoveStore
from everloop.tracking.moving.sources.opening import open_source
from ports import free_port
from waiting import wait_for

OPTIONS = {
    "artifacts": True, "artifacts_from": None, "merge": False, "rename_with": "",
    "checksums": True, "dry_run": False,
}  # fmt: skip


@pytest.fixture
def project(database_url: str, mlflow: Made, tmp_path: Path) -> Iterator[Project]:
    """A project of each dialect in turn, which may read what lies in the MLflow's folder."""
    settings = Settings(database_url=database_url, move_places=str(mlflow.root))
    with Project.open(tmp_path / "project", settings) as opened:
        yield opened


def ask(project: Project, address: str, kind: Kind = "import", **options: Any) -> str:
    return project.moves.add(kind, address, OPTIONS | options, "ann").id


def test_what_is_asked_for_is_done_and_told(project: Project, mlflow: Made) -> None:
    id = ask(project, mlflow.url)
    assert Mover(project).do_one() and not Mover(project).do_one()
    done = project.moves.get(id)
    assert (done.state, done.attempts, done.error) == ("done", 1, None)
    assert done.report and done.report["ok"] and done.progress["runs"] == (4, 4)
    assert project.runs.get(RUNS[0]).params == {"lr": "0.1"}
    kinds = [event.kind for event in project.events.page(subject=f"import:{id}")]
    assert kinds == ["import.asked"] and project.events.verify().ok


def test_one_is_done_at_a_time_by_one(project: Project) -> None:
    store = project.moves
    first, second = ask(project, "https://a.example"), ask(project, "https://b.example")
    taken = store.take()
    assert taken and taken.id in (first, second) and store.take() is None
    assert store.renew(taken, {"runs": (1, None)})
    assert store.get(taken.id).progress == {"runs": (1, None)}
    silent(store, taken.id)
    again = store.take()
    assert again and (again.id, again.attempts) == (taken.id, 2)
    assert not store.renew(taken, {}) and not store.settle(taken, {}, {})  # it is another's now
    store.release(again)
    assert store.get(taken.id).state == "waiting"


def silent(store: MoveStore, id: str) -> None:
    """As when its server died and its lease has ended."""
    with store.db.write() as conn:
        conn.execute(sa.update(table).where(table.c.id == id).values(due=1))


def test_stopped_between_two_batches_and_resumed(
    project: Project, mlflow: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = ask(project, mlflow.url)
    worker = Mover(project)
    monkeypatch.setattr(mover, "BEAT_SECONDS", 0)  # looks before the first batch is over
    renew = project.moves.renew

    def stopping(*given: Any) -> bool:
        if project.moves.get(id).state == "running":
            project.moves.stop(id, "import", "bob")
        return renew(*given)

    monkeypatch.setattr(project.moves, "renew", stopping)
    assert worker.do_one()
    assert project.moves.get(id).state == "stopped"
    with pytest.raises(Conflict):
        project.moves.stop(id, "import", "bob")
    monkeypatch.undo()
    assert project.moves.resume(id, "import", "bob").state == "waiting"
    assert worker.do_one() and project.moves.get(id).report["ok"]  # type: ignore[index]


def test_a_source_that_is_away_is_tried_again_and_a_wrong_one_is_not(
    project: Project, mlflow: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise Unavailable("It is away.", code="server_unavailable")

    id = ask(project, mlflow.url)
    monkeypatch.setattr(mover, "bring_in", away)
    for attempt in range(1, mover.ATTEMPTS + 1):
        assert Mover(project).do_one()
        found = project.moves.get(id)
        assert found.attempts == attempt and found.error["code"] == "server_unavailable"  # type: ignore[index]
        assert not Mover(project).do_one()
        with project.db.write() as conn:  # the pause is over
            conn.execute(sa.update(table).where(table.c.due.is_not(None)).values(due=1))
    assert found.state == "failed"
    monkeypatch.undo()
    project.experiments.create("alpha")
    wrong = ask(project, mlflow.url)
    assert Mover(project).do_one()
    found = project.moves.get(wrong)
    assert found.state == "failed" and found.error and found.error["code"] == "names_taken"


def test_pages_and_kinds(project: Project) -> None:
    made = [ask(project, f"https://{n}.example") for n in range(5)]
    out = ask(project, "https://x.example", "export")
    first = project.moves.page("import", 3)
    rest = project.moves.page("import", 3, first.next)
    assert {one.id for one in first.items + rest.items} == set(made) and rest.next is None
    for call in (project.moves.get, lambda id, kind: project.moves.stop(id, kind, "me")):
        with pytest.raises(NotFound):
            call(out, "import")
    with pytest.raises(InvalidInput):
        project.moves.page("import", 3, "forged")


# -- the fence -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com", "https://localhost:5000", "https://127.0.0.1", "https://10.0.0.1",
        "http://169.254.169.254/latest", "https://[::1]:5000", "https://2130706433",
        "https://user:secret@example.com", "sqlite:////etc/passwd", "/etc", "etc", "mlruns",
        "file:///etc", "sqlite:///relative.db", "postgresql://me:secret@db/x", "mysql://h/x",
        "s3://bucket/x", "sqlite:///{root}/../outside.db", "sqlite:///{root}/link.db",
        "{root}/link", "sqlite:///{root}/mlflow.db?mode=rwc", "ftp://example.com",
        "file://host/{root}", "sqlite:///file:{root}/mlflow.db",
    ],
)  # fmt: skip
def test_what_lies_outside_of_the_fence(mlflow: Made, address: str) -> None:
    (mlflow.root / "link").symlink_to("/etc")
    (mlflow.root / "link.db").symlink_to("/etc/passwd")
    fence = Fence.of(f" mlflow.internal , {mlflow.root}")
    with pytest.raises(Forbidden) as caught:
        fence.check("source", address.format(root=mlflow.root))
    assert caught.value.code == "outside_the_fence" and "secret" not in caught.value.message


def test_what_lies_inside_of_the_fence(mlflow: Made) -> None:
    fence = Fence.of(f"mlflow.internal, {mlflow.root}")
    for address in ("https://example.com", "http://mlflow.internal:5000", mlflow.url,
                    str(mlflow.root), f"file://{mlflow.root}"):  # fmt: skip
        fence.check("source", address)


def test_a_name_that_leads_inside_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_resolve", lambda host, port: ["10.0.0.7"])
    with pytest.raises(Forbidden, match="no public host"):
        open_source("https://mlflow.example", None, Fence.of(""))


def test_a_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    looked: list[str] = []
    monkeypatch.setattr(guard, "_resolve", lambda host, port: looked.append(host) or ["127.0.0.1"])
    (tmp_path / "served").mkdir()
    with served(tmp_path / "served") as url:
        port = httpx.URL(url).port
        fence = Fence.of("localhost")
        source = open_source(f"http://localhost:{port}", None, fence)
        assert [one.name for one in source.experiments()] == ["Default"]
        source.close()
    assert looked == ["localhost"]


def test_files_outside_of_the_fence_stay_where_they_are(
    database_url: str, tmp_path: Path, mlflow: Made
) -> None:
    """An MLflow may say that its artifacts are the files of this machine."""
    secret = tmp_path / "secret"
    (secret / "model").mkdir(parents=True)
    (secret / "key").write_text("s3cret")
    with mlflow.engine.begin() as conn:
        conn.execute(sa.text("UPDATE runs SET artifact_uri = :u"), {"u": secret.as_uri()})
    settings = Settings(database_url=database_url, move_places=str(mlflow.root))
    with Project.open(tmp_path / "project", settings) as project:
        id = project.moves.add("import", mlflow.url, OPTIONS, "ann").id
        assert Mover(project).do_one()
        done = project.moves.get(id)
        assert done.state == "done" and any("stay there" in note for note in done.report["notes"])  # type: ignore[index]
        assert project.runs.get(RUNS[0]).location == secret.as_uri()
        assert all(b"s3cret" not in data(project, e.digest) for e in project.artifacts.walk(""))


def data(project: Project, digest: str | None) -> bytes:
    return project.blobs.get(digest or "")


def test_our_own_passwords_are_not_sent_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "ours")
    (tmp_path / "served").mkdir()
    with served(tmp_path / "served") as url:
        source = open_source(url, None, Fence.of("127.0.0.1"))
        assert "authorization" not in source.server.http.headers  # type: ignore[attr-defined]
        source.close()


# -- a real server ---------------------------------------------------------------------------------


def test_an_import_goes_on_after_its_server_was_killed(mlflow: Made, tmp_path: Path) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "everloop.toml").write_text(
        '[loop]\nname = "x"\n[data]\nsource = "d.csv"\ntarget = "y"\n'
        f'[settings]\nmove_places = "{mlflow.root}"\n'
    )
    (folder / "d.csv").write_text("a,y\n1,0\n")
    for number in range(60):
        mlflow.run(f"{number:032x}", experiment=1)
        mlflow.points(f"{number:032x}", "m", [float(n) for n in range(300)])
    url, process = start(folder)
    try:
        asked = httpx.post(f"{url}/api/v1/imports", json={"source": mlflow.url})
        assert asked.status_code == 202, asked.text
        id = asked.json()["id"]
        refused = httpx.post(f"{url}/api/v1/imports", json={"source": "sqlite:////etc/passwd"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "outside_the_fence")
        wait_for(lambda: moved(url, id)["state"] != "waiting")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    database = sqlite3.connect(folder / ".everloop" / "everloop.db")
    database.execute("UPDATE moves SET due = 1 WHERE due IS NOT NULL")  # the lease has ended
    database.commit()
    database.close()
    url, process = start(folder)
    try:
        wait_for(lambda: moved(url, id)["state"] == "done")
        done = moved(url, id)
        counts = {line["kind"]: (line["theirs"], line["ours"]) for line in done["report"]["lines"]}
        assert done["report"]["ok"] and counts["runs"] == (64, 64), done
        listed = httpx.get(f"{url}/api/v1/imports").json()
        assert [one["id"] for one in listed["items"]] == [id]
        assert httpx.get(f"{url}/api/v1/exports/{id}").status_code == 404
        again = httpx.post(f"{url}/api/v1/imports/{id}/resume")
        assert again.json()["state"] == "waiting"
        wait_for(lambda: moved(url, id)["state"] == "done")
    finally:
        process.terminate()
        assert process.wait(60) == 0


def moved(url: str, id: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{url}/api/v1/imports/{id}").json()
    return found


def start(folder: Path) -> tuple[str, subprocess.Popen[bytes]]:
    port = free_port()
    command = [sys.executable, "-m", "everloop.server", "--dir", str(folder), "--port", str(port)]
    process = subprocess.Popen([*command, "--no-controller"], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"

    def up() -> bool:
        try:
            return httpx.get(f"{url}/ready").is_success
        except httpx.TransportError:
            return False

    wait_for(up)
    return url, process


def test_what_goes_wrong_inside_is_said_and_shows_no_inside(
    project: Project, mlflow: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mover, "bring_in", lambda *a, **k: 1 / 0)
    id = ask(project, mlflow.url)
    assert Mover(project).do_one()
    error = project.moves.get(id).error
    assert error and error["code"] == "internal_error" and "ZeroDivision" not in str(error)
    assert issubclass(Forbidden, EverloopError)

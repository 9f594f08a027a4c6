"""Real processes that are killed: what was acknowledged, or written ahead, is never lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from logging_server import Server, running, script

import everloop as el
from everloop.errors import Forbidden, NotFound
from everloop.loop.project import Project
from everloop.tracking.client.channels import send_leftovers
from everloop.tracking.client.place import place_of
from waiting import SECONDS

LOGS_FOREVER = """
import sys, time
import everloop as el
run = el.start_run("e", dir=".", server=sys.argv[1] if len(sys.argv) > 1 else None)
print(run.id)
step = 0
while True:
    now = time.time()
    run.log({"a": now}, step=step)
    print(step, now)
    step += 1
    time.sleep(0.002)
"""


@pytest.fixture(autouse=True)
def state_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("EVERLOOP_SERVER", raising=False)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Server]:
    """A server that the test kills."""
    with running(tmp_path / "there") as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that several tests use."""
    with running(tmp_path_factory.mktemp("server") / "there") as server:
        yield server


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


def steps(folder: Path, run: str, key: str = "a") -> list[int]:
    """The steps that the database holds, as they are."""
    with Project.open(folder) as project:
        return [point.step for point in project.runs.history(run, key).items]


def test_the_server_is_killed_in_mid_stream(mortal: Server, here: Path) -> None:
    acknowledged = 0
    with el.start_run("e", dir=here, server=mortal.url, name="n") as run:
        for step in range(3000):
            run.log({"a": float(step)}, step=step)
            if step % 250 == 249:
                if step % 1000 == 749:
                    mortal.kill()
                    assert len(steps(mortal.folder, run.id)) >= acknowledged
                    mortal.start()
                assert run.flush(SECONDS)
                acknowledged = step + 1
            elif step % 10 == 0:
                time.sleep(0.001)
    assert steps(mortal.folder, run.id) == list(range(3000))
    with Project.open(mortal.folder) as project:
        assert project.runs.get(run.id).status == "FINISHED"
        assert len(project.runs.search().items) == 1


def test_the_server_is_away_at_the_start_and_comes_back(
    mortal: Server, here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mortal.kill()
    run = el.start_run("e", dir=here, server=mortal.url, params={"p": 1})
    for step in range(5000):
        run.log({"a": 1.0}, step=step)
    assert not run.flush(0.2)
    assert "does not answer" in caplog.text
    mortal.start()
    assert run.flush(SECONDS)
    run.finish()
    assert steps(mortal.folder, run.id) == list(range(5000))
    with Project.open(mortal.folder) as project:
        found = project.runs.get(run.id)
    assert found.params == {"p": "1"} and found.status == "FINISHED"


def test_the_client_is_killed_and_the_next_one_sends_what_it_left(
    mortal: Server, here: Path, tmp_path: Path
) -> None:
    client = script(here, LOGS_FOREVER.replace("sys.argv[1] if len(sys.argv) > 1 else None",
                                               repr(mortal.url)))  # fmt: skip
    assert client.stdout is not None
    run = client.stdout.readline().strip()
    for line in client.stdout:
        if int(line.split()[0]) == 200:
            break
    mortal.kill()  # from here on it is in the write-ahead file only
    for line in client.stdout:
        if int(line.split()[0]) == 400:
            break
    client.send_signal(signal.SIGKILL)
    killed = time.time()
    last = [line.split() for line in client.stdout.read().splitlines()]
    client.wait()
    mortal.start()

    place = place_of(here, mortal.url)
    object.__setattr__(place, "outboxes", here / "state" / "everloop" / "outbox")
    assert send_leftovers(place).clients == 1
    assert send_leftovers(place).clients == 0
    kept = steps(mortal.folder, run)
    assert kept == list(range(len(kept)))
    with Project.open(mortal.folder) as project:
        newest = project.runs.history(run, "a").items[-1].value
    # A tenth of this on a machine that has time; nothing at all when the file is not written.
    assert killed - newest < 2 or len(kept) > int(last[-1][0])
    assert not list(place.outboxes.glob("[0-9a-f]*"))


def test_a_client_that_died_before_the_server_answered_doubles_nothing(
    server: Server, here: Path
) -> None:
    """The same records again, from the start: what was kept is known by its number."""
    run = el.start_run("e", dir=here, server=server.url)
    run.log({"a": 1.0}, step=1)
    run.set_tags({"t": "old"})
    assert run.flush()
    (outbox,) = [p.parent for p in (Path(os.environ["XDG_STATE_HOME"])).rglob("target")]
    copy = outbox.with_name("0" * 31 + "1")
    copy.mkdir()
    for file in (*outbox.glob("*.seg"), outbox / "target"):
        (copy / file.name).write_bytes(file.read_bytes())
    with el.start_run(run=run.id, dir=here, server=server.url) as other:
        other.set_tags({"t": "new"})
    sent = send_leftovers(place_of(here, server.url))
    assert sent.clients == 1 and sent.sent >= 3
    with Project.open(server.folder) as project:
        assert project.runs.get(run.id).tags["t"] == "new"
    assert steps(server.folder, run.id) == [1]
    run.finish()


def test_sigterm_ends_the_run_and_the_program(server: Server, here: Path) -> None:
    lines = LOGS_FOREVER.strip().splitlines()
    body = "\n".join("    " + line for line in lines[3:])
    text = "\n".join(
        [*lines[:2], f"with el.start_run('e', dir='.', server={server.url!r}) as run:"]
    )
    client = script(here, f"{text}\n{body}")
    assert client.stdout is not None
    run = client.stdout.readline().strip()
    for line in client.stdout:
        if int(line.split()[0]) == 20:
            break
    client.send_signal(signal.SIGTERM)
    printed = client.stdout.read().splitlines()
    assert client.wait(60) == 143
    with Project.open(server.folder) as project:
        assert project.runs.get(run).status == "KILLED"
    assert len(steps(server.folder, run)) >= int(printed[-1].split()[0]) if printed else 21


def test_a_run_without_a_block_ends_with_the_program(server: Server, here: Path) -> None:
    start = f"import everloop as el\nrun = el.start_run('e', dir='.', server={server.url!r})\n"
    start += "print(run.id)\nrun.log({'a': 1.0})\n"
    for ending, status, code in (("", "FINISHED", 0), ("1 / 0", "FAILED", 1)):
        client = script(here, start + ending)
        assert client.stdout is not None
        run = client.stdout.read().strip()
        assert client.wait(60) == code
        with Project.open(server.folder) as project:
            found = project.runs.get(run)
        assert found.status == status and found.metrics["a"].value == 1.0


def test_two_clients_on_one_run(server: Server, here: Path) -> None:
    with el.start_run("e", dir=here, server=server.url) as run:
        text = f"""
import everloop as el
with el.start_run(run={run.id!r}, dir=".", server={server.url!r}) as run:
    for step in range(1000):
        run.log({{"b": float(step), "shared": float(step)}}, step=step, at=step)
"""
        other = script(here, text)
        for step in range(1000):
            run.log({"a": float(step), "shared": float(step)}, step=step, at=step)
        assert other.wait(60) == 0
    for key in ("a", "b", "shared"):
        assert steps(server.folder, run.id, key) == list(range(1000))


def test_what_the_server_refuses_at_the_start_is_raised(server: Server, here: Path) -> None:
    with pytest.raises(NotFound):
        el.start_run(run="f" * 32, dir=here, server=server.url)
    with el.start_run("e", dir=here, server=server.url) as run:
        run.log({"a": 1.0})
    assert steps(server.folder, run.id) == [0]


def test_a_wrong_token_is_said_at_the_start(
    tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVERLOOP_TOKEN", "the-right-one-of-some-length")
    with running(tmp_path / "asks") as server:
        monkeypatch.setenv("EVERLOOP_TOKEN", "wrong")
        with pytest.raises(Forbidden):
            el.start_run("e", dir=here, server=server.url)


def test_an_artifact_waits_too(mortal: Server, here: Path) -> None:
    mortal.kill()
    with el.start_run("e", dir=here, server=mortal.url) as run:
        (here / "model.txt").write_text("weights")
        run.log_artifact(here / "model.txt", "models/a b#1.txt".replace("#", "-"))
        (here / "model.txt").unlink()
        back = threading.Timer(0.3, mortal.start)
        back.start()
    back.join()
    assert run.flush(SECONDS)
    with Project.open(mortal.folder) as project:
        root = project.runs.get(run.id).location.removeprefix("mlflow-artifacts:/")
        assert b"".join(project.artifacts.read(f"{root}/models/a b-1.txt")) == b"weights"

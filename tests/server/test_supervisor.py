"""The supervisor over stand-in planes; everything is a real process."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from everloop.errors import Conflict, Forbidden, InvalidInput
from everloop.server.bind import check_bind, claim_port, is_loopback
from everloop.server.child import answers_ready, rotate
from everloop.server.supervisor import run_up
from everloop.server.upfile import hold_lock, read_up
from ports import free_port
from waiting import wait_for

UP = Path(__file__).with_name("up.py")
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the supervisor; whatever is left at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(first: str = "", second: str = "", form: str = "text") -> subprocess.Popen[str]:
        ports = [free_port() for _ in range(2)]
        command = [sys.executable, str(UP), str(tmp_path / ".everloop"), form, str(ports[0])]
        command += [*first.split(), "--", str(ports[1]), *second.split()]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield run
    for process in started:
        children: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            children = children_of(process)
        process.kill()
        for child in children:  # which may end by itself just now
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        process.communicate()


def children_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children()


def gone(child: psutil.Process) -> bool:
    try:
        return not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # between the two questions
        return True


def test_ready_line_up_file_and_clean_end(start: Start, tmp_path: Path) -> None:
    process = start(second="--slow 0.3")
    line = process.stdout.readline()  # type: ignore[union-attr]
    up = read_up(tmp_path / ".everloop")
    assert up is not None and up.pid == process.pid
    assert line == (
        f"everloop is ready: console and API at {up.url}, predictions at {up.serve_url}\n"
    )
    children = children_of(process)
    assert len(children) == 2
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert all(gone(child) for child in children)
    assert read_up(tmp_path / ".everloop") is None
    assert not (tmp_path / ".everloop" / "up.json").exists()


def test_the_ready_line_as_json(start: Start) -> None:
    process = start(form="json")
    line = json.loads(process.stdout.readline())  # type: ignore[union-attr]
    assert line["ready"] is True
    assert answers_ready(("127.0.0.1", int(line["serve_url"].rpartition(":")[2])))


def test_a_crashed_child_comes_back(start: Start) -> None:
    process = start()
    process.stdout.readline()  # type: ignore[union-attr]
    victim = children_of(process)[0]
    victim.kill()
    said = process.stderr.readline()  # type: ignore[union-attr]
    assert "control plane ended (signal 9" in said and "again in 0.5 s" in said
    assert "ready again" in process.stderr.readline()  # type: ignore[union-attr]
    assert victim.pid not in [child.pid for child in children_of(process)]


def test_children_end_when_the_supervisor_is_killed(start: Start, tmp_path: Path) -> None:
    process = start()
    process.stdout.readline()  # type: ignore[union-attr]
    children = children_of(process)
    process.kill()
    wait_for(lambda: all(gone(child) for child in children))
    assert (tmp_path / ".everloop" / "up.json").exists()  # left over ...
    assert read_up(tmp_path / ".everloop") is None  # ... and counts for nothing


def test_a_refusal_is_said_in_the_childs_words(start: Start) -> None:
    process = start(first="--refuse")
    assert process.wait(60) == 2
    assert process.stderr.read() == (  # type: ignore[union-attr]
        "everloop: data.target: got 'x', expected a column.\n"
    )


def test_gives_up_on_a_child_that_never_gets_ready(start: Start) -> None:
    process = start(first="--slow 60 --crash-after 0.01")
    assert process.wait(60) == 1
    assert "ended 3 times before it was ready" in process.stderr.read()  # type: ignore[union-attr]


def test_one_up_per_folder(tmp_path: Path) -> None:
    with hold_lock(tmp_path / ".everloop"), pytest.raises(Conflict, match="already running"):
        run_up(tmp_path)


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    import socket

    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        with pytest.raises(Conflict, match=rf"port {port} on 127.0.0.1 is in use.*--port"):
            run_up(tmp_path, port=port)


def test_beyond_loopback_needs_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVERLOOP_TOKEN", raising=False)
    with pytest.raises(Forbidden, match="no token is set"):
        run_up(tmp_path, host="0.0.0.0")
    check_bind("0.0.0.0", "secret")
    check_bind("127.0.0.1", "")
    assert [is_loopback(h) for h in ("::1", "localhost", "127.9.9.9", "::", "example.org")] == [
        True,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_number_that_is_no_port(port: int) -> None:
    with pytest.raises(InvalidInput, match="--port: got"):
        claim_port("127.0.0.1", port, "--port")


def test_an_address_of_another_machine() -> None:
    with pytest.raises(InvalidInput, match="an address of this machine"):
        claim_port("203.0.113.7", 0, "--port")


def test_logs_are_moved_aside_by_size(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    for text in ("first", "second", "third", "4"):
        log.write_text(text)
        rotate(log, limit=5, kept=2)
    assert log.read_text() == "4"
    assert (tmp_path / "a.log.1").read_text() == "third"
    assert (tmp_path / "a.log.2").read_text() == "second"


def test_the_supervisor_imports_nothing_heavy() -> None:
    code = "import everloop.server.supervisor, sys; print('\\n'.join(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"sqlalchemy", "polars", "numpy", "starlette", "granian", "dbos", "asyncio", "typer"}
    assert not heavy & set(shown.stdout.split())

"""The control plane as a real process on a real socket."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from server_helpers import LOOP_FILE

from everloop.server.child import answers_ready
from ports import free_port
from waiting import wait_for


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The server over a folder."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("EVERLOOP_")}
    command = [sys.executable, "-m", "everloop.server", "--dir", str(folder), "--no-controller"]
    return subprocess.Popen(
        [*command, *arguments], env=clean | environment, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "everloop.toml").write_text(LOOP_FILE + "[settings]\nmax_body_mb = 1.0\n")
    return tmp_path


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def server(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    process = start(folder, "--port", str(port), "--watch-stdin")
    wait_for(lambda: answers_ready(("127.0.0.1", port)) or process.poll() is not None)
    assert process.poll() is None
    with process:
        yield process
        process.kill()


def test_hostile_bodies_leave_it_standing_and_sigterm_ends_it_cleanly(
    server: subprocess.Popen[str], port: int
) -> None:
    url = f"http://127.0.0.1:{port}/api/v1/check"
    big = httpx.post(url, content=b"x" * 100_000_000, timeout=60)
    assert (big.status_code, big.json()["error"]["code"]) == (413, "too_large")

    def endless() -> Iterator[bytes]:
        for _ in range(2_000):
            yield b"x" * 1_000

    chunked = httpx.post(url, content=endless(), timeout=60)
    assert chunked.status_code == 413
    with socket.create_connection(("127.0.0.1", port)) as cut_off:
        head = (
            f"POST /api/v1/check HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 500\r\n\r\n"
        )
        cut_off.sendall(head.encode() + b'{"text": "')
    foreign = httpx.get(f"http://127.0.0.1:{port}/ready", headers={"host": "evil.example"})
    assert foreign.status_code == 421
    assert httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200
    assert server.poll() is None
    server.send_signal(signal.SIGTERM)
    assert server.wait(60) == 0


def test_ends_when_its_supervisor_is_gone(server: subprocess.Popen[str]) -> None:
    assert server.stdin
    server.stdin.close()
    assert server.wait(60) == 0


def test_a_port_in_use_is_one_sentence(folder: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        process = start(folder, "--port", str(held.getsockname()[1]))
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "is in use" in said and "--port" in said and "Traceback" not in said


def test_beyond_loopback_without_a_token_is_one_sentence(folder: Path) -> None:
    process = start(folder, "--host", "0.0.0.0", "--port", "0")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.strip().endswith("set EVERLOOP_TOKEN, or bind to 127.0.0.1.")


def loaded(imports: str) -> set[str]:
    """The modules that a fresh interpreter holds after ``imports``."""
    code = f"import sys; {imports}; print('\\n'.join(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(shown.stdout.split())


def test_the_control_plane_imports_nothing_to_train_serve_or_calculate_with() -> None:
    heavy = {"sklearn", "lightgbm", "onnx", "onnxruntime", "skl2onnx", "optuna", "pandas", "torch"}
    found = loaded("import everloop.server.__main__, everloop.loop.controller")
    assert not (heavy | {"scipy.special", "numpy.f2py"}) & found


def test_a_verb_that_asks_a_database_imports_no_more_than_that() -> None:
    """Not what speaks HTTP, draws pages, calculates, trains or serves."""
    elsewhere = {"httpx", "jinja2", "starlette", "dbos", "scipy.special", "onnxruntime", "sklearn"}
    verbs = ("init", "check", "status", "history", "run", "train", "test", "monitor", "update")
    found = loaded(f"import everloop.cli as c; [c.command_of(v) for v in {verbs!r}]")
    assert not elsewhere & found


def test_no_verb_imports_what_trains() -> None:
    heavy = {"sklearn", "lightgbm", "onnx", "skl2onnx", "optuna", "pandas", "torch", "dbos"}
    found = loaded("import everloop.cli as c; [c.command_of(v) for v in c.VERBS]")
    assert not (heavy | {"scipy.special"}) & found

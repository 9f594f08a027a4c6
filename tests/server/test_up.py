"""``everloop up`` with both real planes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
from server_helpers import LOOP_FILE

from everloop.server.upfile import read_up
from waiting import wait_for

UP = [sys.executable, "-m", "everloop.server.supervisor"]


def test_up_serves_both_planes_and_ends_with_them(tmp_path: Path) -> None:
    (tmp_path / "everloop.toml").write_text(LOOP_FILE)
    clean = {k: v for k, v in os.environ.items() if not k.startswith("EVERLOOP_")}
    command = [*UP, "--dir", str(tmp_path), "--port", "0", "--serve-port", "0", "--json"]
    process = subprocess.Popen(command, env=clean, stdout=subprocess.PIPE, text=True)
    try:
        line = json.loads(process.stdout.readline())  # type: ignore[union-attr]
        children = psutil.Process(process.pid).children()
        assert httpx.get(line["url"]).text.count("No cycle has ended yet") == 1
        assert httpx.get(line["url"] + "/api/v1/status").json()["serve_url"] == line["serve_url"]
        assert httpx.get(line["serve_url"] + "/endpoints").json()["endpoints"] == {}
        up = read_up(tmp_path / ".everloop")
        assert up is not None and up.url == line["url"]
        second = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=60)
        assert second.returncode == 2
        assert f"already running on {tmp_path} at {up.url}" in second.stderr
        assert json.loads(second.stdout)["error"]["code"] == "already_up"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert not any(child.is_running() for child in children)
    finally:
        process.kill()
        process.communicate()


def test_a_broken_loop_file_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "everloop.toml").write_text(LOOP_FILE + "\n[trian]\n")
    command = [*UP, "--dir", str(tmp_path), "--port", "0", "--serve-port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert 'Did you mean "train"?' in ended.stderr


def test_sigterm_amid_training_ends_at_once_and_the_next_up_goes_on(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n % 7},{(n * 37) % 101}\n" for n in range(400))
    (tmp_path / "data.csv").write_text("a,b,y\n" + rows)
    (tmp_path / "everloop.toml").write_text(
        '[loop]\nname = "small"\n[data]\nsource = "data.csv"\ntarget = "y"\n'
        '[train]\ncandidates = ["random_forest"]\n'
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith("EVERLOOP_")}
    command = [*UP, "--dir", str(tmp_path), "--port", "0", "--serve-port", "0", "--json"]

    def start() -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(command, env=clean, stdout=subprocess.PIPE, text=True)
        return process, json.loads(process.stdout.readline())["url"]  # type: ignore[union-attr]

    def until(url: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        def asked() -> dict[str, Any] | None:
            found: dict[str, Any] = httpx.get(url, timeout=60).json()
            return found if condition(found) else None

        return wait_for(asked)

    def training(found: dict[str, Any]) -> bool:
        return any(s["step"] == "train" and s["state"] == "running" for s in found["steps"])

    process, url = start()
    try:
        path = httpx.post(url + "/api/v1/loops/small/train").headers["location"]
        until(url + path, training)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        process, url = start()
        ended = until(url + path, lambda found: found["cycle"]["finished"] is not None)
        assert ended["cycle"]["verdict"] == "promoted"
        assert {s["step"]: s["attempts"] for s in ended["steps"]}["snapshot"] == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()

"""``everloop up`` with both real planes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
from server_helpers import LOOP_FILE

from everloop.server.upfile import read_up

UP = [sys.executable, "-m", "everloop.server.supervisor"]


def test_up_serves_both_planes_and_ends_with_them(tmp_path: Path) -> None:
    (tmp_path / "everloop.toml").write_text(LOOP_FILE)
    clean = {k: v for k, v in os.environ.items() if not k.startswith("EVERLOOP_")}
    command = [*UP, "--dir", str(tmp_path), "--port", "0", "--serve-port", "0", "--json"]
    process = subprocess.Popen(command, env=clean, stdout=subprocess.PIPE, text=True)
    try:
        line = json.loads(process.stdout.readline())  # type: ignore[union-attr]
        children = psutil.Process(process.pid).children()
        assert httpx.get(line["url"]).text.count("No cycle yet") == 1
        assert httpx.get(line["url"] + "/api/v1/status").json()["serve_url"] == line["serve_url"]
        assert httpx.get(line["serve_url"] + "/endpoints").json()["endpoints"] == {}
        up = read_up(tmp_path / ".everloop")
        assert up is not None and up.url == line["url"]
        second = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=30)
        assert second.returncode == 2
        assert f"already running on {tmp_path} at {up.url}" in second.stderr
        assert json.loads(second.stdout)["error"]["code"] == "already_up"
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
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

"""The data plane as a process: its start and end, its log, its access."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import psutil
import pytest
from serving_harness import ROW

from everloop.data.segments import list_segments
from everloop.deploy.state import Arm
from waiting import wait_for


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except ConnectionRefusedError:
        return True
    return False


def test_it_ends_gently(project, start):
    project.want(flights=[Arm(1, project.linear())])
    serving = start()
    big = json.dumps([ROW] * 60_000).encode()
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
    head += b"Content-Length: %d\r\n\r\n" % len(big)
    with socket.create_connection(("127.0.0.1", serving.port), timeout=60) as connection:
        connection.sendall(head)
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")  # it is read by now
        connection.sendall(big[:-10])
        serving.process.send_signal(signal.SIGTERM)
        wait_for(lambda: refuses(serving.port))
        connection.sendall(big[-10:])
        answer = connection.recv(1000)
        assert answer.startswith(b"HTTP/1.1 200"), answer
        while connection.recv(1 << 20):
            pass
    assert serving.process.wait(60) == 0
    assert len(serving.records()[-1]["y"]) == 60_000
    with pytest.raises(httpx.ConnectError):
        httpx.get(serving.url + "/health")


def test_it_ends_with_its_supervisor_when_told_to_watch(project, start):
    project.want(flights=[Arm(1, project.linear())])
    serving = start(project.folder, "--watch-stdin")
    assert serving.predict([ROW]).status_code == 200
    serving.process.stdin.close()
    assert serving.process.wait(60) == 0


def test_what_was_answered_survives_a_kill(project, start):
    project.want(flights=[Arm(1, project.linear())])
    serving = start()
    for n in range(50):
        serving.predict([ROW], headers={"x-request-id": f"r{n}"})
    serving.stop(signal.SIGKILL)
    assert [record["request"] for record in serving.records()] == [f"r{n}" for n in range(50)]
    again = start()
    again.predict([ROW], headers={"x-request-id": "later"})
    assert len(list_segments(serving.log_folder / "predictions")) == 2
    assert again.records()[-1]["request"] == "later"


def test_under_always_many_requests_share_an_fsync(project, start):
    project.want(flights=[Arm(1, project.linear())])
    serving = start(EVERLOOP_LOG_FSYNC="always")

    def ask() -> None:
        with httpx.Client(base_url=serving.url, timeout=60) as http:
            for _ in range(20):
                assert http.post("/predict", json=[ROW]).status_code == 200

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(serving.records()) == 160
    labels = [{"id": "a", "label": 1.0}]
    assert serving.http.post("/feedback", json=labels).status_code == 200


def test_a_log_that_cannot_be_written_stops_no_answer(project, start):
    project.want(flights=[Arm(1, project.linear())])
    limit = "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))"
    # A file size limit is the disk that is full: the write fails half way.
    hook = project.folder / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        f"{limit}\nimport signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    )
    serving = start(PYTHONPATH=str(hook), PYTHONDONTWRITEBYTECODE="1")
    for _ in range(60):
        assert serving.predict([ROW]).status_code == 200
    lost = serving.status()["log_lost"]
    assert lost > 0
    assert len(serving.records()) == 60 - lost
    assert f"everloop_prediction_log_lost_total {float(lost)}" in serving.http.get("/metrics").text
    for _ in range(30):
        answer = serving.http.post("/feedback", json=[{"id": "x" * 500, "label": 1}])
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "log_unavailable")
    assert serving.stderr.read_text().count("the prediction log cannot be written") < 5


def test_a_token_is_asked_for_and_needed_beyond_loopback(project, start):
    project.want(flights=[Arm(1, project.linear())])
    serving = start(project.folder, "--host", "0.0.0.0", EVERLOOP_TOKEN="s3cret")
    assert serving.predict([ROW]).status_code == 401
    for given in ("Bearer wrong", "s3cret", "Bearer s3cret2", "Basic s3cret"):
        answer = serving.predict([ROW], headers={"authorization": given})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
    right = {"authorization": "Bearer s3cret", "host": "predict.example"}
    assert serving.predict([ROW], headers=right).status_code == 200
    assert serving.http.get("/health").status_code == 200
    assert serving.http.get("/metrics").status_code == 401


def run_once(folder: Path, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "everloop.deploy.serving", "--dir", str(folder), *options],
        capture_output=True, text=True, timeout=60, env={**os.environ, **environ},
    )  # fmt: skip


def test_it_refuses_to_start_in_one_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for options, environ, part in [
            (("--host", "0.0.0.0"), {}, "without a token"),
            (("--port", port), {}, "cannot be bound"),
            ((), {"EVERLOOP_LOG_FSYNC": "sometimes"}, "always, interval or never"),
        ]:
            ended = run_once(tmp_path, *options, **environ)
            assert ended.returncode == 2
            assert part in ended.stderr
            assert "Traceback" not in ended.stderr
    missing = run_once(tmp_path / "nowhere")
    assert missing.returncode == 2
    assert "a folder that exists" in missing.stderr


def test_it_stays_small(project, start):
    project.want(flights=[Arm(1, project.linear())])
    serving = start()
    serving.predict([ROW])
    # Its own memory: what libraries' files share with others comes and goes with the machine.
    megabytes = psutil.Process(serving.process.pid).memory_full_info().uss / 2**20
    assert megabytes < 110

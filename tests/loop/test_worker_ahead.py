"""A worker that a verb lets begin before its own imports."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from everloop.ahead import take_worker, worker_ahead
from everloop.errors import NotFound
from everloop.loop.executors._process import WorkerProcess


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "everloop.toml").write_text('[data]\nsource = "rows.csv"\ntarget = "y"\n')
    return tmp_path.resolve()


def test_one_that_nobody_takes_ends_with_the_verb_and_leaves_nothing(folder: Path) -> None:
    with worker_ahead(folder):
        worker = take_worker(folder)
        assert worker is not None and worker.poll() is None
        assert worker.stdin is not None
        with worker:
            worker.stdin.close()  # as when the verb is killed
            assert worker.wait(60) == 0
    with pytest.raises(SystemExit), worker_ahead(folder):
        raise SystemExit(2)
    assert take_worker(folder) is None
    assert [path.name for path in folder.iterdir()] == ["everloop.toml"]


def test_the_executor_takes_it_and_it_logs_where_others_do(folder: Path) -> None:
    with worker_ahead(folder):
        process = WorkerProcess(folder, "steps")
        try:
            process.warm()
            assert take_worker(folder) is None
            with pytest.raises(NotFound, match="none"):
                process.ask({"windows": "none"}, "windows of none")
        finally:
            process.close()
    assert "none" in (folder / ".everloop" / "logs" / "worker.log").read_text()


def test_none_begins_where_the_cycle_will_run_elsewhere(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begins(place: Path) -> bool:
        with worker_ahead(place):
            found = take_worker(place)
        if found is not None:
            with found:
                found.kill()
        return found is not None

    (tmp_path / "empty").mkdir()
    assert not begins(tmp_path / "empty")
    monkeypatch.setenv("EVERLOOP_SERVER", "http://127.0.0.1:9")
    assert not begins(folder)
    monkeypatch.delenv("EVERLOOP_SERVER")
    (folder / ".everloop").mkdir()
    with (folder / ".everloop" / "controller.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not begins(folder)
    assert begins(folder)
    (folder / "everloop.toml").write_text('[settings]\nserver = "http://127.0.0.1:9"\n')
    assert not begins(folder)
    (folder / "everloop.toml").write_text("[settings\n")
    assert not begins(folder)

"""A worker that a verb lets begin before its own imports."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from everloop.ahead import take_worker, worker_ahead
from everloop.errors import NotFound
from everloop.loop.executors._process import WorkerProcess

# Stands where pandas is looked for first, and is half there for a while before it makes way.
SLOWLY = """
import pathlib, sys, time
here = pathlib.Path(__file__).parent.parent
(here / "was asked for").touch()
time.sleep(3)
sys.path.remove(str(here))
del sys.modules["pandas"]
import pandas
"""
# The same for what is imported ahead, as if that brought pandas along.
FIRST = """
import pandas, sys
del sys.modules["lightgbm"]
import lightgbm
"""


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


def test_nothing_is_fitted_while_a_library_is_half_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """scikit-learn asks pandas for its tables as soon as its name is among what is imported."""
    for name, code in (("pandas", SLOWLY), ("lightgbm", FIRST)):
        (tmp_path / "slow" / name).mkdir(parents=True)
        (tmp_path / "slow" / name / "__init__.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "slow"), prepend=os.pathsep)
    x = np.random.default_rng(0).normal(size=(400, 3))
    rows = {f"x{i}": x[:, i] for i in range(3)} | {"y": (x.sum(axis=1) > 0).astype(int)}
    pl.DataFrame(rows).write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "everloop.toml").write_text(
        '[data]\nsource = "rows.parquet"\ntarget = "y"\n'
        '[train]\ncandidates = ["logistic_regression", "lightgbm"]\n'
    )
    command = [str(Path(sys.executable).with_name("everloop")), "run", "--dir", str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (tmp_path / "slow" / "was asked for").exists()
    assert re.search(r"logistic_regression \d\.\d+", said)  # its score

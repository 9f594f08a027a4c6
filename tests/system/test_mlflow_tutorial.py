"""An ordinary MLflow tutorial, unchanged, with MLflow's own client against ``everloop up``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import Up, up

from everloop.store.blobs import Blobs

TUTORIAL = Path(__file__).parents[2] / "examples" / "mlflow_tutorial.py"


TOKEN = "a-long-enough-token-for-a-test"
ENDED = [*(f"Chapter {number}" for number in range(1, 7)), "All chapters are done."]


def tutorial(running: Up, elsewhere: Path) -> list[str]:
    """Goes through the tutorial; how each line that it prints itself begins."""
    done = subprocess.run(
        [sys.executable, str(TUTORIAL)],
        cwd=elsewhere,
        env={**os.environ, "MLFLOW_TRACKING_URI": str(running.api.base_url).rstrip("/")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert list(elsewhere.iterdir()) == []  # everything went to the server
    lines = done.stdout.splitlines()
    return [line.split(":")[0] for line in lines if line.startswith(("Chapter", "All"))]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Up, list[str]]]:
    """The server after the tutorial, and what the tutorial printed."""
    with up(tmp_path_factory.mktemp("server")) as running:
        yield running, tutorial(running, tmp_path_factory.mktemp("client"))


def items(running: Up, path: str) -> list[dict[str, Any]]:
    answer = running.api.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_every_chapter_ends_well(told: tuple[Up, list[str]]) -> None:
    assert told[1] == ENDED


def test_on_postgresql_and_s3_with_a_token(
    pg_url: str, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVERLOOP_DATABASE_URL", pg_url)
    monkeypatch.setenv("EVERLOOP_BLOBS_URL", s3_url)
    monkeypatch.setenv("EVERLOOP_TOKEN", TOKEN)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    server, client = tmp_path / "server", tmp_path / "client"
    server.mkdir()
    client.mkdir()
    with up(server) as running:
        assert tutorial(running, client) == ENDED
    blobs = [one for page in Blobs(s3_url).scan() for one in page]
    assert len(blobs) > 20


def test_runs_are_there_for_everloops_own_api(told: tuple[Up, list[str]]) -> None:
    runs = {run["name"]: run for run in items(told[0], "runs?limit=100")}
    assert len(runs) == 9
    assert {run["status"] for run in runs.values()} == {"FINISHED"}
    assert {run["experiment"] for run in runs.values()} == {"tutorial"}
    assert runs["forest"]["params"]["max_depth"] == "5"
    assert runs["loop"]["metrics"]["loss"]["step"] == 199
    assert runs["alpha 0.1"]["tags"]["mlflow.parentRunId"] == runs["search"]["id"]
    files = items(told[0], f"runs/{runs['files']['id']}/artifacts?folder=parts")
    assert [file["path"] for file in files] == [f"parts/part-{number}.csv" for number in range(5)]


def test_the_registered_versions_are_the_loops_too(told: tuple[Up, list[str]]) -> None:
    versions = {v["version"]: v for v in items(told[0], "models/diabetes/versions")}
    assert {number: one["aliases"] for number, one in versions.items()} == {
        1: ["production"],
        2: [],
    }
    assert versions[2]["tags"] == {"checked": "yes"}

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

TUTORIAL = Path(__file__).parents[2] / "examples" / "mlflow_tutorial.py"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Up, str]]:
    """The server after the tutorial, and what the tutorial printed."""
    elsewhere = tmp_path_factory.mktemp("client")
    with up(tmp_path_factory.mktemp("server")) as running:
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
        yield running, done.stdout


def items(running: Up, path: str) -> list[dict[str, Any]]:
    answer = running.api.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_every_chapter_ends_well(told: tuple[Up, str]) -> None:
    lines = [line for line in told[1].splitlines() if line.startswith(("Chapter", "All"))]
    assert [line.split(":")[0] for line in lines] == [
        *(f"Chapter {number}" for number in range(1, 7)),
        "All chapters are done.",
    ]


def test_runs_are_there_for_everloops_own_api(told: tuple[Up, str]) -> None:
    runs = {run["name"]: run for run in items(told[0], "runs?limit=100")}
    assert len(runs) == 9
    assert {run["status"] for run in runs.values()} == {"FINISHED"}
    assert {run["experiment"] for run in runs.values()} == {"tutorial"}
    assert runs["forest"]["params"]["max_depth"] == "5"
    assert runs["loop"]["metrics"]["loss"]["step"] == 199
    assert runs["alpha 0.1"]["tags"]["mlflow.parentRunId"] == runs["search"]["id"]
    files = items(told[0], f"runs/{runs['files']['id']}/artifacts?folder=parts")
    assert [file["path"] for file in files] == [f"parts/part-{number}.csv" for number in range(5)]


def test_the_registered_versions_are_the_loops_too(told: tuple[Up, str]) -> None:
    versions = {v["version"]: v for v in items(told[0], "models/diabetes/versions")}
    assert {number: one["aliases"] for number, one in versions.items()} == {
        1: ["production"],
        2: [],
    }
    assert versions[2]["tags"] == {"checked": "yes"}

"""``everloop gc``, in a folder and against a server."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import everloop as el
from everloop.cli.gc import command, size
from everloop.loop.project import Project
from everloop.settings import Settings
from everloop.tracking.artifacts.paths import key_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a run that was just deleted."""
    with Project.open(tmp_path, Settings()) as project:
        run = project.runs.create(0)
        project.artifacts.put(f"{key_of(run.location)}/a", b"x" * 2500)
        project.runs.delete(run.id, "test")
        time.sleep(0.002)
    return tmp_path


def gc(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command, ["--dir", str(folder), *arguments])


def counted(folder: Path, *arguments: str) -> Any:
    result = gc(folder, "--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_by_default_what_was_just_deleted_stays(folder: Path) -> None:
    assert counted(folder)["runs"] == 0


def test_from_python(folder: Path) -> None:
    assert el.gc(folder).runs == 0
    assert el.gc(folder, older_than="0s", dry_run=True).runs == 1
    gone = el.gc(folder, older_than="0s")
    assert (gone.runs, gone.files, gone.bytes) == (1, 1, 2500)
    assert el.gc(folder, older_than="0s").runs == 0
    with pytest.raises(el.EverloopError, match="older_than"):
        el.gc(folder, older_than="soon")


def test_a_dry_run_changes_nothing(folder: Path) -> None:
    for _ in range(2):
        found = counted(folder, "--older-than", "0s", "--dry-run")
        assert (found["runs"], found["files"], found["bytes"]) == (1, 1, 2500)
        assert found["dry_run"]


def test_it_frees(folder: Path) -> None:
    found = counted(folder, "--older-than", "0s")
    assert (found["runs"], found["files"], found["blobs"], found["bytes"]) == (1, 1, 1, 2500)
    assert counted(folder, "--older-than", "0s")["runs"] == 0


def test_it_shows_a_table(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everloop.cli._output.console._file", None)
    out = gc(folder, "--older-than", "0s", "--dry-run").output
    assert "would go" in out
    assert "at most 2.5 kB" in out
    assert "next: everloop gc" in out


def test_a_bad_age_is_refused(folder: Path) -> None:
    result = gc(folder, "--older-than", "a while")
    assert result.exit_code != 0
    assert "--older-than" in str(result.exception)


@pytest.mark.parametrize(
    ("total", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12_345_678, "12.3 MB"), (10**16, "10000.0 TB")],
)
def test_sizes(total: int, text: str) -> None:
    assert size(total) == text

"""A project folder with a champion, made once and copied."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from loop_stream import carry_out, declaration, write_rows

from everloop.loop.loop import Loop, declare
from everloop.loop.project import Project


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The loop ``flow`` with version 1 as its champion."""
    folder = tmp_path_factory.mktemp("trained")
    write_rows(folder)
    loop = declare(folder, declaration())
    with loop.project as project:
        ended = carry_out(project, loop.run(wait=False))
        assert ended.verdict == "promoted", ended.reason
    return folder


@pytest.fixture
def folder(trained_folder: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(trained_folder, tmp_path / "p")
    return tmp_path / "p"


@pytest.fixture
def project(folder: Path) -> Iterator[Project]:
    with Project.open(folder) as opened:
        yield opened


@pytest.fixture
def loop(project: Project) -> Loop:
    return Loop(project, project.cycles.declaration("flow"))

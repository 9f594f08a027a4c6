"""The story as a fixture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import story

from everloop.loop.cycles import Cycle
from everloop.loop.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    folder = tmp_path / "flights"
    folder.mkdir()
    with story.open_project(folder) as opened:
        yield opened


@pytest.fixture
def cycles(project: Project) -> list[Cycle]:
    return story.tell(project)

"""A project with a loop file, and its server, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from server_helpers import BASE, DEAD, LOOP_FILE, Client, Connect

from everloop.loop.project import Project
from everloop.server.app import create_app
from everloop.settings import Settings


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "everloop.toml").write_text(LOOP_FILE)
    (tmp_path / "data.csv").write_text("a,late\n1,yes\n2,no\n")
    with Project.open(tmp_path, Settings()) as opened:
        opened.sync_file()
        yield opened


@pytest.fixture
def connect(project: Project) -> Connect:
    """Makes a client of a server with given settings."""

    def make(base: str = BASE, **arguments: object) -> Client:
        app = create_app(project, **{"serve_url": DEAD, **arguments})  # type: ignore[arg-type]
        return Client(app, base)

    return make


@pytest.fixture
def client(connect: Connect) -> Client:
    return connect()

"""MLflow's protocol over a fresh project of each dialect, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from wire_helpers import BASE, Wire

from everloop.loop.project import Project
from everloop.server.app import create_app
from everloop.settings import Settings
from everloop.store.database import Database


@pytest.fixture
def project(database_url: str, tmp_path: Path) -> Iterator[Project]:
    with Project.open(tmp_path, Settings(database_url=database_url)) as opened:
        yield opened


@pytest.fixture
def sqlite_project(sqlite_url: str, tmp_path: Path) -> Iterator[Project]:
    """One project for what no database has a part in."""
    with Project.open(tmp_path, Settings(database_url=sqlite_url)) as opened:
        yield opened


@pytest.fixture
def wire(project: Project) -> Wire:
    return Wire(create_app(project), BASE)


@pytest.fixture
def connect(sqlite_project: Project) -> Callable[..., Wire]:
    """Makes a client of a server with given settings."""

    def make(base: str = BASE, **arguments: Any) -> Wire:
        return Wire(create_app(sqlite_project, **arguments), base)

    return make


@pytest.fixture
def run(wire: Wire) -> str:
    """A run of the experiment ``Default``."""
    return str(wire.run()["info"]["run_id"])


@pytest.fixture(scope="module")
def shared_wire(
    shared_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Wire]:
    """One server over each dialect for many requests that change nothing."""
    url = shared_database.engine.url.render_as_string(hide_password=False)
    folder = tmp_path_factory.mktemp("shared-project")
    with Project.open(folder, Settings(database_url=url)) as opened:
        yield Wire(create_app(opened), BASE)


@pytest.fixture(scope="module")
def shared_run(shared_wire: Wire) -> str:
    """A run of the experiment ``Default`` that nothing is written to."""
    return str(shared_wire.run()["info"]["run_id"])


@pytest.fixture(scope="module")
def sqlite_wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """One server for many requests that are all refused."""
    with Project.open(tmp_path_factory.mktemp("project"), Settings()) as opened:
        yield Wire(create_app(opened), BASE)

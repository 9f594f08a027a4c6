"""The story as a fixture, a real server that shows it, and a real browser that looks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import shelf
import story
from browsing import ARGUMENTS, looking, serving
from playwright.sync_api import Browser, Page, sync_playwright
from shelf import Shelf
from starlette.testclient import TestClient

from everloop.loop.cycles import Cycle
from everloop.loop.project import Project
from everloop.server.app import create_app


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    folder = tmp_path / "flights"
    folder.mkdir()
    with story.open_project(folder) as opened:
        yield opened


@pytest.fixture
def cycles(project: Project) -> list[Cycle]:
    return story.tell(project)


@pytest.fixture
def server(project: Project, cycles: list[Cycle]) -> Iterator[str]:
    with serving(project.dir) as url:
        yield url


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, list[Cycle]]]:
    """The same once for a file of tests that only look."""
    folder = tmp_path_factory.mktemp("told") / "flights"
    folder.mkdir()
    with story.open_project(folder) as opened:
        yield opened, story.tell(opened)


@pytest.fixture(scope="module")
def told(past: tuple[Project, list[Cycle]]) -> Iterator[tuple[str, Project, list[Cycle]]]:
    """A server that shows it for all of a file."""
    with serving(past[0].dir) as url:
        yield url, *past


@pytest.fixture(scope="module")  # while it runs, nothing else in this process may run a loop
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        launched = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with looking(browser) as opened:
        yield opened


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Models, datasets and an endpoint with a past, once for a file of tests that only look."""
    made = shelf.fill(tmp_path_factory.mktemp("shelf"))
    yield made
    made.project.close()


@pytest.fixture(scope="module")
def ask(filled: Shelf) -> TestClient:
    """A program that asks for its pages."""
    app = create_app(filled.project, serve_url="http://127.0.0.1:9")  # nothing listens there
    program = {"authorization": "Bearer none"}  # needs no token of a page in its forms
    return TestClient(
        app, base_url="http://127.0.0.1:5050", headers=program, follow_redirects=False
    )

"""A project of each dialect to move into, and an MLflow to move out of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow_made import Made, made

from everloop.loop.moving import import_mlflow
from everloop.settings import Settings
from everloop.tracking.moving.importing import Imported

Move = Callable[..., Imported]


@pytest.fixture
def mlflow(tmp_path: Path) -> Made:
    return made(tmp_path / "mlflow")


@pytest.fixture
def move(database_url: str, tmp_path: Path) -> Move:
    """``import_mlflow`` into one project, on each dialect in turn."""
    settings = Settings(database_url=database_url)
    folder = tmp_path / "project"
    folder.mkdir()

    def go(source: str, **options: object) -> Imported:
        return import_mlflow(source, folder, settings=settings, **options)  # type: ignore[arg-type]

    return go

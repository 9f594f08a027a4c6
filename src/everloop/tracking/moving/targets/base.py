"""What an MLflow to export into takes, however it is reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from everloop.tracking.moving.records import (
    MovedExperiment,
    MovedLoggedModel,
    MovedModel,
    MovedRun,
    PointRow,
)
from everloop.tracking.moving.sources.base import Source


class Target(Protocol):
    """An MLflow. Everything may be put twice; the second time changes nothing.

    ``exact`` tells one that keeps ids and times, where another gives its own.
    """

    shown: str
    exact: bool

    def experiment(self, one: MovedExperiment) -> int:
        """Put an experiment; the id it has there, that of one with its name if there is one."""

    def runs(self, runs: Sequence[MovedRun]) -> dict[str, str]:
        """Put runs with params, tags and inputs; the ids they have there."""

    def points(self, rows: Sequence[PointRow]) -> None:
        """Put points, by the ids that runs have there."""

    def settle(self, runs: Sequence[MovedRun]) -> None:
        """Put what comes after the points: the newest values, how the run ended."""

    def logged_models(self, models: Sequence[MovedLoggedModel]) -> None:
        """Put logged models."""

    def model(self, one: MovedModel) -> None:
        """Put a registered model with its versions."""

    def has_file(self, kind: str, id: str, key: str, path: str, size: int) -> bool:
        """Whether a file of that size is there."""

    def put_file(self, kind: str, id: str, key: str, path: str, pieces: Iterator[bytes]) -> None:
        """Put a file of a run's or model's artifacts.

        ``key`` is where they lie below ``mlflow-artifacts:/``, ``id`` what owns them here.
        """

    def source(self) -> Source:
        """The same MLflow, to be read."""

    def notes(self) -> list[str]: ...

    def close(self) -> None: ...

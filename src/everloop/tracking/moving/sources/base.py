"""What an MLflow to import from offers, however it is reached."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from everloop.tracking.moving.places import Places
from everloop.tracking.moving.records import (
    Latest,
    MovedExperiment,
    MovedLoggedModel,
    MovedModel,
    MovedRun,
    PointRow,
)
from everloop.tracking.points import LARGEST

BATCH = 100
"""Runs that are held at a time, without their points."""

PIECE = 20_000
"""Points that are held at a time."""


class Totals(msgspec.Struct, frozen=True):
    """How much there is, as far as the source can tell without reading it all."""

    experiments: int
    runs: int | None
    points: int | None
    models: int


class Source(Protocol):
    """An MLflow. Nothing in it is ever changed.

    ``shown`` names it without a password, ``places`` opens where its artifacts lie.
    """

    shown: str

    @property
    def places(self) -> Places: ...

    def totals(self) -> Totals: ...

    def experiments(self) -> list[MovedExperiment]:
        """All experiments by id, deleted ones too."""

    def runs(self, experiment: int) -> Iterator[list[MovedRun]]:
        """An experiment's runs from the oldest, deleted ones too, a batch at a time."""

    def counts(self, runs: Sequence[MovedRun]) -> dict[str, int] | None:
        """How many points each run has; None when only reading them tells."""

    def points(self, runs: Sequence[MovedRun]) -> Iterator[list[PointRow]]:
        """All points of runs, a piece at a time."""

    def logged_models(self, experiment: int) -> Iterator[list[MovedLoggedModel]]:
        """An experiment's logged models, a batch at a time."""

    def model_names(self) -> list[str]:
        """The names of all registered models."""

    def models(self) -> Iterator[MovedModel]:
        """The registered models with their versions, prompts among them."""

    def notes(self) -> list[str]:
        """What this source holds that does not move, a sentence each."""

    def close(self) -> None: ...


def number(value: float | None, nan: bool = False) -> tuple[float, bool]:
    """A metric's value as both sides keep it, and whether it is NaN."""
    if nan or value is None or math.isnan(value):
        return 0.0, True
    # The sum gives zero no sign, which not every database keeps.
    return max(-LARGEST, min(LARGEST, float(value))) + 0.0, False


def latest(step: int, at: int, value: float | None, nan: bool = False) -> Latest:
    """A metric's newest point."""
    return Latest(int(step), int(at), *number(value, nan))

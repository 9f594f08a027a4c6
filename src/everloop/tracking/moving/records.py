"""What moves between MLflow and everloop, in a form that belongs to neither.

A record is hashed as it is written here, so each field is what must be equal on both sides. What
may differ (an artifact's place, the time of a deletion) is left out of :meth:`fingerprint`.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec

Texts = dict[str, str]


def without(texts: Texts, key: str) -> Texts:
    """The texts but for one key, which one side only has."""
    return {name: value for name, value in texts.items() if name != key}


class PointRow(NamedTuple):
    """A point of a metric; a NaN has value 0 and ``nan``, an infinity the largest number."""

    run: str
    key: str
    at: int
    step: int
    value: float
    nan: bool


class Latest(NamedTuple):
    """The newest point of a metric."""

    step: int
    at: int
    value: float
    nan: bool


class MovedExperiment(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment; ``location`` None means that the server keeps its artifacts."""

    id: int
    name: str
    location: str | None
    created: int
    updated: int
    deleted: int | None
    tags: Texts

    def fingerprint(self) -> Any:
        return self.id, self.name, self.deleted is not None


class MovedDataset(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that a run read, with the tags of that use."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None
    profile: str | None
    tags: Texts

    def fingerprint(self) -> Any:
        return (
            self.name, self.digest, self.source_type, self.source, self.schema, self.profile,
            sorted(self.tags.items()),
        )  # fmt: skip


class MovedUse(NamedTuple):
    """A logged model that a run read or made."""

    kind: Literal["input", "output"]
    model: str
    step: int


class MovedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run with everything but its points."""

    id: str
    experiment: int
    name: str
    user: str
    status: str
    started: int
    finished: int | None
    deleted: int | None
    location: str
    params: Texts
    tags: Texts
    latest: dict[str, Latest]
    datasets: list[MovedDataset]
    models: list[MovedUse]

    def fingerprint(self) -> Any:
        return (
            self.id, self.experiment, self.name, self.user, self.status, self.started,
            self.finished, self.deleted is not None,
        )  # fmt: skip


class ModelMetric(NamedTuple):
    """A metric of a logged model."""

    key: str
    at: int
    step: int
    run: str
    value: float
    nan: bool
    dataset_name: str | None
    dataset_digest: str | None


class MovedLoggedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A logged model with its params, tags and metrics."""

    id: str
    experiment: int
    run: str | None
    name: str
    type: str | None
    status: str
    message: str | None
    location: str
    created: int
    updated: int
    deleted: int | None
    params: Texts
    tags: Texts
    metrics: list[ModelMetric]

    def fingerprint(self) -> Any:
        return (
            self.id, self.experiment, self.run, self.name, self.type, self.status, self.message,
            self.created, self.deleted is not None,
        )  # fmt: skip


class MovedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a registered model."""

    version: int
    created: int
    updated: int
    description: str | None
    user: str | None
    stage: str
    source: str | None
    location: str | None
    run: str | None
    run_link: str | None
    logged_model: str | None
    status: str
    status_message: str | None
    tags: Texts

    def fingerprint(self) -> Any:
        return (
            self.version, self.created, self.description, self.user, self.stage, self.source,
            self.run, self.run_link, self.status, self.status_message,
        )  # fmt: skip


class MovedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A registered model; ``last`` is the highest number that a version ever had."""

    name: str
    description: str | None
    created: int
    updated: int
    last: int
    tags: Texts
    aliases: dict[str, int]
    versions: list[MovedVersion]

    def fingerprint(self) -> Any:
        return self.name, self.description, self.created


class MovedFile(NamedTuple):
    """A file below the place of a run's or a model's artifacts."""

    path: str
    size: int | None

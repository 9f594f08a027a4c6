"""What tracking takes and hands out."""

from __future__ import annotations

from typing import Literal

import msgspec

from everloop.store.paging import Found as Found

Status = Literal["SCHEDULED", "RUNNING", "FINISHED", "FAILED", "KILLED"]
View = Literal["active", "deleted", "all"]
ModelStatus = Literal["PENDING", "READY", "FAILED"]

RUN_NAME = "mlflow.runName"
"""The tag that says a run's name again, where MLflow's clients look for it."""

NOTE = "mlflow.note.content"
"""The tag that holds what a person wrote of a run, where MLflow keeps it too."""

CONTEXT = "mlflow.data.context"
"""The tag that says what a run used a dataset for, such as ``training``."""

MODEL_VERSIONS = "mlflow.modelVersions"
"""The tag of a logged model that says what was registered from it."""

STATUSES: tuple[Status, ...] = ("SCHEDULED", "RUNNING", "FINISHED", "FAILED", "KILLED")


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """A named group of runs; ``location`` is the URI that its artifacts lie under."""

    id: int
    name: str
    location: str
    created: int
    updated: int
    deleted: int | None
    tags: dict[str, str]


class Point(msgspec.Struct, frozen=True):
    """A metric's value at a step; ``at`` is when it was logged, in milliseconds since 1970.

    ``value`` may be NaN; an infinity is kept as the largest finite number. A value that a model
    got names the ``model``, and may name the data that it was measured on.
    """

    key: str
    value: float
    at: int
    step: int = 0
    model: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run with its params, tags and, of each metric, the newest value.

    ``id`` is what callers know it by, ``number`` rises with every new run.
    """

    id: str
    number: int
    experiment_id: int
    experiment: str
    name: str
    user: str
    status: Status
    started: int
    finished: int | None
    deleted: int | None
    location: str
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, Point]


class Head(msgspec.Struct, frozen=True):
    """What names a run in a list; ``started`` in milliseconds since 1970."""

    id: str
    name: str
    status: Status
    started: int


class DatasetUse(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that a run read, and what for (in its ``tags``)."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None
    tags: dict[str, str] = {}


class ModelUse(msgspec.Struct, frozen=True, kw_only=True):
    """A logged model that a run read or made."""

    model: str
    kind: Literal["input", "output"]
    step: int = 0


class RunInputs(msgspec.Struct, frozen=True):
    """What a run read and made."""

    datasets: list[DatasetUse]
    models: list[ModelUse]


class DatasetSummary(msgspec.Struct, frozen=True):
    """A dataset of an experiment, and what runs used it for (None: they didn't say)."""

    experiment_id: int
    name: str
    digest: str
    context: str | None


class LoggedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was logged, not yet registered under a name."""

    id: str
    experiment_id: int
    run: str | None
    name: str
    type: str | None
    status: ModelStatus
    message: str | None
    location: str
    created: int
    updated: int
    deleted: int | None
    params: dict[str, str]
    tags: dict[str, str]
    metrics: list[LoggedModelMetric]


class LoggedModelMetric(msgspec.Struct, frozen=True, kw_only=True):
    """A model's metric, by the run that measured it and the data it was measured on."""

    key: str
    value: float
    at: int
    step: int
    run: str
    dataset_name: str | None = None
    dataset_digest: str | None = None


class MeasuredOn(msgspec.Struct, frozen=True):
    """A dataset that a model was measured on; without a ``digest``, any of that name."""

    name: str
    digest: str | None = None


class ModelOrder(msgspec.Struct, frozen=True):
    """What to sort logged models by: a field, or ``metrics.NAME`` (on a dataset, when given)."""

    field: str
    ascending: bool = True
    dataset_name: str | None = None
    dataset_digest: str | None = None

"""Parts of answers that several subjects share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from everloop.tracking.records import Point


class Pair(msgspec.Struct, frozen=True, gc=False):
    """A key with its value, as clients read a tag or a param."""

    key: str
    value: str


class Metric(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A value of a metric; JSON has no NaN, so that comes as text."""

    key: str
    value: float | str
    timestamp: int
    step: int | None = None
    run_id: str | None = None
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


def pairs(values: Mapping[str, str]) -> list[Pair]:
    """Tags or params."""
    return [Pair(key, value) for key, value in values.items()]


def stage(deleted: int | None) -> str:
    """MLflow's word for whether a thing is deleted."""
    return "active" if deleted is None else "deleted"


def metric(point: Point, run: str | None = None) -> Metric:
    """A point of a metric."""
    return Metric(
        point.key,
        number(point.value),
        point.at,
        point.step,
        run,
        point.model,
        point.dataset_name,
        point.dataset_digest,
    )


def number(value: float) -> float | str:
    """A number that JSON can hold."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def next_page(answer: dict[str, Any], token: str | None) -> dict[str, Any]:
    """The answer with the token of the page after it, if there is one."""
    return answer if token is None else answer | {"next_page_token": token}

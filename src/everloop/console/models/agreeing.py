"""How often two versions answer the same: on rows that both were tested on, or both were asked."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import polars as pl

from everloop.data.schema import Schema
from everloop.errors import EverloopError
from everloop.loop.project import Project
from everloop.monitor.estimation.heldout import HELD_OUT, HeldOut, read_held_out
from everloop.monitor.log import PredictionLog
from everloop.registry.records import ModelVersion

RECENT = 20_000  # logged rows that are looked through
CLASSES = 12  # of a table of answers


class Agreement(msgspec.Struct, frozen=True):
    """Answers of two versions to the same ``rows``, which ``where`` names.

    Of classes ``same`` is the share that is equal and ``table`` counts, rows by the first
    version's answer and columns by the second's, in the order of ``labels``. Of numbers ``apart``
    is the mean distance, and ``same`` the share of equal ones. ``right`` are the shares of right
    answers of the two, where labels are known.
    """

    where: str
    rows: int
    same: float
    labels: list[str] = []
    table: list[list[int]] = []
    apart: float | None = None
    right: tuple[float, float] | None = None


def agreement(
    project: Project,
    versions: tuple[ModelVersion, ModelVersion],
    schema: Schema | None,
    endpoints: list[str],
) -> Agreement | None:
    """By held-out rows where both were tested on the same; else by logged rows; else None."""
    held = [_held_out(project, version) for version in versions]
    first, second = held
    if (
        first is not None
        and second is not None
        and len(first) == len(second) > 0
        and np.array_equal(first.y, second.y)
        and first.scales == second.scales
        and np.array_equal(first.codes, second.codes)
    ):
        found = _beside("held-out rows", first.pred, second.pred, schema)
        right = tuple(float(np.mean(one.pred == one.y)) for one in (first, second))
        classes = schema is not None and not schema.numeric
        return msgspec.structs.replace(found, right=right) if classes else found
    for endpoint in endpoints:
        logged = _logged(project.log, endpoint, versions)
        if logged is not None and len(logged[0]):
            return _beside(f"recent rows of endpoint {endpoint}", *logged, None)
    return None


def _held_out(project: Project, version: ModelVersion) -> HeldOut | None:
    digest = version.files.get(HELD_OUT)
    if digest is None:
        return None
    try:
        return read_held_out(project.blobs.get(digest))
    except EverloopError:
        return None


def _logged(
    log: PredictionLog, endpoint: str, versions: tuple[ModelVersion, ModelVersion]
) -> tuple[Any, Any] | None:
    """Answers to the same rows, as a shadow gives them beside the champion."""
    rows = log.newest(endpoint, limit=RECENT).filter(pl.col("y").is_not_null())
    sides = [
        rows.filter(pl.col("version") == version.version).select("id", "time", "y").unique("id")
        for version in versions
    ]
    both = sides[0].join(sides[1], on=["id", "time"], suffix="_second")
    return both["y"].to_numpy(), both["y_second"].to_numpy()


def _beside(where: str, first: Any, second: Any, schema: Schema | None) -> Agreement:
    """Codes of classes where a schema tells their names; else answers as they were logged."""
    if first.ndim > 1:  # several labels a row
        return Agreement(where, len(first), float((first == second).all(axis=1).mean()))
    same = float(np.mean(first == second))
    numeric = schema.numeric if schema else first.dtype.kind == "f"
    if numeric:
        apart = float(np.mean(np.abs(np.asarray(first, float) - np.asarray(second, float))))
        return Agreement(where, len(first), same, apart=apart)
    if schema is not None:
        names = [str(one) for one in schema.classes]
        first, second = ([names[int(code)] for code in side] for side in (first, second))
    labels = sorted({str(one) for side in (first, second) for one in side})
    if len(labels) > CLASSES:
        return Agreement(where, len(first), same)
    places = {label: place for place, label in enumerate(labels)}
    table = np.zeros((len(labels), len(labels)), dtype=int)
    for one, other in zip(first, second, strict=True):
        table[places[str(one)], places[str(other)]] += 1
    return Agreement(where, len(first), same, labels, table.tolist())

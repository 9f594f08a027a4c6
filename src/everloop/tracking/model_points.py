"""Points of metrics that name a logged model, kept with that model too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from everloop.errors import NotFound
from everloop.store.dialect import insert_or_ignore
from everloop.store.tables import logged_model_metrics, logged_models, runs
from everloop.tracking.checks import check_text
from everloop.tracking.records import Point

DATASET_NAME, DATASET_DIGEST = 500, 36  # characters
_KEY = ("model", "key", "at", "step")
_INSERT = insert_or_ignore(logged_model_metrics)


def keep_model_points(
    conn: sa.Connection, run: int, measured: Sequence[tuple[Point, Mapping[str, Any]]]
) -> None:
    """Write points of a run that name a model, each with its row of ``metric_points``.

    Two values of a metric by one run at the same step and time are one: the first. Raises
    :class:`~everloop.errors.NotFound` ``logged_model_not_found``.
    """
    ids = sorted({str(point.model) for point, _ in measured})
    query = sa.select(logged_models.c.id).where(logged_models.c.id.in_(ids))
    unknown = set(ids).difference(conn.execute(query).scalars())
    if unknown:
        raise missing(min(unknown))
    name = conn.execute(sa.select(runs.c.id).where(runs.c.number == run)).scalar_one()
    rows = [_row(name, point, row) for point, row in measured]
    # In the same order by everybody, so that two writers cannot wait for each other.
    conn.execute(_INSERT, sorted(rows, key=lambda row: tuple(row[part] for part in _KEY)))


def missing(id: str) -> NotFound:
    """The refusal of an id that no logged model has."""
    return NotFound(f"There is no logged model {id!r}.", code="logged_model_not_found", got=id)


def _row(run: str, point: Point, row: Mapping[str, Any]) -> dict[str, Any]:
    name, digest = point.dataset_name, point.dataset_digest
    return {
        **row,
        "run": run,
        "model": point.model,
        "dataset_name": check_text("dataset_name", name, DATASET_NAME) if name else None,
        "dataset_digest": check_text("dataset_digest", digest, DATASET_DIGEST) if digest else None,
    }

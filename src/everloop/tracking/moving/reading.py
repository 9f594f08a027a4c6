"""Everloop's own rows as records that move: what was kept, read back, or what is handed on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.store.tables import (
    experiment_tags,
    experiments,
    logged_model_metrics,
    logged_model_params,
    logged_model_tags,
    logged_models,
    metric_points,
    model_aliases,
    model_tags,
    model_version_tags,
    model_versions,
    models,
    run_datasets,
    run_inputs,
    run_metrics,
    run_models,
    run_params,
    run_tags,
    runs,
)
from everloop.tracking.moving.records import (
    Latest,
    ModelMetric,
    MovedDataset,
    MovedExperiment,
    MovedLoggedModel,
    MovedModel,
    MovedRun,
    MovedUse,
    MovedVersion,
    PointRow,
    Texts,
)

PIECE = 20_000
"""Points that are held at a time."""


def read_experiments(
    conn: sa.Connection, ids: Sequence[int] | None = None
) -> list[MovedExperiment]:
    """Experiments by id; all of them when ``ids`` is None."""
    query = sa.select(experiments).order_by(experiments.c.id)
    if ids is not None:
        query = query.where(experiments.c.id.in_(ids))
    rows = conn.execute(query).all()
    tags = _texts(conn, experiment_tags, "experiment", [row.id for row in rows])
    return [MovedExperiment(**row._mapping, tags=tags[row.id]) for row in rows]


def read_runs(conn: sa.Connection, ids: Sequence[str]) -> list[MovedRun]:
    """The runs of these ids that are there, in no order."""
    rows = conn.execute(sa.select(runs).where(runs.c.id.in_(ids))).all()
    numbers = [row.number for row in rows]
    params, tags = (_texts(conn, t, "run", numbers) for t in (run_params, run_tags))
    latest: dict[int, dict[str, Latest]] = defaultdict(dict)
    for row in conn.execute(sa.select(run_metrics).where(run_metrics.c.run.in_(numbers))):
        latest[row.run][row.key] = Latest(row.step, row.at, row.value, bool(row.nan))
    datasets, used = _datasets(conn, numbers), _used(conn, numbers)
    return [
        MovedRun(
            **{key: value for key, value in row._mapping.items() if key != "number"},
            params=params[row.number],
            tags=tags[row.number],
            latest=latest[row.number],
            datasets=datasets[row.number],
            models=sorted(used[row.number]),
        )
        for row in rows
    ]


def read_points(conn: sa.Connection, ids: Sequence[str]) -> Iterator[list[PointRow]]:
    """All points of runs, a piece at a time."""
    t = metric_points.c
    query = (
        sa.select(runs.c.id, t.key, t.at, t.step, t.value, t.nan)
        .join_from(metric_points, runs, t.run == runs.c.number)
        .where(runs.c.id.in_(ids))
    )
    found = conn.execution_options(yield_per=PIECE).execute(query)
    for rows in found.partitions():
        yield [PointRow(i, k, at, s, v + 0.0, bool(nan)) for i, k, at, s, v, nan in rows]


def count_points(conn: sa.Connection, ids: Sequence[str]) -> dict[str, int]:
    """How many points each run has."""
    query = (
        sa.select(runs.c.id, sa.func.count())
        .join_from(metric_points, runs, metric_points.c.run == runs.c.number)
        .where(runs.c.id.in_(ids))
        .group_by(runs.c.id)
    )
    return {row[0]: row[1] for row in conn.execute(query)}


def read_logged_models(conn: sa.Connection, ids: Sequence[str]) -> list[MovedLoggedModel]:
    """The logged models of these ids that are there."""
    rows = conn.execute(sa.select(logged_models).where(logged_models.c.id.in_(ids))).all()
    params, tags = (
        _texts(conn, table, "model", ids) for table in (logged_model_params, logged_model_tags)
    )
    metrics: dict[str, list[ModelMetric]] = defaultdict(list)
    t = logged_model_metrics
    for row in conn.execute(sa.select(t).where(t.c.model.in_(ids))):
        metrics[row.model].append(
            ModelMetric(
                row.key,
                row.at,
                row.step,
                row.run,
                row.value,
                bool(row.nan),
                row.dataset_name,
                row.dataset_digest,
            )
        )
    return [
        MovedLoggedModel(
            **row._mapping,
            params=params[row.id],
            tags=tags[row.id],
            metrics=sorted(metrics[row.id], key=str),
        )
        for row in rows
    ]


def read_model(conn: sa.Connection, name: str) -> MovedModel | None:
    """A registered model with all its versions."""
    row = conn.execute(sa.select(models).where(models.c.name == name)).first()
    if row is None:
        return None
    tags = _texts(conn, model_tags, "model", [name])[name]
    aliases = conn.execute(sa.select(model_aliases).where(model_aliases.c.model == name))
    found = conn.execute(sa.select(model_versions).where(model_versions.c.model == name)).all()
    version_tags: dict[int, Texts] = defaultdict(dict)
    t = model_version_tags
    for tag in conn.execute(sa.select(t).where(t.c.model == name)):
        version_tags[tag.version][tag.key] = tag.value
    kept = set(MovedVersion.__struct_fields__)
    return MovedModel(
        **row._mapping,
        tags=tags,
        aliases={alias.alias: alias.version for alias in aliases},
        versions=[
            MovedVersion(
                **{key: value for key, value in one._mapping.items() if key in kept},
                tags=version_tags[one.version],
            )
            for one in sorted(found, key=lambda one: one.version)
        ],
    )


def _datasets(conn: sa.Connection, numbers: Sequence[int]) -> dict[int, list[MovedDataset]]:
    query = (
        sa.select(run_inputs.c.run, run_inputs.c.tags, run_datasets)
        .join_from(run_inputs, run_datasets, run_inputs.c.dataset == run_datasets.c.id)
        .where(run_inputs.c.run.in_(numbers))
        .order_by(run_datasets.c.name, run_datasets.c.digest)
    )
    found: dict[int, list[MovedDataset]] = defaultdict(list)
    for row in conn.execute(query):
        found[row.run].append(
            MovedDataset(
                name=row.name,
                digest=row.digest,
                source_type=row.source_type,
                source=row.source,
                schema=row.schema,
                profile=row.profile,
                tags=msgspec.json.decode(row.tags, type=Texts),
            )
        )
    return found


def _used(conn: sa.Connection, numbers: Sequence[int]) -> dict[int, list[MovedUse]]:
    found: dict[int, list[MovedUse]] = defaultdict(list)
    for row in conn.execute(sa.select(run_models).where(run_models.c.run.in_(numbers))):
        found[row.run].append(MovedUse(row.kind, row.model, row.step))
    return found


def _texts(
    conn: sa.Connection, table: sa.Table, owner: str, owners: Sequence[Any]
) -> dict[Any, Texts]:
    found: dict[Any, Texts] = defaultdict(dict)
    column = table.c[owner]
    for one, key, value in conn.execute(
        sa.select(column, table.c.key, table.c.value).where(column.in_(owners))
    ):
        found[one][key] = value
    return found

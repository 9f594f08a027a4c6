"""Dataset versions: all of them, one with its profile drawn, and two beside each other."""

from __future__ import annotations

from typing import Any

import msgspec
import polars as pl

from everloop.console.models.diffs import Differing, feature_words, schema_diff
from everloop.data.versions import ColumnStatistics, DatasetVersion
from everloop.errors import EverloopError
from everloop.loop.lineage import Lineage, dataset_lineage
from everloop.loop.project import Project
from everloop.monitor.comparing import Comparison, compare
from everloop.monitor.profile_report import ProfileLine, profile_lines
from everloop.monitor.summaries.table import TableProfile
from everloop.registry.records import ModelVersion
from everloop.store.clock import now_ms

ROWS = 50
DRAWN = 5_000  # rows, evenly apart, that are drawn and compared
WIDE = 100  # columns that are drawn
USES = 50
BESIDE = 12  # versions of the same name that are offered to compare with


class DatasetsPage(msgspec.Struct, frozen=True):
    """A page of dataset versions, newest first, and the JSON at ``/datasets.json``."""

    at: int
    name: str
    datasets: list[DatasetVersion]
    next: str | None


class Column(msgspec.Struct, frozen=True):
    """A column: what the model reads it as (nothing when it does not), counts, and its drawing.

    ``statistics`` are of all rows, ``drawn`` is of evenly spaced ones.
    """

    name: str
    read_as: str
    statistics: ColumnStatistics
    drawn: ProfileLine | None


class DatasetPage(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/datasets/DIGEST.json``.

    ``sampled`` rows are drawn; ``damaged`` says why none could be. ``used_by`` are the versions
    that were trained on it, ``others`` what it can be compared with.
    """

    at: int
    dataset: DatasetVersion
    columns: list[Column]
    sampled: int
    damaged: str | None
    used_by: list[ModelVersion]
    others: list[DatasetVersion]
    graph: Lineage


class DatasetsCompared(msgspec.Struct, frozen=True):
    """The page, and its JSON: ``drift`` is from ``before`` to ``after``, by rows evenly apart."""

    at: int
    before: DatasetVersion
    after: DatasetVersion
    schema: Differing
    drift: Comparison | None
    damaged: str | None


def read_datasets(
    project: Project, name: str = "", before: tuple[int, str] | None = None
) -> DatasetsPage:
    """Dataset versions, all or those of one ``name``, behind the ``before`` of a page."""
    found = project.datasets.page(name or None, before, ROWS + 1)
    shown = found[:ROWS]
    more = f"{shown[-1].created}.{shown[-1].digest}" if len(found) > ROWS else None
    return DatasetsPage(now_ms(), name, shown, more)


def read_dataset(project: Project, digest: str) -> DatasetPage:
    """One; raises :class:`~everloop.errors.NotFound` when there is none."""
    dataset = project.datasets.get(digest)
    rows, damaged = _rows(project, dataset)
    return DatasetPage(
        at=now_ms(),
        dataset=dataset,
        columns=_columns(dataset, rows),
        sampled=0 if rows is None else rows.height,
        damaged=damaged,
        used_by=project.registry.made_of(digest, USES),
        others=[
            one
            for one in project.datasets.page(dataset.name, limit=BESIDE + 1)
            if one.digest != digest
        ][:BESIDE],
        graph=dataset_lineage(project, digest),
    )


def compare_datasets(project: Project, before: str, after: str) -> DatasetsCompared:
    """Two; raises :class:`~everloop.errors.NotFound` when there is not one of them."""
    old, new = project.datasets.get(before), project.datasets.get(after)
    (was, damaged), (now, other) = _rows(project, old), _rows(project, new)
    drift = None if was is None or now is None else compare(was, now)
    return DatasetsCompared(
        now_ms(), old, new, schema_diff(old.schema, new.schema), drift, damaged or other
    )


def _rows(project: Project, dataset: DatasetVersion) -> tuple[pl.DataFrame | None, str | None]:
    """Some of its rows with the columns that can be drawn, or why there are none."""
    try:
        if dataset.reference is None:
            rows = project.datasets.sample(dataset.digest, dataset.rows, DRAWN)
        else:
            rows = project.datasets.load(dataset.digest, rows=DRAWN)
    except EverloopError as error:
        return None, error.message
    flat = [n for n, kind in rows.schema.items() if not (kind.is_nested() or kind == pl.Binary)]
    return rows.select(flat[:WIDE]), None


def _columns(dataset: DatasetVersion, rows: pl.DataFrame | None) -> list[Column]:
    drawn: dict[str, ProfileLine] = {}
    if rows is not None:
        profile = TableProfile()
        profile.add(rows)
        drawn = {line.name: line for line in profile_lines(profile, {})}
    read_as = _roles(dataset)
    return [
        Column(name, read_as.get(name, ""), statistics, drawn.get(name))
        for name, statistics in dataset.statistics.items()
    ]


def _roles(dataset: DatasetVersion) -> dict[str, str]:
    """What the schema makes of each column."""
    schema = dataset.schema
    found = {feature.name: feature_words(feature) for feature in schema.features}
    named: dict[str, Any] = {"time": schema.time, "id": schema.id, "target": schema.target}
    return {**found, **{column: role for role, column in named.items() if column}}

"""Straight into MLflow's own tables: every id and time stays what it is."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from everloop.errors import InvalidInput, invalid
from everloop.replacing import replacing
from everloop.store.dialect import insert_or_ignore, upsert, upsert_newer
from everloop.tracking.experiments import ARTIFACTS
from everloop.tracking.moving.records import (
    MovedExperiment,
    MovedLoggedModel,
    MovedModel,
    MovedRun,
    PointRow,
)
from everloop.tracking.moving.sources.database import NEEDED, DatabaseSource, parse_url

SPACE = uuid.UUID("6f1c1bb0-6d2a-4b0e-9d0c-0a6d3a8f2c11")
"""Names that a row needs here and has not in everloop are made from what it is, in this space."""

_STATUS = {"PENDING": 1, "READY": 2, "FAILED": 3}
_RUN = (
    "name", "user_id", "status", "start_time", "end_time", "deleted_time", "lifecycle_stage",
    "artifact_uri",
)  # fmt: skip


class DatabaseTarget:
    """The MLflow database at ``url``; artifacts go to the folder ``artifacts_to``.

    Tables that are missing are made by mlflow itself, when it is installed.
    """

    exact = True

    def __init__(self, url: str, artifacts_to: str | None = None) -> None:
        parsed = parse_url(url)
        self.url = url
        self.shown = parsed.render_as_string(hide_password=True)
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise invalid("target", parsed.drivername, "sqlite:///…, postgresql://… or http://…")
        file = Path(parsed.database or "").absolute()
        self.engine = sa.create_engine(parsed)
        # Looking into a SQLite file that is not there would make it.
        fresh = parsed.get_backend_name() == "sqlite" and not file.exists()
        if fresh or not set(NEEDED) <= set(sa.inspect(self.engine).get_table_names()):
            _make_tables(url, self.shown)
        meta = sa.MetaData()
        meta.reflect(self.engine)
        self.tables = meta.tables
        self.folder = Path(artifacts_to or file.parent / "mlartifacts").absolute()
        self.folder.mkdir(parents=True, exist_ok=True)

    def experiment(self, one: MovedExperiment) -> int:
        t = self.tables["experiments"]
        with self.engine.begin() as conn:
            by_name = conn.execute(sa.select(t.c.experiment_id).where(t.c.name == one.name))
            id = by_name.scalar()
            if id is None:
                known = conn.execute(sa.select(t.c.experiment_id))
                taken = set(known.scalars())
                id = one.id if one.id not in taken else max(taken) + 1
            row = {
                "experiment_id": id,
                "name": one.name,
                "artifact_location": one.location or f"{ARTIFACTS}/{id}",
                "lifecycle_stage": "active" if one.deleted is None else "deleted",
                "creation_time": one.created,
                "last_update_time": one.updated,
            }
            changes = ("lifecycle_stage", "last_update_time")
            conn.execute(upsert(t, ["experiment_id"], changes), row)
            tags = [{"experiment_id": id, "key": k, "value": v} for k, v in one.tags.items()]
            self._texts(conn, "experiment_tags", tags)
        return int(id)

    def runs(self, runs: Sequence[MovedRun]) -> dict[str, str]:
        with self.engine.begin() as conn:
            rows = [_run_row(run) for run in runs]
            conn.execute(upsert(self.tables["runs"], ["run_uuid"], _RUN), rows)
            for name in ("params", "tags"):
                texts = [
                    {"run_uuid": run.id, "key": key, "value": value}
                    for run in runs
                    for key, value in getattr(run, name).items()
                ]
                self._texts(conn, name, texts)
            for run in runs:
                self._inputs(conn, run)
        return {run.id: run.id for run in runs}

    def points(self, rows: Sequence[PointRow]) -> None:
        values = [
            {"run_uuid": p.run, "key": p.key, "timestamp": p.at, "step": p.step,
             "value": p.value, "is_nan": p.nan}
            for p in rows
        ]  # fmt: skip
        if values:
            with self.engine.begin() as conn:
                conn.execute(insert_or_ignore(self.tables["metrics"]), values)

    def settle(self, runs: Sequence[MovedRun]) -> None:
        order = ("step", "timestamp", "value")
        statement = upsert_newer(
            self.tables["latest_metrics"], ["key", "run_uuid"], (*order, "is_nan"), by=order
        )
        rows = [
            {"run_uuid": run.id, "key": key, "timestamp": one.at, "step": one.step,
             "value": one.value, "is_nan": one.nan}
            for run in runs for key, one in run.latest.items()
        ]  # fmt: skip
        if rows:
            with self.engine.begin() as conn:
                conn.execute(statement, rows)

    def logged_models(self, models: Sequence[MovedLoggedModel]) -> None:
        with self.engine.begin() as conn:
            for one in models:
                row = _logged_model_row(one)
                changes = [name for name in row if name not in ("model_id", "experiment_id")]
                conn.execute(upsert(self.tables["logged_models"], ["model_id"], changes), row)
                own = {"model_id": one.id, "experiment_id": one.experiment}
                for kind in ("param", "tag"):
                    texts = [
                        own | {f"{kind}_key": key, f"{kind}_value": value}
                        for key, value in getattr(one, f"{kind}s").items()
                    ]
                    self._texts(conn, f"logged_model_{kind}s", texts, f"{kind}_value")
                metrics = [_metric_row(metric) | own for metric in one.metrics]
                if metrics:
                    conn.execute(insert_or_ignore(self.tables["logged_model_metrics"]), metrics)

    def model(self, one: MovedModel) -> None:
        space = {"workspace": "default"}
        with self.engine.begin() as conn:
            row: dict[str, Any] = space | {
                "name": one.name,
                "creation_time": one.created,
                "last_updated_time": one.updated,
                "description": one.description,
            }
            self._put(conn, "registered_models", row, ("last_updated_time", "description"))
            tags = [space | {"name": one.name, "key": k, "value": v} for k, v in one.tags.items()]
            self._texts(conn, "registered_model_tags", tags)
            for version in one.versions:
                here: dict[str, Any] = space | {"name": one.name, "version": version.version}
                values = {
                    "creation_time": version.created,
                    "last_updated_time": version.updated,
                    "description": version.description,
                    "user_id": version.user,
                    "current_stage": version.stage,
                    "source": version.source,
                    "storage_location": version.location,
                    "run_id": version.run,
                    "run_link": version.run_link,
                    "status": version.status,
                    "status_message": version.status_message,
                }
                self._put(conn, "model_versions", here | values, tuple(values))
                texts = [here | {"key": k, "value": v} for k, v in version.tags.items()]
                self._texts(conn, "model_version_tags", texts)
            for alias, number in one.aliases.items():
                row = space | {"name": one.name, "alias": alias, "version": number}
                self._put(conn, "registered_model_aliases", row, ("version",))

    def has_file(self, kind: str, id: str, key: str, path: str, size: int) -> bool:
        file = self.folder / key / path
        return file.is_file() and file.stat().st_size == size

    def put_file(self, kind: str, id: str, key: str, path: str, pieces: Iterator[bytes]) -> None:
        file = self.folder / key / path
        with replacing(file) as fresh, fresh.open("wb") as out:
            for piece in pieces:
                out.write(piece)

    def source(self) -> DatabaseSource:
        return DatabaseSource(self.url, str(self.folder))

    def notes(self) -> list[str]:
        return [
            f"Start it with: mlflow server --backend-store-uri {self.shown} "
            f"--artifacts-destination {self.folder}"
        ]

    def close(self) -> None:
        self.engine.dispose()

    def _inputs(self, conn: sa.Connection, run: MovedRun) -> None:
        datasets, inputs, tags = (self.tables[n] for n in ("datasets", "inputs", "input_tags"))
        for use in run.datasets:
            known = (run.experiment, use.name, use.digest)
            row = {
                "dataset_uuid": _name("dataset", *known),
                "experiment_id": run.experiment,
                "name": use.name,
                "digest": use.digest,
                "dataset_source_type": use.source_type,
                "dataset_source": use.source,
                "dataset_schema": use.schema,
                "dataset_profile": use.profile,
            }
            conn.execute(insert_or_ignore(datasets), row)
            c = datasets.c
            here = (c.experiment_id == known[0]) & (c.name == known[1]) & (c.digest == known[2])
            found = conn.execute(sa.select(c.dataset_uuid).where(here)).scalar_one()
            link = ("DATASET", found, "RUN", run.id)
            self._link(conn, inputs, link, 0)
            texts = [
                {"input_uuid": _name("input", *link), "name": k, "value": v}
                for k, v in use.tags.items()
            ]
            if texts:
                conn.execute(insert_or_ignore(tags), texts)
        for model in run.models:
            kind = model.kind.upper()
            link = (f"RUN_{kind}", run.id, f"MODEL_{kind}", model.model)
            self._link(conn, inputs, link, model.step)

    @staticmethod
    def _link(conn: sa.Connection, table: sa.Table, link: tuple[str, ...], step: int) -> None:
        names = ("source_type", "source_id", "destination_type", "destination_id")
        row: dict[str, Any] = dict(zip(names, link, strict=True))
        row |= {"input_uuid": _name("input", *link), "step": step}
        conn.execute(insert_or_ignore(table), {k: v for k, v in row.items() if k in table.c})

    def _put(
        self, conn: sa.Connection, name: str, row: Mapping[str, Any], changes: Sequence[str]
    ) -> None:
        table = self.tables[name]
        known = {key: value for key, value in row.items() if key in table.c}
        keys = [column.name for column in table.primary_key]
        conn.execute(upsert(table, keys, [c for c in changes if c in known]), known)

    def _texts(
        self, conn: sa.Connection, name: str, rows: list[dict[str, Any]], value: str = "value"
    ) -> None:
        table = self.tables[name]
        keys = [column.name for column in table.primary_key]
        if rows:
            known = [{k: v for k, v in row.items() if k in table.c} for row in rows]
            conn.execute(upsert(table, keys, [value]), known)


def _make_tables(url: str, shown: str) -> None:
    if importlib.util.find_spec("mlflow") is None:
        raise InvalidInput(
            f"{shown} has no MLflow tables, and mlflow, which makes them, is not installed here.",
            code="no_mlflow_tables",
            fix=f"Run once where mlflow is installed: mlflow db upgrade {shown}",
        )
    code = (
        "import sys; from mlflow.store.db import utils; "
        "utils._safe_initialize_tables(utils.create_sqlalchemy_engine_with_retry(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, url], env=dict(os.environ), capture_output=True, text=True
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InvalidInput(f"mlflow could not make its tables in {shown}: {last}")


def _name(*parts: object) -> str:
    return uuid.uuid5(SPACE, repr(parts)).hex


def _run_row(run: MovedRun) -> dict[str, Any]:
    return {
        "run_uuid": run.id,
        "name": run.name,
        "source_type": "UNKNOWN",
        "source_name": "",
        "entry_point_name": "",
        "user_id": run.user,
        "status": run.status,
        "start_time": run.started,
        "end_time": run.finished,
        "deleted_time": run.deleted,
        "source_version": "",
        "lifecycle_stage": "active" if run.deleted is None else "deleted",
        "artifact_uri": run.location,
        "experiment_id": run.experiment,
    }


def _logged_model_row(one: MovedLoggedModel) -> dict[str, Any]:
    return {
        "model_id": one.id,
        "experiment_id": one.experiment,
        "name": one.name,
        "artifact_location": one.location,
        "creation_timestamp_ms": one.created,
        "last_updated_timestamp_ms": one.updated,
        "status": _STATUS.get(one.status, 1),
        "lifecycle_stage": "active" if one.deleted is None else "deleted",
        "model_type": one.type,
        "source_run_id": one.run,
        "status_message": one.message,
    }


def _metric_row(metric: Any) -> dict[str, Any]:
    return {
        "metric_name": metric.key,
        "metric_timestamp_ms": metric.at,
        "metric_step": metric.step,
        "metric_value": None if metric.nan else metric.value,
        "run_id": metric.run,
        "dataset_uuid": None,
        "dataset_name": metric.dataset_name,
        "dataset_digest": metric.dataset_digest,
    }

"""MLflow's own database, read with its tables as they are found: any version of its schema."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from everloop.errors import InvalidInput, Unavailable, invalid
from everloop.tracking.moving.fence import Fence
from everloop.tracking.moving.places import Places
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
from everloop.tracking.moving.sources.base import BATCH, PIECE, Totals, latest, number
from everloop.tracking.records import RUN_NAME

NEEDED = ("experiments", "runs", "metrics", "latest_metrics", "params", "tags")
_READ = {
    *NEEDED, "experiment_tags", "datasets", "inputs", "input_tags", "logged_models",
    "logged_model_params", "logged_model_tags", "logged_model_metrics", "registered_models",
    "registered_model_tags", "registered_model_aliases", "model_versions", "model_version_tags",
    "trace_info", "webhooks", "evaluation_datasets",
}  # fmt: skip
_STATUS = {1: "PENDING", 2: "READY", 3: "FAILED"}
_DELETED = "Deleted_Internal"
_LEFT = {
    "trace_info": "traces",
    "webhooks": "webhooks",
    "evaluation_datasets": "evaluation datasets",
}


class DatabaseSource:
    """An MLflow database at ``url``; rows of the workspace ``default``, the only one by default."""

    def __init__(
        self, url: str, artifacts_from: str | None = None, fence: Fence | None = None
    ) -> None:
        parsed = parse_url(url)
        self.shown = parsed.render_as_string(hide_password=True)
        folder = _folder(parsed)
        self.engine = _engine(parsed)
        self.tables = self._reflect()
        self.places = Places(artifacts_from or _proxied(folder), folder, fence)

    def totals(self) -> Totals:
        t = self.tables
        with self._connect() as conn:
            return Totals(
                experiments=self._count(conn, t["experiments"]),
                runs=self._count(conn, t["runs"]),
                points=self._count(conn, t["metrics"]),
                models=self._count(conn, t.get("registered_models")),
            )

    def experiments(self) -> list[MovedExperiment]:
        t = self.tables["experiments"]
        tags: dict[int, Texts] = defaultdict(dict)
        with self._connect() as conn:
            if "experiment_tags" in self.tables:
                for row in conn.execute(sa.select(self.tables["experiment_tags"])):
                    tags[row.experiment_id][row.key] = row.value or ""
            rows = conn.execute(_here(t).order_by(t.c.experiment_id)).mappings().all()
        return [_experiment(row, tags[row["experiment_id"]]) for row in rows]

    def runs(self, experiment: int) -> Iterator[list[MovedRun]]:
        t = self.tables["runs"].c
        query = sa.select(t.run_uuid).where(t.experiment_id == experiment)
        with self._connect() as conn:
            ids = list(conn.execute(query.order_by(t.start_time, t.run_uuid)).scalars())
        for start in range(0, len(ids), BATCH):
            yield self._runs(ids[start : start + BATCH])

    def counts(self, runs: Sequence[MovedRun]) -> dict[str, int] | None:
        t = self.tables["metrics"].c
        query = (
            sa.select(t.run_uuid, sa.func.count())
            .where(t.run_uuid.in_([run.id for run in runs]))
            .group_by(t.run_uuid)
        )
        with self._connect() as conn:
            return {row[0]: row[1] for row in conn.execute(query)}

    def points(self, runs: Sequence[MovedRun]) -> Iterator[list[PointRow]]:
        t = self.tables["metrics"].c
        query = sa.select(t.run_uuid, t.key, t.timestamp, t.step, t.value, t.is_nan)
        query = query.where(t.run_uuid.in_([run.id for run in runs]))
        with self._connect() as conn:
            found = conn.execution_options(yield_per=PIECE).execute(query)
            for rows in found.partitions():
                yield [PointRow(r, k, at, s, *number(v, nan)) for r, k, at, s, v, nan in rows]

    def logged_models(self, experiment: int) -> Iterator[list[MovedLoggedModel]]:
        if "logged_models" not in self.tables:
            return
        t = self.tables["logged_models"].c
        query = sa.select(t.model_id).where(t.experiment_id == experiment)
        with self._connect() as conn:
            ids = list(conn.execute(query.order_by(t.model_id)).scalars())
        for start in range(0, len(ids), BATCH):
            yield self._logged_models(ids[start : start + BATCH])

    def model_names(self) -> list[str]:
        if "registered_models" not in self.tables:
            return []
        with self._connect() as conn:
            return [row.name for row in conn.execute(_here(self.tables["registered_models"]))]

    def models(self) -> Iterator[MovedModel]:
        if "registered_models" not in self.tables:
            return
        with self._connect() as conn:
            table = self.tables["registered_models"]
            rows = conn.execute(_here(table).order_by(table.c.name)).mappings().all()
        for row in rows:
            yield self._model(row)

    def notes(self) -> list[str]:
        found = []
        with self._connect() as conn:
            for name, words in _LEFT.items():
                count = self._count(conn, self.tables.get(name))
                if count:
                    found.append(f"{count:,} {words} stay behind: everloop has none.")
            for name in ("experiments", "registered_models"):
                table = self.tables.get(name)
                if table is not None and "workspace" in table.c:
                    other = sa.select(sa.func.count()).where(table.c.workspace != "default")
                    count = conn.execute(other).scalar_one()
                    if count:
                        words = name.replace("_", " ")
                        found.append(f"{count:,} {words} of other workspaces stay behind.")
        return found

    def close(self) -> None:
        self.engine.dispose()

    # -- inside ----------------------------------------------------------------------------------

    def _connect(self) -> sa.Connection:
        try:
            return self.engine.connect()
        except sa.exc.DBAPIError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: sa.exc.DBAPIError) -> Unavailable:
        reason = str(error.orig).strip().splitlines()[0]
        return Unavailable(
            f"The database {self.shown} cannot be read: {reason}.", code="source_unavailable"
        )

    def _reflect(self) -> dict[str, sa.Table]:
        meta = sa.MetaData()
        try:
            here = sa.inspect(self.engine).get_table_names()
            meta.reflect(self.engine, only=[name for name in here if name in _READ])
        except sa.exc.DBAPIError as error:
            raise self._unavailable(error) from error
        missing = [name for name in NEEDED if name not in meta.tables]
        if missing or "run_uuid" not in meta.tables["runs"].c:
            raise InvalidInput(
                f"{self.shown} is not an MLflow database: it has no table "
                f"{missing[0] if missing else 'runs with run_uuid'!r}.",
                code="not_mlflow",
                fix="Give the address that `mlflow server` has as --backend-store-uri.",
            )
        return dict(meta.tables)

    @staticmethod
    def _count(conn: sa.Connection, table: sa.Table | None) -> int:
        if table is None:
            return 0
        return int(conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())

    def _runs(self, ids: list[str]) -> list[MovedRun]:
        t = self.tables["runs"]
        with self._connect() as conn:
            rows = conn.execute(sa.select(t).where(t.c.run_uuid.in_(ids))).mappings()
            found = {row["run_uuid"]: row for row in rows}
            params, tags = (self._texts(conn, name, ids) for name in ("params", "tags"))
            newest = self._latest(conn, ids)
            datasets, used = self._datasets(conn, ids), self._used(conn, ids)
        return [
            _run(found[id], params[id], tags[id], newest[id], datasets[id], sorted(used[id]))
            for id in ids
            if id in found
        ]

    def _texts(self, conn: sa.Connection, name: str, ids: list[str]) -> dict[str, Texts]:
        t = self.tables[name].c
        found: dict[str, Texts] = defaultdict(dict)
        query = sa.select(t.run_uuid, t.key, t.value).where(t.run_uuid.in_(ids))
        for run, key, value in conn.execute(query):
            found[run][key] = value or ""
        return found

    def _latest(self, conn: sa.Connection, ids: list[str]) -> dict[str, dict[str, Latest]]:
        t = self.tables["latest_metrics"].c
        found: dict[str, dict[str, Latest]] = defaultdict(dict)
        query = sa.select(t.run_uuid, t.key, t.step, t.timestamp, t.value, t.is_nan)
        for run, key, *rest in conn.execute(query.where(t.run_uuid.in_(ids))):
            found[run][key] = latest(*rest)
        return found

    def _datasets(self, conn: sa.Connection, ids: list[str]) -> dict[str, list[MovedDataset]]:
        found: dict[str, list[MovedDataset]] = defaultdict(list)
        if not {"datasets", "inputs", "input_tags"} <= set(self.tables):
            return found
        i, d, n = (self.tables[name] for name in ("inputs", "datasets", "input_tags"))
        query = (
            sa.select(i.c.destination_id, i.c.input_uuid, d)
            .join_from(i, d, i.c.source_id == d.c.dataset_uuid)
            .where(i.c.source_type == "DATASET", i.c.destination_type == "RUN")
            .where(i.c.destination_id.in_(ids))
        )
        rows = conn.execute(query.order_by(d.c.name, d.c.digest)).mappings().all()
        tags: dict[str, Texts] = defaultdict(dict)
        uses = [row["input_uuid"] for row in rows]
        for start in range(0, len(uses), BATCH):
            part = sa.select(n).where(n.c.input_uuid.in_(uses[start : start + BATCH]))
            for one in conn.execute(part):
                tags[one.input_uuid][one.name] = one.value
        for row in rows:
            found[row["destination_id"]].append(_dataset(row, tags[row["input_uuid"]]))
        return found

    def _used(self, conn: sa.Connection, ids: list[str]) -> dict[str, list[MovedUse]]:
        found: dict[str, list[MovedUse]] = defaultdict(list)
        if "inputs" not in self.tables or "step" not in self.tables["inputs"].c:
            return found
        t = self.tables["inputs"].c
        for kind in ("input", "output"):
            query = sa.select(t.source_id, t.destination_id, t.step).where(
                t.source_type == f"RUN_{kind.upper()}",
                t.destination_type == f"MODEL_{kind.upper()}",
                t.source_id.in_(ids),
            )
            for run, model, step in conn.execute(query):
                found[run].append(MovedUse("input" if kind == "input" else "output", model, step))
        return found

    def _logged_models(self, ids: list[str]) -> list[MovedLoggedModel]:
        t = self.tables["logged_models"]
        metrics: dict[str, list[ModelMetric]] = defaultdict(list)
        texts: list[dict[str, Texts]] = []
        with self._connect() as conn:
            rows = conn.execute(sa.select(t).where(t.c.model_id.in_(ids))).mappings().all()
            for kind in ("param", "tag"):
                own = self.tables[f"logged_model_{kind}s"]
                found: dict[str, Texts] = defaultdict(dict)
                for text in conn.execute(sa.select(own).where(own.c.model_id.in_(ids))).mappings():
                    found[text["model_id"]][text[f"{kind}_key"]] = text[f"{kind}_value"]
                texts.append(found)
            own = self.tables["logged_model_metrics"]
            for one in conn.execute(sa.select(own).where(own.c.model_id.in_(ids))).mappings():
                metrics[one["model_id"]].append(
                    ModelMetric(
                        one["metric_name"],
                        one["metric_timestamp_ms"],
                        one["metric_step"],
                        one["run_id"],
                        *number(one["metric_value"]),
                        one["dataset_name"],
                        one["dataset_digest"],
                    )
                )
        params, tags = texts
        return [
            _logged_model(row, params[i], tags[i], sorted(metrics[i], key=str))
            for row in rows
            for i in [row["model_id"]]
        ]

    def _model(self, row: Any) -> MovedModel:
        name = row["name"]
        with self._connect() as conn:

            def of(table: str) -> list[Any]:
                t = self.tables.get(table)
                if t is None:
                    return []
                return list(conn.execute(_here(t).where(t.c.name == name)).mappings())

            tags, aliases = of("registered_model_tags"), of("registered_model_aliases")
            versions, version_tags = of("model_versions"), of("model_version_tags")
        texts: dict[int, Texts] = defaultdict(dict)
        for tag in version_tags:
            texts[tag["version"]][tag["key"]] = tag["value"] or ""
        kept = [one for one in versions if one["current_stage"] != _DELETED]
        return MovedModel(
            name=name,
            description=row["description"] or None,
            created=row["creation_time"] or 0,
            updated=row["last_updated_time"] or row["creation_time"] or 0,
            last=max((one["version"] for one in versions), default=0),
            tags={tag["key"]: tag["value"] or "" for tag in tags},
            aliases={alias["alias"]: alias["version"] for alias in aliases},
            versions=[
                _version(one, texts[one["version"]])
                for one in sorted(kept, key=lambda one: one["version"])
            ],
        )


def _here(table: sa.Table) -> sa.Select[Any]:
    query = sa.select(table)
    return query.where(table.c.workspace == "default") if "workspace" in table.c else query


def parse_url(text: str) -> sa.URL:
    """The address of a database; raises InvalidInput when it is none."""
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        # The text may hold a password, so it is not shown.
        raise invalid("source", "<not a URL>", "sqlite:///mlflow.db or http://host:5000") from None
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg2"):
        return url.set(drivername="postgresql+psycopg")
    return url


def _folder(url: sa.URL) -> Path | None:
    """Of a SQLite file: the folder it lies in. Raises InvalidInput when it is not there."""
    if url.get_backend_name() != "sqlite":
        return None
    path = Path(url.database or "")
    if not path.is_file():
        raise invalid("source", str(path), "a SQLite file that is there", code="source_not_found")
    return path.resolve().parent


def _proxied(folder: Path | None) -> str | None:
    """Where a server started in the database's folder keeps artifacts unless told otherwise."""
    found = folder / "mlartifacts" if folder else None
    return str(found) if found and found.is_dir() else None


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "").resolve()
        url = sa.make_url(f"sqlite:///file:{path}?mode=ro&uri=true")
    try:
        return sa.create_engine(url)
    except (ModuleNotFoundError, sa.exc.NoSuchModuleError) as error:
        raise InvalidInput(
            f"Reading {url.get_backend_name()} needs a driver that is not installed: {error}.",
            code="missing_driver",
            fix="Install it, or import from the address of the MLflow server.",
        ) from None


def _experiment(row: Any, tags: Texts) -> MovedExperiment:
    created = row.get("creation_time") or 0
    updated = row.get("last_update_time") or created
    return MovedExperiment(
        id=row["experiment_id"],
        name=row["name"],
        location=row["artifact_location"],
        created=created,
        updated=updated,
        deleted=updated if row["lifecycle_stage"] == "deleted" else None,
        tags=tags,
    )


def _run(
    row: Any, params: Texts, tags: Texts, newest: dict[str, Latest],
    datasets: list[MovedDataset], used: list[MovedUse],
) -> MovedRun:  # fmt: skip
    started = row["start_time"] or 0
    deleted = row.get("deleted_time") or row["end_time"] or started
    return MovedRun(
        id=row["run_uuid"],
        experiment=row["experiment_id"],
        name=row["name"] or tags.get(RUN_NAME, ""),
        user=row["user_id"] or "",
        status=row["status"] or "RUNNING",
        started=started,
        finished=row["end_time"],
        deleted=deleted if row["lifecycle_stage"] == "deleted" else None,
        location=row["artifact_uri"] or "",
        params=params,
        tags=tags,
        latest=newest,
        datasets=datasets,
        models=used,
    )


def _dataset(row: Any, tags: Texts) -> MovedDataset:
    return MovedDataset(
        name=row["name"],
        digest=row["digest"],
        source_type=row["dataset_source_type"],
        source=row["dataset_source"],
        schema=row["dataset_schema"],
        profile=row["dataset_profile"],
        tags=tags,
    )


def _logged_model(
    row: Any, params: Texts, tags: Texts, metrics: list[ModelMetric]
) -> MovedLoggedModel:
    updated = row["last_updated_timestamp_ms"]
    return MovedLoggedModel(
        id=row["model_id"],
        experiment=row["experiment_id"],
        run=row["source_run_id"] or None,
        name=row["name"],
        type=row["model_type"] or None,
        status=_STATUS.get(row["status"], "PENDING"),
        message=row["status_message"] or None,
        location=row["artifact_location"],
        created=row["creation_timestamp_ms"],
        updated=updated,
        deleted=updated if row["lifecycle_stage"] == "deleted" else None,
        params=params,
        tags=tags,
        metrics=metrics,
    )


def _version(row: Any, tags: Texts) -> MovedVersion:
    created = row["creation_time"] or 0
    source = row["source"] or ""
    return MovedVersion(
        version=row["version"],
        created=created,
        updated=row["last_updated_time"] or created,
        description=row["description"] or None,
        user=row["user_id"] or None,
        stage=row["current_stage"] or "None",
        source=source or None,
        location=row.get("storage_location") or None,
        run=row["run_id"] or None,
        run_link=row["run_link"] or None,
        logged_model=source.removeprefix("models:/") if source.startswith("models:/m-") else None,
        status=row["status"] or "READY",
        status_message=row["status_message"] or None,
        tags=tags,
    )

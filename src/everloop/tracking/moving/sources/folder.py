"""MLflow's file store: a folder ``mlruns`` with a file for each param, tag and metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from everloop.errors import Integrity, invalid, shorten
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
from everloop.tracking.moving.sources.base import BATCH, PIECE, Totals, number
from everloop.tracking.records import RUN_NAME

META = "meta.yaml"
TRASH = ".trash"
_RESERVED = {"tags", "datasets", "traces", "models"}
_STATUS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
_MODEL_STATUS = {1: "PENDING", 2: "READY", 3: "FAILED"}
_DELETED = "Deleted_Internal"


class FolderSource:
    """The file store in ``root``."""

    def __init__(
        self, root: Path, artifacts_from: str | None = None, fence: Fence | None = None
    ) -> None:
        self.root = root.absolute()
        self.shown = self.root.as_uri()
        if not any(self._experiment_folders()) and not (self.root / "models").is_dir():
            raise invalid(
                "source", str(root), "a folder mlruns with experiments in it", code="not_mlflow"
            )
        self.places = Places(artifacts_from or str(self.root), self.root, fence)

    def totals(self) -> Totals:
        folders = list(self._experiment_folders())
        runs = sum(1 for folder in folders for _ in _run_folders(folder))
        return Totals(
            experiments=len(folders), runs=runs, points=None, models=len(self.model_names())
        )

    def experiments(self) -> list[MovedExperiment]:
        found = []
        for folder in self._experiment_folders():
            meta = _meta(folder)
            created = meta.get("creation_time") or 0
            updated = meta.get("last_update_time") or created
            found.append(
                MovedExperiment(
                    id=int(meta["experiment_id"]),
                    name=str(meta["name"]),
                    location=meta.get("artifact_location"),
                    created=created,
                    updated=updated,
                    deleted=updated if meta.get("lifecycle_stage") == "deleted" else None,
                    tags=_texts(folder / "tags"),
                )
            )
        return sorted(found, key=lambda one: one.id)

    def runs(self, experiment: int) -> Iterator[list[MovedRun]]:
        folder = self._experiment(experiment)
        known = [(_meta(run).get("start_time") or 0, run.name) for run in _run_folders(folder)]
        names = [name for _, name in sorted(known)]
        for start in range(0, len(names), BATCH):
            part = names[start : start + BATCH]
            yield [_run(folder / name, folder, experiment) for name in part]

    def counts(self, runs: Sequence[MovedRun]) -> dict[str, int] | None:
        return None

    def points(self, runs: Sequence[MovedRun]) -> Iterator[list[PointRow]]:
        rows: list[PointRow] = []
        for run in runs:
            folder = self._experiment(run.experiment) / run.id / "metrics"
            for key, path in _files(folder):
                for at, value, step, _ in _lines(path):
                    rows.append(PointRow(run.id, key, at, step, *number(value)))
                    if len(rows) >= PIECE:
                        yield rows
                        rows = []
        if rows:
            yield rows

    def logged_models(self, experiment: int) -> Iterator[list[MovedLoggedModel]]:
        folder = self._experiment(experiment) / "models"
        if folder.is_dir():
            ids = sorted(path.name for path in folder.iterdir() if (path / META).is_file())
            for start in range(0, len(ids), BATCH):
                part = ids[start : start + BATCH]
                yield [_logged_model(folder / name, experiment) for name in part]

    def model_names(self) -> list[str]:
        return [str(_meta(folder)["name"]) for folder in self._model_folders()]

    def models(self) -> Iterator[MovedModel]:
        for folder in self._model_folders():
            meta = _meta(folder)
            created = meta.get("creation_timestamp") or 0
            versions = [_meta(path) for path in sorted(folder.glob("version-*"))]
            yield MovedModel(
                name=str(meta["name"]),
                description=meta.get("description") or None,
                created=created,
                updated=meta.get("last_updated_timestamp") or created,
                last=max((int(one["version"]) for one in versions), default=0),
                tags=_texts(folder / "tags"),
                aliases={k: int(v) for k, v in _texts(folder / "aliases").items()},
                versions=[
                    _version(one, _texts(folder / f"version-{one['version']}" / "tags"))
                    for one in sorted(versions, key=lambda one: int(one["version"]))
                    if one.get("current_stage") != _DELETED
                ],
            )

    def notes(self) -> list[str]:
        return []

    def close(self) -> None:
        pass

    def _experiment_folders(self) -> Iterator[Path]:
        for parent in (self.root, self.root / TRASH):
            for folder in sorted(parent.iterdir()) if parent.is_dir() else ():
                if folder.name not in (TRASH, "models") and (folder / META).is_file():
                    yield folder

    def _experiment(self, id: int) -> Path:
        found = self.root / str(id)
        return found if found.is_dir() else self.root / TRASH / str(id)

    def _model_folders(self) -> list[Path]:
        parent = self.root / "models"
        if not parent.is_dir():
            return []
        return sorted(path for path in parent.iterdir() if (path / META).is_file())


def _run_folders(experiment: Path) -> Iterator[Path]:
    for folder in sorted(experiment.iterdir()):
        if folder.name not in _RESERVED and (folder / META).is_file():
            yield folder


def _meta(folder: Path) -> dict[str, Any]:
    path = folder / META
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise Integrity(f"{path} cannot be read: {error}.", path=str(path)) from None
    if not isinstance(found, dict):
        raise Integrity(f"{path} is empty or no table of keys.", path=str(path))
    return found


# The one written in C is ten times as fast, and no less safe.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files below a folder by their relative path, which is the key: a key may hold slashes."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def _texts(folder: Path) -> Texts:
    return {key: _text(path) for key, path in _files(folder)}


def _text(path: Path) -> str:
    # Text as it is: a line's end in a value is part of it.
    return path.read_bytes().decode("utf-8", errors="replace")


def _lines(path: Path) -> Iterator[tuple[int, float, int, list[str]]]:
    """Time, value, step, and what else a metric's line holds."""
    with path.open(encoding="utf-8") as file:
        for count, line in enumerate(file, 1):
            parts = line.split()
            try:
                step = int(parts[2]) if len(parts) > 2 else 0
                yield int(parts[0]), float(parts[1]), step, parts[3:]
            except (ValueError, IndexError):
                if parts:
                    got = shorten(line.strip())
                    said = f"{path}, line {count}: got {got}, expected time, value and step."
                    raise Integrity(said, path=str(path)) from None


def _run(folder: Path, parent: Path, experiment: int) -> MovedRun:
    meta, tags = _meta(folder), _texts(folder / "tags")
    newest: dict[str, Latest] = {}
    for key, path in _files(folder / "metrics"):
        own = (Latest(step, at, *number(value)) for at, value, step, _ in _lines(path))
        best = max(own, default=None)
        if best is not None:
            newest[key] = best
    started = meta.get("start_time") or 0
    deleted = meta.get("deleted_time") or meta.get("end_time") or started
    status = meta.get("status")
    return MovedRun(
        id=folder.name,
        experiment=experiment,
        name=str(meta.get("run_name") or tags.get(RUN_NAME, "")),
        user=meta.get("user_id") or "",
        status=_STATUS.get(status, "RUNNING") if isinstance(status, int) else str(status),
        started=started,
        finished=meta.get("end_time"),
        deleted=deleted if meta.get("lifecycle_stage") == "deleted" else None,
        location=meta.get("artifact_uri") or "",
        params=_texts(folder / "params"),
        tags=tags,
        latest=newest,
        datasets=_datasets(folder, parent),
        models=sorted(_used(folder)),
    )


def _datasets(folder: Path, parent: Path) -> list[MovedDataset]:
    found = []
    for path in sorted((folder / "inputs").glob("*")):
        use = _meta(path)
        where = parent / "datasets" / str(use["source_id"])
        if use["source_type"] == "DATASET" and where.is_dir():
            meta = _meta(where)
            tags = {str(k): str(v) for k, v in (use.get("tags") or {}).items()}
            found.append(
                MovedDataset(
                    name=str(meta["name"]),
                    digest=str(meta["digest"]),
                    source_type=str(meta.get("source_type") or ""),
                    source=str(meta.get("source") or ""),
                    schema=meta.get("schema"),
                    profile=meta.get("profile"),
                    tags=tags,
                )
            )
    return sorted(found, key=lambda one: (one.name, one.digest))


def _used(folder: Path) -> Iterator[MovedUse]:
    for path in (folder / "inputs").glob("*"):
        use = _meta(path)
        if use["source_type"] == "MODEL":
            yield MovedUse("input", str(use["source_id"]), 0)
    for path in (folder / "outputs").glob("*"):
        use = _meta(path)
        yield MovedUse("output", str(use["source_id"]), int(use.get("step") or 0))


def _logged_model(folder: Path, experiment: int) -> MovedLoggedModel:
    meta = _meta(folder)
    updated = meta["last_updated_timestamp"]
    metrics = []
    for key, path in _files(folder / "metrics"):
        for at, value, step, rest in _lines(path):
            run, name, digest = [*rest, *[None] * 3][:3]
            metrics.append(ModelMetric(key, at, step, run or "", *number(value), name, digest))
    return MovedLoggedModel(
        id=folder.name,
        experiment=experiment,
        run=meta.get("source_run_id") or None,
        name=str(meta["name"]),
        type=meta.get("model_type") or None,
        status=_MODEL_STATUS.get(meta["status"], "PENDING"),
        message=meta.get("status_message") or None,
        location=meta["artifact_location"],
        created=meta["creation_timestamp"],
        updated=updated,
        deleted=updated if meta.get("lifecycle_stage") == "deleted" else None,
        params=_texts(folder / "params"),
        tags=_texts(folder / "tags"),
        metrics=sorted(metrics, key=str),
    )


def _version(meta: dict[str, Any], tags: Texts) -> MovedVersion:
    created = meta.get("creation_timestamp") or 0
    return MovedVersion(
        version=int(meta["version"]),
        created=created,
        updated=meta.get("last_updated_timestamp") or created,
        description=meta.get("description") or None,
        user=meta.get("user_id") or None,
        stage=str(meta.get("current_stage") or "None"),
        source=meta.get("source") or None,
        location=meta.get("storage_location") or None,
        run=meta.get("run_id") or None,
        run_link=meta.get("run_link") or None,
        logged_model=meta.get("model_id"),
        status=str(meta.get("status") or "READY"),
        status_message=meta.get("status_message") or None,
        tags=tags,
    )

"""An MLflow server, read over its REST protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from everloop.tracking.mlflow_api.logged_models import STATUSES
from everloop.tracking.moving.client import PROMPTS, MlflowServer
from everloop.tracking.moving.fence import Fence
from everloop.tracking.moving.places import PROXIED, Places, Tree, below_proxy
from everloop.tracking.moving.records import (
    Latest,
    ModelMetric,
    MovedDataset,
    MovedExperiment,
    MovedFile,
    MovedLoggedModel,
    MovedModel,
    MovedRun,
    MovedUse,
    MovedVersion,
    PointRow,
    Texts,
)
from everloop.tracking.moving.sources.base import BATCH, Totals, latest, number
from everloop.tracking.records import RUN_NAME

THREADS = 8
"""Histories that are asked for at a time."""


class RestSource:
    """The server at ``url``."""

    def __init__(
        self, url: str, artifacts_from: str | None = None, fence: Fence | None = None
    ) -> None:
        self.server = MlflowServer(url, fence)
        self.shown = self.server.shown
        self.places = ServedPlaces(self.server, artifacts_from, fence)
        self._names: list[tuple[str, bool]] | None = None
        self.pool = ThreadPoolExecutor(THREADS)

    def totals(self) -> Totals:
        return Totals(
            experiments=len(self.experiments()),
            runs=None,
            points=None,
            models=len(self.model_names()),
        )

    def experiments(self) -> list[MovedExperiment]:
        asked = {"view_type": "ALL", "max_results": 1000}
        found = [
            MovedExperiment(
                id=int(one["experiment_id"]),
                name=one["name"],
                location=one.get("artifact_location"),
                created=int(one.get("creation_time", 0)),
                updated=int(one.get("last_update_time", 0)),
                deleted=int(one.get("last_update_time", 0)) if _deleted(one) else None,
                tags=_texts(one.get("tags")),
            )
            for one in self.server.pages("POST", "experiments/search", asked, "experiments")
        ]
        return sorted(found, key=lambda one: one.id)

    def runs(self, experiment: int) -> Iterator[list[MovedRun]]:
        asked = {
            "experiment_ids": [str(experiment)],
            "run_view_type": "ALL",
            "max_results": BATCH,
            "order_by": ["attributes.start_time ASC"],
        }
        batch = []
        for one in self.server.pages("POST", "runs/search", asked, "runs"):
            batch.append(_run(one))
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def counts(self, runs: Sequence[MovedRun]) -> dict[str, int] | None:
        return None

    def points(self, runs: Sequence[MovedRun]) -> Iterator[list[PointRow]]:
        wanted = [(run.id, key) for run in runs for key in run.latest]
        for start in range(0, len(wanted), THREADS):
            part = wanted[start : start + THREADS]
            for (run, key), (rows, token) in zip(
                part, self.pool.map(self._history, part), strict=True
            ):
                yield rows
                while token:  # page by page, so that a long history is never held whole
                    rows, token = self._history((run, key), token)
                    yield rows

    def _history(self, wanted: tuple[str, str], token: str = "") -> tuple[list[PointRow], str]:
        """A page of a metric's points, and the token of the next one."""
        run, key = wanted
        asked = {"run_id": run, "metric_key": key, "max_results": 25_000}
        more = {"page_token": token} if token else {}
        page = self.server.ask("GET", "metrics/get-history", asked | more)
        rows = [
            PointRow(
                run, key, int(p.get("timestamp", 0)), int(p.get("step", 0)),
                *number(float(p.get("value", 0))),
            )
            for p in page.get("metrics", ())
        ]  # fmt: skip
        return rows, page.get("next_page_token") or ""

    def logged_models(self, experiment: int) -> Iterator[list[MovedLoggedModel]]:
        if not self.server.has_logged_models:
            return
        asked = {"experiment_ids": [str(experiment)], "max_results": 50}
        found = self.server.pages("POST", "logged-models/search", asked, "models")
        batch = [_logged_model(one) for one in found]
        for start in range(0, len(batch), BATCH):
            yield batch[start : start + BATCH]

    def model_names(self) -> list[str]:
        return [name for name, _ in self._named()]

    def _named(self) -> list[tuple[str, bool]]:
        """Models and whether they are prompts, which a search leaves out unless asked for."""
        if self._names is None:
            names: dict[str, bool] = {}
            for prompts in (False, True):
                asked = {"max_results": 200} | ({"filter": PROMPTS} if prompts else {})
                where = "registered-models/search"
                for one in self.server.pages("GET", where, asked, "registered_models"):
                    names[one["name"]] = prompts
            self._names = sorted(names.items())
        return self._names

    def models(self) -> Iterator[MovedModel]:
        for name, prompt in self._named():
            yield self._model(name, prompt)

    def _model(self, name: str, prompt: bool) -> MovedModel:
        one = self.server.ask("GET", "registered-models/get", {"name": name})["registered_model"]
        found = self.server.versions(name, prompt)
        versions = sorted((self._version(v) for v in found), key=lambda v: v.version)
        created = int(one.get("creation_timestamp", 0))
        return MovedModel(
            name=name,
            description=one.get("description") or None,
            created=created,
            updated=int(one.get("last_updated_timestamp", created)),
            last=max((v.version for v in versions), default=0),
            tags=_texts(one.get("tags")),
            aliases={a["alias"]: int(a["version"]) for a in one.get("aliases", ())},
            versions=versions,
        )

    def _version(self, one: dict[str, Any]) -> MovedVersion:
        number = int(one["version"])
        asked = {"name": one["name"], "version": str(number)}
        uri = self.server.ask("GET", "model-versions/get-download-uri", asked, missing={})
        source = one.get("source") or None
        created = int(one.get("creation_timestamp", 0))
        return MovedVersion(
            version=number,
            created=created,
            updated=int(one.get("last_updated_timestamp", created)),
            description=one.get("description") or None,
            user=one.get("user_id") or None,
            stage=one.get("current_stage") or "None",
            source=source,
            location=uri.get("artifact_uri"),
            run=one.get("run_id") or None,
            run_link=one.get("run_link") or None,
            logged_model=one.get("model_id")
            or (source[8:] if source and source.startswith("models:/m-") else None),
            status=one.get("status") or "READY",
            status_message=one.get("status_message") or None,
            tags=_texts(one.get("tags")),
        )

    def notes(self) -> list[str]:
        return [
            "Over HTTP nobody tells of deleted logged models, of when a run was deleted, and of "
            "the numbers of versions that were deleted."
        ]

    def close(self) -> None:
        self.pool.shutdown(cancel_futures=True)
        self.server.close()


class ServedPlaces(Places):
    """Artifacts as the server hands them out, wherever they lie."""

    def __init__(
        self, server: MlflowServer, proxied: str | None, fence: Fence | None = None
    ) -> None:
        super().__init__(proxied, None, fence)
        self.server = server

    def open(self, location: str, kind: str = "run", id: str = "") -> Tree | None:
        if self.proxied:
            return super().open(location, kind, id)
        if location.startswith(PROXIED + ":"):
            return ProxiedTree(self.server, below_proxy(location))
        return ServedTree(self.server, kind, id)


class ProxiedTree:
    """What lies below a path of the server's artifact proxy."""

    def __init__(self, server: MlflowServer, root: str) -> None:
        self.server = server
        self.root = root

    def files(self) -> Iterator[MovedFile]:
        yield from self._below("")

    def _below(self, folder: str) -> Iterator[MovedFile]:
        path = f"{self.root}/{folder}".rstrip("/")
        where = "/api/2.0/mlflow-artifacts/artifacts"
        found = self.server.ask("GET", where, {"path": path}, missing={})
        for one in found.get("files", ()):
            # The proxy names what lies in the folder; some versions name the whole path.
            name = one["path"].rstrip("/").rpartition("/")[2]
            inside = f"{folder}/{name}".lstrip("/")
            if one.get("is_dir"):
                yield from self._below(inside)
            else:
                yield MovedFile(inside, int(one.get("file_size", 0)))

    def read(self, path: str) -> Iterator[bytes]:
        return self.server.stream(f"/api/2.0/mlflow-artifacts/artifacts/{self.root}/{path}", {})


class ServedTree:
    """The artifacts of a run or a logged model that the server itself can read."""

    def __init__(self, server: MlflowServer, kind: str, id: str) -> None:
        self.server, self.kind, self.id = server, kind, id

    def files(self) -> Iterator[MovedFile]:
        yield from self._below("")

    def _below(self, folder: str) -> Iterator[MovedFile]:
        asked = {"path": folder} if folder else {}
        if self.kind == "run":
            where = "artifacts/list"
            asked["run_id"] = self.id
        else:
            where = f"logged-models/{self.id}/artifacts/directories"
            asked = {"artifact_directory_path": folder} if folder else {}
        for one in self.server.pages("GET", where, asked, "files"):
            if one.get("is_dir"):
                yield from self._below(one["path"])
            else:
                yield MovedFile(one["path"], int(one.get("file_size", 0)))

    def read(self, path: str) -> Iterator[bytes]:
        if self.kind == "run":
            return self.server.stream("/get-artifact", {"run_id": self.id, "path": path})
        where = f"/ajax-api/2.0/mlflow/logged-models/{self.id}/artifacts/files"
        return self.server.stream(where, {"artifact_file_path": path})


def _deleted(one: dict[str, Any]) -> bool:
    return bool(one.get("lifecycle_stage") == "deleted")


def _texts(pairs: Any) -> Texts:
    return {pair["key"]: pair.get("value", "") for pair in pairs or ()}


def _run(one: dict[str, Any]) -> MovedRun:
    info, data = one["info"], one.get("data", {})
    inputs, outputs = one.get("inputs", {}), one.get("outputs", {})
    finished = info.get("end_time")
    started = int(info.get("start_time", 0))
    newest: dict[str, Latest] = {
        m["key"]: latest(m.get("step", 0), m.get("timestamp", 0), float(m.get("value", 0)))
        for m in data.get("metrics", ())
    }
    datasets = [
        MovedDataset(
            name=use["dataset"]["name"],
            digest=use["dataset"]["digest"],
            source_type=use["dataset"].get("source_type", ""),
            source=use["dataset"].get("source", ""),
            schema=use["dataset"].get("schema"),
            profile=use["dataset"].get("profile"),
            tags=_texts(use.get("tags")),
        )
        for use in inputs.get("dataset_inputs", ())
    ]
    used = [MovedUse("input", m["model_id"], 0) for m in inputs.get("model_inputs", ())]
    used += [
        MovedUse("output", m["model_id"], int(m.get("step", 0)))
        for m in outputs.get("model_outputs", ())
    ]
    tags = _texts(data.get("tags"))
    return MovedRun(
        id=info.get("run_id") or info["run_uuid"],
        experiment=int(info["experiment_id"]),
        name=info.get("run_name") or tags.get(RUN_NAME, ""),
        user=info.get("user_id") or "",
        status=info.get("status", "RUNNING"),
        started=started,
        finished=None if finished is None else int(finished),
        deleted=int(finished or started) if _deleted(info) else None,
        location=info.get("artifact_uri", ""),
        params=_texts(data.get("params")),
        tags=tags,
        latest=newest,
        datasets=sorted(datasets, key=lambda use: (use.name, use.digest)),
        models=sorted(used),
    )


def _logged_model(one: dict[str, Any]) -> MovedLoggedModel:
    info, data = one["info"], one.get("data", {})
    metrics = [
        ModelMetric(
            m["key"], int(m.get("timestamp", 0)), int(m.get("step", 0)), m.get("run_id", ""),
            *number(float(m.get("value", 0))), m.get("dataset_name"), m.get("dataset_digest"),
        )
        for m in data.get("metrics", ())
    ]  # fmt: skip
    return MovedLoggedModel(
        id=info["model_id"],
        experiment=int(info["experiment_id"]),
        run=info.get("source_run_id") or None,
        name=info["name"],
        type=info.get("model_type") or None,
        status=STATUSES.get(info.get("status", ""), "PENDING"),
        message=info.get("status_message") or None,
        location=info["artifact_uri"],
        created=int(info["creation_timestamp_ms"]),
        updated=int(info["last_updated_timestamp_ms"]),
        deleted=None,
        params=_texts(data.get("params")),
        tags=_texts(info.get("tags")),
        metrics=sorted(metrics, key=str),
    )

"""Into an MLflow server over its REST protocol, which gives runs and logged models new ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from everloop.errors import InvalidInput
from everloop.registry.records import PROMPT
from everloop.tracking.moving.client import MlflowServer
from everloop.tracking.moving.fence import Fence
from everloop.tracking.moving.places import PROXIED, below_proxy
from everloop.tracking.moving.records import (
    MovedExperiment,
    MovedLoggedModel,
    MovedModel,
    MovedRun,
    MovedVersion,
    PointRow,
)
from everloop.tracking.moving.sources.rest import RestSource

RUN_ID, MODEL_ID = "everloop.run_id", "everloop.model_id"
"""Tags that name what a run and a logged model are called in everloop."""

POINTS, TEXTS = 1000, 100


class RestTarget:
    """The server at ``url``."""

    exact = False

    def __init__(self, url: str, fence: Fence | None = None) -> None:
        self.url = url
        self.fence = fence
        self.server = MlflowServer(url, fence)
        self.shown = self.server.shown
        self._known: dict[int, dict[str, dict[str, Any]]] = {}
        self._models: dict[str, dict[str, Any]] = {}
        self._runs: dict[str, str] = {}
        self._places: dict[str, str] = {}
        self._refused: list[str] = []
        # What an earlier export put there, which the server would refuse to take again.
        self._outputs: set[tuple[str, str]] = set()  # run, logged model
        self._measured: set[tuple[str, str, int, int]] = set()  # logged model, key, time, step

    def experiment(self, one: MovedExperiment) -> int:
        asked = {"experiment_name": one.name}
        found = self.server.ask("GET", "experiments/get-by-name", asked, missing={})
        if found:
            id = str(found["experiment"]["experiment_id"])
            if found["experiment"].get("lifecycle_stage") == "deleted":
                self._post("experiments/restore", experiment_id=id)
        else:
            id = str(self._post("experiments/create", name=one.name)["experiment_id"])
        for key, value in one.tags.items():
            self._post("experiments/set-experiment-tag", experiment_id=id, key=key, value=value)
        self._known[int(id)] = self._find(id, "runs/search", "runs", RUN_ID)
        self._models |= self._find(id, "logged-models/search", "models", MODEL_ID)
        return int(id)

    def delete_experiment(self, id: int) -> None:
        """Mark an experiment as deleted, when all that is in it is there."""
        self._post("experiments/delete", experiment_id=str(id))

    def _find(self, id: str, where: str, field: str, tag: str) -> dict[str, dict[str, Any]]:
        """What an earlier export put into an experiment, by what it is called in everloop."""
        asked: dict[str, Any] = {"experiment_ids": [id], "max_results": 50}
        if field == "runs":
            asked |= {"run_view_type": "ALL", "max_results": 1000}
        elif not self.server.has_logged_models:
            return {}
        found = {}
        for one in self.server.pages("POST", where, asked, field):
            data, info = one.get("data", {}), one["info"]
            tags = data.get("tags") or info.get("tags") or ()
            for use in one.get("outputs", {}).get("model_outputs", ()):
                self._outputs.add((info["run_id"], use["model_id"]))
            if field == "models":
                for m in data.get("metrics", ()):
                    at, step = int(m.get("timestamp", 0)), int(m.get("step", 0))
                    self._measured.add((info["model_id"], m["key"], at, step))
            for pair in tags:
                if pair["key"] == tag:
                    found[pair["value"]] = info
        return found

    def runs(self, runs: Sequence[MovedRun]) -> dict[str, str]:
        ids = {}
        for run in runs:
            info = self._known[run.experiment].get(run.id) or self._create(run)
            ids[run.id] = id = info["run_id"]
            self._places[run.id] = info.get("artifact_uri", "")
            if info.get("lifecycle_stage") == "deleted":
                self._post("runs/restore", run_id=id)
            self._log(run, id)
        self._runs |= ids
        return ids

    def _create(self, run: MovedRun) -> dict[str, Any]:
        tag = [{"key": RUN_ID, "value": run.id}]
        made = self._post(
            "runs/create",
            experiment_id=str(run.experiment),
            run_name=run.name,
            user_id=run.user,
            start_time=run.started,
            tags=tag,
        )
        info: dict[str, Any] = made["run"]["info"]
        return info

    def _log(self, run: MovedRun, id: str) -> None:
        for name in ("params", "tags"):
            pairs = [{"key": key, "value": value} for key, value in getattr(run, name).items()]
            for start in range(0, len(pairs), TEXTS):
                self._log_texts(run.id, id, name, pairs[start : start + TEXTS])
        if run.datasets:
            datasets = [
                {
                    "dataset": {
                        "name": use.name,
                        "digest": use.digest,
                        "source_type": use.source_type,
                        "source": use.source,
                        "schema": use.schema,
                        "profile": use.profile,
                    },
                    "tags": [{"key": key, "value": value} for key, value in use.tags.items()],
                }
                for use in run.datasets
            ]
            self._post("runs/log-inputs", run_id=id, datasets=datasets)

    def _log_texts(self, own: str, id: str, name: str, pairs: list[dict[str, str]]) -> None:
        """Params or tags; those that the server will not have are left out, and told."""
        try:
            self._post("runs/log-batch", run_id=id, **{name: pairs})
        except InvalidInput as error:
            if len(pairs) == 1:
                self._refused.append(
                    f"Of run {own} {name}.{pairs[0]['key']} was not taken: {error}"
                )
                return
            half = len(pairs) // 2
            for part in (pairs[:half], pairs[half:]):
                self._log_texts(own, id, name, part)

    def points(self, rows: Sequence[PointRow]) -> None:
        by_run: dict[str, list[dict[str, Any]]] = {}
        for p in rows:
            value: Any = "NaN" if p.nan else p.value
            point = {"key": p.key, "value": value, "timestamp": p.at, "step": p.step}
            by_run.setdefault(p.run, []).append(point)
        for run, points in by_run.items():
            for start in range(0, len(points), POINTS):
                self._post("runs/log-batch", run_id=run, metrics=points[start : start + POINTS])

    def settle(self, runs: Sequence[MovedRun]) -> None:
        for run in runs:
            id = self._runs[run.id]
            made = [
                {"model_id": self._models[use.model]["model_id"], "step": use.step}
                for use in run.models
                if use.kind == "output"
                and use.model in self._models
                and (id, self._models[use.model]["model_id"]) not in self._outputs
            ]
            read = [
                {"model_id": self._models[use.model]["model_id"]}
                for use in run.models
                if use.kind == "input" and use.model in self._models
            ]
            if made:
                self._post("runs/outputs", run_id=id, models=made)
            if read:
                self._post("runs/log-inputs", run_id=id, models=read)
            ended = {"end_time": run.finished} if run.finished is not None else {}
            self._post("runs/update", run_id=id, status=run.status, run_name=run.name, **ended)
            if run.deleted is not None:
                self._post("runs/delete", run_id=id)

    def logged_models(self, models: Sequence[MovedLoggedModel]) -> None:
        for one in models:
            if one.deleted is not None or not self.server.has_logged_models:
                continue
            if one.id not in self._models:
                made = self._post(
                    "logged-models",
                    experiment_id=str(one.experiment),
                    name=one.name,
                    model_type=one.type,
                    source_run_id=self._runs.get(one.run or ""),
                    params=[{"key": k, "value": v} for k, v in one.params.items()],
                    tags=[{"key": k, "value": v} for k, v in one.tags.items()]
                    + [{"key": MODEL_ID, "value": one.id}],
                )
                self._models[one.id] = made["model"]["info"]
            id = self._models[one.id]["model_id"]
            self._places[one.id] = self._models[one.id].get("artifact_uri", "")
            self._measure(one, id)
            status = {"READY": "LOGGED_MODEL_READY", "FAILED": "LOGGED_MODEL_UPLOAD_FAILED"}
            if one.status in status:
                self.server.ask(
                    "PATCH", f"logged-models/{id}", {"model_id": id, "status": status[one.status]}
                )

    def _measure(self, one: MovedLoggedModel, id: str) -> None:
        for metric in one.metrics:
            run = self._runs.get(metric.run)
            if run is None or (id, metric.key, metric.at, metric.step) in self._measured:
                continue
            point = {
                "key": metric.key,
                "value": "NaN" if metric.nan else metric.value,
                "timestamp": metric.at,
                "step": metric.step,
                "model_id": id,
                "dataset_name": metric.dataset_name,
                "dataset_digest": metric.dataset_digest,
            }
            known = {key: value for key, value in point.items() if value is not None}
            self._post("runs/log-batch", run_id=run, metrics=[known])

    def model(self, one: MovedModel) -> None:
        asked = {"name": one.name}
        found = self.server.ask("GET", "registered-models/get", asked, missing={})
        tags = [{"key": key, "value": value} for key, value in one.tags.items()]
        if not found:
            text = one.description or ""
            self._post("registered-models/create", name=one.name, description=text, tags=tags)
        prompt = one.tags.get(PROMPT) == "true"
        there = {version["version"] for version in self.server.versions(one.name, prompt)}
        last = max((int(number) for number in there), default=0)
        for version in one.versions:
            if str(version.version) in there:
                continue
            while last + 1 < version.version:  # numbers that were deleted are not given again
                self._placeholder(one.name)
                last += 1
            self._version(one.name, version)
            last += 1
        for alias, number in one.aliases.items():
            self._post("registered-models/alias", name=one.name, alias=alias, version=str(number))

    def _version(self, name: str, version: MovedVersion) -> None:
        made = self._post(
            "model-versions/create",
            name=name,
            source=self.moved(version.source) or f"models:/{name}/{version.version}",
            run_id=self._runs.get(version.run or "", version.run),
            run_link=version.run_link,
            description=version.description,
            tags=[{"key": key, "value": value} for key, value in version.tags.items()],
            model_id=self._models.get(version.logged_model or "", {}).get("model_id"),
        )
        number = str(made["model_version"]["version"])
        if version.stage != "None":
            self._post(
                "model-versions/transition-stage", name=name, version=number, stage=version.stage,
                archive_existing_versions=False,
            )  # fmt: skip

    def _placeholder(self, name: str) -> None:
        asked = {"name": name, "source": "models:/placeholder/1", "tags": []}
        number = self._post("model-versions/create", **asked)["model_version"]["version"]
        self.server.ask("DELETE", "model-versions/delete", {"name": name, "version": str(number)})

    def moved(self, uri: str | None) -> str | None:
        """A URI of everloop's artifacts or logged models, as it is at the server."""
        if uri is None:
            return None
        if uri.startswith("models:/m-"):
            known = self._models.get(uri.removeprefix("models:/"))
            return f"models:/{known['model_id']}" if known else uri
        if uri.startswith(PROXIED):
            for id, place in self._places.items():
                _, found, rest = uri.partition(f"/{id}/artifacts")
                if found and place:
                    return place.rstrip("/") + rest
        return uri

    def has_file(self, kind: str, id: str, key: str, path: str, size: int) -> bool:
        place = self._place(id)
        if place is None:
            return False
        folder, _, name = f"{place}/{path}".rpartition("/")
        where = "/api/2.0/mlflow-artifacts/artifacts"
        found = self.server.ask("GET", where, {"path": folder}, missing={})
        return any(
            one["path"].rpartition("/")[2] == name and int(one.get("file_size", 0)) == size
            for one in found.get("files", ())
        )

    def put_file(self, kind: str, id: str, key: str, path: str, pieces: Iterator[bytes]) -> None:
        place = self._place(id)
        if place is not None:
            self.server.put(f"/api/2.0/mlflow-artifacts/artifacts/{place}/{path}", pieces)

    def _place(self, id: str) -> str | None:
        uri = self._places.get(id, "")
        return below_proxy(uri) if uri.startswith(PROXIED + ":") else None

    def source(self) -> RestSource:
        return RestSource(self.url, fence=self.fence)

    def notes(self) -> list[str]:
        found = [
            f"The server gave runs and logged models new ids; the tags {RUN_ID} and {MODEL_ID} "
            "hold those that they have here."
        ]
        if any(place and not place.startswith(PROXIED) for place in self._places.values()):
            found.append(
                "Artifacts were not sent: the server keeps them at a place that its clients "
                "write themselves. Start it with --serve-artifacts."
            )
        return found + self._refused

    def close(self) -> None:
        self.server.close()

    def _post(self, path: str, **asked: Any) -> dict[str, Any]:
        known = {key: value for key, value in asked.items() if value is not None}
        return self.server.ask("POST", path, known)

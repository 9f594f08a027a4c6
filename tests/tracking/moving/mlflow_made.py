"""An MLflow as it is found: the tables of its database, its file store, a little of everything."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import sqlalchemy as sa

C, N, B, T = sa.Column, sa.Integer, sa.BigInteger, sa.Text
F, Y = sa.Float(53), sa.Boolean

RUNS = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)
MODEL = "m-" + "e" * 32
FILES = {"files/a.txt": b"hello", "files/sub/b.bin": bytes(range(256)) * 40}
AT = 1_700_000_000_000


def tables() -> sa.MetaData:
    """MLflow's tables of tracking and registry, as version 3 has them."""
    meta = sa.MetaData()
    space = lambda: C("workspace", T, server_default="default", primary_key=True)  # noqa: E731
    sa.Table(
        "experiments",
        meta,
        C("experiment_id", N, primary_key=True),
        C("name", T),
        C("artifact_location", T),
        C("lifecycle_stage", T),
        C("creation_time", B),
        C("last_update_time", B),
        C("workspace", T, server_default="default"),
    )
    sa.Table(
        "experiment_tags",
        meta,
        C("key", T, primary_key=True),
        C("value", T),
        C("experiment_id", N, primary_key=True),
    )
    sa.Table(
        "runs",
        meta,
        C("run_uuid", T, primary_key=True),
        C("name", T),
        C("source_type", T),
        C("source_name", T),
        C("entry_point_name", T),
        C("user_id", T),
        C("status", T),
        C("start_time", B),
        C("end_time", B),
        C("source_version", T),
        C("lifecycle_stage", T),
        C("artifact_uri", T),
        C("experiment_id", N),
        C("deleted_time", B),
    )
    for name in ("params", "tags"):
        sa.Table(
            name,
            meta,
            C("key", T, primary_key=True),
            C("value", T),
            C("run_uuid", T, primary_key=True),
        )
    for name, more in (("metrics", True), ("latest_metrics", False)):
        sa.Table(
            name,
            meta,
            C("key", T, primary_key=True),
            C("value", F, primary_key=more),
            C("timestamp", B, primary_key=more),
            C("run_uuid", T, primary_key=True),
            C("step", B, primary_key=more),
            C("is_nan", Y, primary_key=more),
        )
    sa.Table(
        "datasets",
        meta,
        C("dataset_uuid", T),
        C("experiment_id", N, primary_key=True),
        C("name", T, primary_key=True),
        C("digest", T, primary_key=True),
        C("dataset_source_type", T),
        C("dataset_source", T),
        C("dataset_schema", T),
        C("dataset_profile", T),
    )
    sa.Table(
        "inputs",
        meta,
        C("input_uuid", T),
        C("source_type", T, primary_key=True),
        C("source_id", T, primary_key=True),
        C("destination_type", T, primary_key=True),
        C("destination_id", T, primary_key=True),
        C("step", B, server_default="0"),
    )
    sa.Table(
        "input_tags",
        meta,
        C("input_uuid", T, primary_key=True),
        C("name", T, primary_key=True),
        C("value", T),
    )
    sa.Table(
        "logged_models",
        meta,
        C("model_id", T, primary_key=True),
        C("experiment_id", N),
        C("name", T),
        C("artifact_location", T),
        C("creation_timestamp_ms", B),
        C("last_updated_timestamp_ms", B),
        C("status", N),
        C("lifecycle_stage", T),
        C("model_type", T),
        C("source_run_id", T),
        C("status_message", T),
    )
    for kind in ("param", "tag"):
        sa.Table(
            f"logged_model_{kind}s",
            meta,
            C("model_id", T, primary_key=True),
            C("experiment_id", N),
            C(f"{kind}_key", T, primary_key=True),
            C(f"{kind}_value", T),
        )
    sa.Table(
        "logged_model_metrics",
        meta,
        C("model_id", T, primary_key=True),
        C("metric_name", T, primary_key=True),
        C("metric_timestamp_ms", B, primary_key=True),
        C("metric_step", B, primary_key=True),
        C("metric_value", F),
        C("experiment_id", N),
        C("run_id", T, primary_key=True),
        C("dataset_uuid", T),
        C("dataset_name", T),
        C("dataset_digest", T),
    )
    sa.Table(
        "registered_models",
        meta,
        space(),
        C("name", T, primary_key=True),
        C("creation_time", B),
        C("last_updated_time", B),
        C("description", T),
    )
    sa.Table(
        "model_versions",
        meta,
        space(),
        C("name", T, primary_key=True),
        C("version", N, primary_key=True),
        C("creation_time", B),
        C("last_updated_time", B),
        C("description", T),
        C("user_id", T),
        C("current_stage", T),
        C("source", T),
        C("run_id", T),
        C("status", T),
        C("status_message", T),
        C("run_link", T),
        C("storage_location", T),
    )
    sa.Table(
        "registered_model_tags",
        meta,
        space(),
        C("key", T, primary_key=True),
        C("value", T),
        C("name", T, primary_key=True),
    )
    sa.Table(
        "model_version_tags",
        meta,
        space(),
        C("key", T, primary_key=True),
        C("value", T),
        C("name", T, primary_key=True),
        C("version", N, primary_key=True),
    )
    sa.Table(
        "registered_model_aliases",
        meta,
        space(),
        C("alias", T, primary_key=True),
        C("version", N),
        C("name", T, primary_key=True),
    )
    return meta  # fmt: skip


class Made:
    """A database in the folder ``root``, and the artifacts it names."""

    def __init__(self, root: Path, artifacts: str | None = None, url: str | None = None) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.url = url or f"sqlite:///{root / 'mlflow.db'}"
        self.engine = sa.create_engine(self.url)
        self.meta = tables()
        self.meta.create_all(self.engine)
        self.artifacts = artifacts or str(root / "art")

    def put(self, table: str, *rows: dict[str, Any]) -> None:
        with self.engine.begin() as conn:
            for row in rows:
                conn.execute(sa.insert(self.meta.tables[table]), row)

    def sql(self, text: str) -> None:
        with self.engine.begin() as conn:
            conn.exec_driver_sql(text)

    def points(self, run: str, key: str, values: list[float], start: int = 0) -> None:
        rows = [
            {
                "run_uuid": run,
                "key": key,
                "timestamp": AT + step,
                "step": step,
                "value": 0.0 if math.isnan(value) else value,
                "is_nan": math.isnan(value),
            }
            for step, value in enumerate(values, start)
        ]
        with self.engine.begin() as conn:
            conn.execute(sa.insert(self.meta.tables["metrics"]), rows)
            newest = self.meta.tables["latest_metrics"]
            conn.execute(sa.delete(newest).where(newest.c.run_uuid == run, newest.c.key == key))
            conn.execute(sa.insert(newest), rows[-1])

    def run(self, id: str, experiment: int = 1, **more: Any) -> None:
        row = {
            "run_uuid": id,
            "name": f"run {id[0]}",
            "user_id": "ann",
            "status": "FINISHED",
            "start_time": AT + ord(id[0]),
            "end_time": AT + 500,
            "lifecycle_stage": "active",
            "artifact_uri": f"{self.artifacts}/{id}/artifacts",
            "experiment_id": experiment,
        }
        self.put("runs", row | more)


def made(root: Path, artifacts: str | None = None, url: str | None = None) -> Made:
    """Experiments, one of them deleted, four runs, a dataset, a logged model, two models."""
    one = Made(root, artifacts, url)
    stages = ("active", "active", "deleted")
    for id, (name, stage) in enumerate(zip(("Default", "alpha", "gone"), stages, strict=True)):
        one.put("experiments", {
            "experiment_id": id, "name": name, "artifact_location": one.artifacts,
            "lifecycle_stage": stage, "creation_time": AT, "last_update_time": AT + 7,
        })  # fmt: skip
    one.put("experiment_tags", {"experiment_id": 1, "key": "team", "value": "x"})
    one.run(RUNS[0])
    one.run(RUNS[1], status="RUNNING", end_time=None)
    one.run(RUNS[2], lifecycle_stage="deleted", deleted_time=AT + 900)
    one.run(RUNS[3], experiment=2, lifecycle_stage="deleted", deleted_time=AT + 900)
    one.points(RUNS[0], "loss", [1 / (n + 1) for n in range(50)])
    one.points(RUNS[0], "odd", [math.nan, 1.7976931348623157e308, -1e-300, math.nan], start=-3)
    one.points(RUNS[1], "loss", [3.0])
    for run in RUNS[:2]:
        one.put("params", {"run_uuid": run, "key": "lr", "value": "0.1"})
        one.put("tags", {"run_uuid": run, "key": "its key", "value": "жу'к"})
    _datasets_and_models(one)
    _registry(one)
    if "://" not in one.artifacts:
        write_files(Path(one.artifacts) / RUNS[0] / "artifacts")
        write_files(Path(one.artifacts) / "models" / MODEL / "artifacts")
    return one


def write_files(folder: Path) -> None:
    for path, data in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def _datasets_and_models(one: Made) -> None:
    one.put("datasets", {
        "dataset_uuid": "ds1", "experiment_id": 1, "name": "d", "digest": "1f",
        "dataset_source_type": "code", "dataset_source": "{}", "dataset_schema": "{}",
        "dataset_profile": None,
    })  # fmt: skip
    link = {"source_type": "DATASET", "source_id": "ds1", "destination_type": "RUN"}
    one.put("inputs", link | {"input_uuid": "in1", "destination_id": RUNS[0]})
    one.put("input_tags", {"input_uuid": "in1", "name": "mlflow.data.context", "value": "train"})
    one.put("inputs", {
        "input_uuid": "in2", "source_type": "RUN_OUTPUT", "source_id": RUNS[0],
        "destination_type": "MODEL_OUTPUT", "destination_id": MODEL, "step": 4,
    })  # fmt: skip
    one.put("logged_models", {
        "model_id": MODEL, "experiment_id": 1, "name": "model",
        "artifact_location": f"{one.artifacts}/models/{MODEL}/artifacts",
        "creation_timestamp_ms": AT, "last_updated_timestamp_ms": AT + 1, "status": 2,
        "lifecycle_stage": "active", "source_run_id": RUNS[0],
    })  # fmt: skip
    own = {"model_id": MODEL, "experiment_id": 1}
    one.put("logged_model_params", own | {"param_key": "deep", "param_value": "1"})
    one.put("logged_model_tags", own | {"tag_key": "t", "tag_value": "1"})
    one.put("logged_model_metrics", own | {
        "metric_name": "loss", "metric_timestamp_ms": AT + 49, "metric_step": 49,
        "metric_value": 0.02, "run_id": RUNS[0], "dataset_name": "d", "dataset_digest": "1f",
    })  # fmt: skip


def _registry(one: Made) -> None:
    times = {"creation_time": AT, "last_updated_time": AT + 2}
    one.put("registered_models", {"name": "reg", "description": "good", **times})
    one.put("registered_models", {"name": "empty one", **times})
    one.put("registered_model_tags", {"name": "reg", "key": "k", "value": "v"})
    for version, stage in ((1, "Production"), (2, "None"), (4, "Deleted_Internal")):
        source = (
            f"models:/{MODEL}" if version == 2 else f"{one.artifacts}/{RUNS[0]}/artifacts/files"
        )
        one.put("model_versions", {
            "name": "reg", "version": version, "current_stage": stage, "source": source,
            "run_id": RUNS[0], "status": "READY", **times,
        })  # fmt: skip
    one.put("model_version_tags", {"name": "reg", "version": 1, "key": "a", "value": "b"})
    one.put("registered_model_aliases", {"name": "reg", "alias": "champion", "version": 1})
    one.put("registered_model_aliases", {"name": "reg", "alias": "best", "version": 2})


def make_folder(root: Path) -> Path:
    """A file store: an active run, and an experiment in the trash whose id is a long one."""
    for place, id, name, stage in (
        (root, 3, "alpha", "active"),
        (root / ".trash", 612_187_779_869_515_506, "gone", "deleted"),
    ):
        folder = place / str(id)
        _write(
            folder / "meta.yaml",
            f"""
            artifact_location: {root}/{id}
            creation_time: {AT}
            experiment_id: '{id}'
            last_update_time: {AT}
            lifecycle_stage: {stage}
            name: {name}""",
        )
        run = RUNS[0] if stage == "active" else RUNS[1]
        _write(
            folder / run / "meta.yaml",
            f"""
            artifact_uri: {root}/{id}/{run}/artifacts
            end_time: null
            experiment_id: '{id}'
            lifecycle_stage: {stage}
            run_id: {run}
            run_name: 'run: one'
            start_time: {AT}
            status: 3
            user_id: ann""",
        )
        _write(folder / run / "metrics" / "val" / "loss", f"{AT} 0.5 1\n{AT} nan 2\n{AT} 0.25 1\n")
        _write(folder / run / "params" / "text", "two\nlines\n")
        _write(folder / run / "tags" / "mlflow.runName", "run: one")
        write_files(folder / run / "artifacts")
    _write(root / "models" / "reg" / "meta.yaml", f"creation_timestamp: {AT}\nname: reg\n")
    _write(root / "models" / "reg" / "aliases" / "best", "2")
    _write(
        root / "models" / "reg" / "version-2" / "meta.yaml",
        f"""
        creation_timestamp: {AT}
        current_stage: Staging
        name: reg
        source: {root}/3/{RUNS[0]}/artifacts/files
        version: 2""",
    )
    return root  # fmt: skip


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = text.splitlines()
    indented = text.startswith("\n")
    path.write_text("\n".join(line.strip() for line in lines) if indented else text)

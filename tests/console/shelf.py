"""A shelf of datasets, runs, signed versions and an endpoint, made by the real stores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from everloop.data.schema import Feature, Schema
from everloop.data.segments import FeedbackRecord, PredictionRecord, SegmentWriter, encode_record
from everloop.data.versions import DatasetVersion
from everloop.deploy.package import Package
from everloop.deploy.packaging import store_package, write_package
from everloop.deploy.rollouts import Rollout
from everloop.deploy.spec import RolloutSpec
from everloop.deploy.state import Arm
from everloop.deploy.trail import Look, Mark
from everloop.loop.declaration import from_dict, to_dict
from everloop.loop.project import Project
from everloop.loop.recipe import Recipe, keep_recipe
from everloop.monitor.estimation.heldout import HELD_OUT, hold
from everloop.monitor.health import Counted
from everloop.monitor.spec import HealthSpec
from everloop.registry.records import ModelVersion
from everloop.settings import Settings

T0 = 1_700_000_000_000
MINUTE = 60_000
NAME = "<b onclick=x>\u202egnp & مرحبا 🚀"
EVIL = '"><img src=x onerror=alert(1)>'
SCHEMA = Schema(
    features=(
        Feature("age", "number"),
        Feature("town", "category", levels=("Ulm", EVIL)),
        Feature("member", "boolean", nullable=True),
        Feature("note", "text"),
    ),
    target="buys", task="binary", classes=("no", "yes"),
)  # fmt: skip
ROWS = 400


@dataclass
class Shelf:
    project: Project
    datasets: list[DatasetVersion]
    runs: list[str]
    rollout: Rollout


def fill(folder: Path) -> Shelf:
    """Three versions of one model: the second on the data of the first, the third on newer rows."""
    project = Project.open(folder, Settings())
    old = project.datasets.snapshot(table(0), NAME, SCHEMA, {"source": EVIL, "log_rows": 0})
    wider = msgspec.structs.replace(SCHEMA, features=(*SCHEMA.features, Feature("new", "number")))
    new = project.datasets.snapshot(
        table(30).with_columns(new=pl.lit(1.0)), NAME, wider, {"base": old.digest, "log_rows": 7}
    )
    runs = [training(project, place, data) for place, data in enumerate((old, old, new))]
    version(project, runs[0], old, SCHEMA, flipped=0)
    version(project, runs[1], old, SCHEMA, flipped=10)
    version(project, runs[2], new, wider, flipped=0)
    project.registry.set_version_tag(NAME, 3, "parent", f"{NAME}/2", actor="t")
    for number in (1, 2):
        project.registry.set_alias(NAME, "champion", number, actor="ann", by_rollout=True)
    project.endpoints.set_rollout("shop", NAME, arms(project), actor="t")
    asked(project)
    for hour in range(4):
        counted = Counted(requests=100 * hour, rows=100, errors=hour, slow={"5.0": 90, "inf": 1})
        start = T0 + 60 * MINUTE * hour
        project.health.add("shop", start, start + 60 * MINUTE, counted, HealthSpec())
    return Shelf(project, [old, new], runs, trial(project))


def table(older: float) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    age = rng.normal(40 + older, 10, ROWS)
    town = ["Ulm", EVIL] * (ROWS // 2)
    member = [True, None] * (ROWS // 2)
    buys = np.where(age > 40, "yes", "no")
    return pl.DataFrame({"age": age, "town": town, "member": member, "note": town, "buys": buys})


def training(project: Project, place: int, data: DatasetVersion) -> str:
    run = project.runs.start("fits", f"fit {place}")
    project.runs.log_params(run, {"depth": 3 + place, "seed": 0})
    declared = from_dict(
        {
            "loop": {"name": "shop", "seed": place},
            "data": {"source": "a.csv", "target": "buys"},
        }
    ).declaration
    environment = {"python": "3.11.9", "package numpy": f"2.{place}.0"}
    diff = f"diff --git a/m.py b/m.py\n--- a/m.py\n+++ b/m.py\n-x = 0\n+x = {place}{EVIL}\n"
    made = Recipe(
        to_dict(declared), "", place, data.digest, f"{place}" * 40, diff, ["everloop", "run"],
        environment,
    )  # fmt: skip
    keep_recipe(project, run, made)
    return run


def version(
    project: Project, run: str, data: DatasetVersion, schema: Schema, flipped: int
) -> ModelVersion:
    """A signed package that answers ``flipped`` of its held-out rows wrongly."""
    frame = project.datasets.load(data.digest, rows=50)
    y = (frame["buys"] == "yes").cast(pl.Int64).to_numpy()
    pred = y.copy()
    pred[:flipped] = 1 - pred[:flipped]
    estimate = {"value": 0.9 - flipped / 100, "low": 0.8, "high": 0.95, "n": 50}
    gate = {"gate": "accuracy >= 0.5", "verdict": "pass", "detail": EVIL}
    tested = {"metric": "accuracy", "rows": 50, "metrics": {"accuracy": estimate}, "gates": [gate]}
    files = {
        "model.onnx": run.encode(),
        "evaluation.json": msgspec.json.encode(tested),
        HELD_OUT: hold(frame, schema, y, pred, None).to_bytes(),
    }
    package = Package(
        model=NAME, task="binary", algorithm="tree", created=1, schema=schema, run=run
    )
    digest = write_package(project.state / "made" / run, package, files, project.keys)
    stored = store_package(project.state / "made" / run, project.blobs)
    return project.registry.register(
        NAME, key=run, digest=digest, algorithm="tree", files=stored, run=run,
        dataset=data.digest, metrics={"accuracy": estimate["value"]}, actor="t",
    )  # fmt: skip


def arms(project: Project) -> list[Arm]:
    found = [project.registry.version(NAME, number) for number in (2, 3)]
    weights = ((0.9, "champion"), (0.1, "canary"))
    return [
        Arm(one.version, one.package_digest(), weight, role)  # type: ignore[arg-type]
        for one, (weight, role) in zip(found, weights, strict=True)
    ]


def asked(project: Project) -> None:
    """60 rows in three parts, some at one moment; the last one failed, ten have labels."""
    writer = SegmentWriter(project.state / "log/predictions", "p")
    for part in range(3):
        ids = [f"r{part * 20 + row:02d}" for row in range(20)]
        record = PredictionRecord(
            at=T0 + part * MINUTE, request=f"q{part}", endpoint="shop", version=2, arm="champion",
            ids=ids, times=[T0 + part * MINUTE + row // 4 for row in range(20)],
            columns={"age": [40.0] * 20, "town": [EVIL] * 20, "note": ["***"] * 20},
            y=["yes"] * 20, p=[[0.25, 0.75]] * 20, ms=1.5,
        )  # fmt: skip
        writer.append(encode_record(record))
        project.log.ship()
    shadow = {"ids": ["r36"], "times": [T0 + MINUTE + 4], "version": 3, "arm": "shadow"}
    one: dict[str, Any] = {"columns": {"age": [40.0]}, "y": ["no"], "p": [[0.6, 0.4]]}
    writer.append(encode_record(msgspec.structs.replace(record, **shadow, **one)))
    failed: dict[str, Any] = {"ids": ["r60"], "times": None, "y": [], "p": None, "error": EVIL}
    writer.append(encode_record(msgspec.structs.replace(record, at=T0 + 9 * MINUTE, **failed)))
    writer.close()
    labels = SegmentWriter(project.state / "log/feedback", "f")
    told = FeedbackRecord(at=T0 + 10 * MINUTE, endpoint="shop", ids=ids[:10], labels=["no"] * 10)
    labels.append(encode_record(told))
    labels.close()
    project.log.ship()


def trial(project: Project) -> Rollout:
    """A canary whose evidence went over two stages."""
    spec = RolloutSpec(kind="canary", guards=("error_rate", "shift"))
    begun = project.rollouts.begin(
        "c1", endpoint="shop", model=NAME, spec=spec, champion=2, versions=[3], actor="t"
    )
    seen = begun.evidence
    for minute in range(6):
        rate = Mark(0.01, -0.2 + minute / 40, 0.2 - minute / 40, 0.02)
        shift = Mark(0.05, bound=0.1, evidence=minute / 2, needed=3.0)
        seen.trail.append(Look(T0 + minute * MINUTE, minute // 3, [rate, shift]))
    project.rollouts.save(begun.id, seen)
    return project.rollouts.get(begun.id)

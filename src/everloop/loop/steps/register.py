"""Register: the model, what it expects and what it was measured at, signed, as a new version."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec

from everloop.data.schema import Schema
from everloop.deploy.package import MODEL, TESTED, Package
from everloop.deploy.packaging import store_package, write_package
from everloop.loop.evaluating import REFERENCE
from everloop.loop.steps._base import Outcome, StepContext
from everloop.loop.steps._challenger import challenger, schema_of, test_rows, training_rows
from everloop.loop.steps._reference import ANSWERS, keep_answers, keep_reference
from everloop.monitor.profile import read_profile
from everloop.store.clock import now_ms

EVALUATION = "evaluation.json"
FITTED_ON = "fitted_on"  # the tag of a version whose tested model is not the one that is served
PARENT = "parent"  # the tag of a version that names what it was made from


class Register:
    """Writes the package, stores it by content, and takes the next version number.

    The cycle's id is the key of the version: however often the step is run again, the cycle has
    one version. A version that is only proposed keeps its number.
    """

    name = "register"
    where = "worker"

    def run(self, context: StepContext) -> Outcome:
        if context.proposed is not None:
            return _proposed(context, context.proposed)
        snapshot, train, tested = (context.results[s] for s in ("snapshot", "train", "evaluate"))
        project, model = context.project, context.declaration.name
        schema = schema_of(context)
        metrics = {name: estimate["value"] for name, estimate in tested["metrics"].items()}
        package = Package(
            model=model,
            task=schema.task,
            algorithm=train["algorithm"],
            schema=schema,
            created=context.cycle.started,
            run=train["run"],
            dataset=snapshot["dataset"],
            parent=train.get("parent"),
            metrics=metrics,
        )
        files = {
            **_models(context),
            **_reference(context, schema),
            **{n: project.blobs.get(d) for n, d in tested.get("report", {}).items()},
            EVALUATION: msgspec.json.format(msgspec.json.encode(tested, order="sorted")),
        }
        with tempfile.TemporaryDirectory(dir=project.state) as parent:
            folder = Path(parent) / "package"
            digest = write_package(folder, package, files, project.keys)
            stored = store_package(folder, project.blobs)
        version = project.registry.register(
            model,
            key=context.cycle.id,
            digest=digest,
            algorithm=train["algorithm"],
            files=stored,
            run=train["run"],
            dataset=snapshot["dataset"],
            cycle=context.cycle.id,
            metrics=metrics,
            actor="controller",
        )
        if "whole" in train:
            rows = f"{train['whole']['rows']:,} rows, those that tested it too"
            project.registry.set_version_tag(
                model, version.version, FITTED_ON, rows, actor="controller"
            )
        if made_from := train.get("parent"):
            project.registry.set_version_tag(
                model, version.version, PARENT, made_from, actor="controller"
            )
        project.registry.set_alias(
            model, "challenger", version.version, actor="controller", by_rollout=True
        )
        _log_metrics(context, train["run"], metrics)
        return Outcome({"version": version.version, "digest": digest, "at": now_ms()})


STEP = Register()


def _models(context: StepContext) -> dict[str, bytes]:
    """What is served, and what was tested where that is another one; each with what it goes on
    from."""
    train = context.results["train"]
    files = {MODEL: train["model"], **train.get("state", {})}
    if "whole" in train:
        whole, tested = train["whole"], {f"{TESTED}/{name}": d for name, d in files.items()}
        files = {MODEL: whole["model"], **whole.get("state", {}), **tested}
    return {name: context.project.blobs.get(digest) for name, digest in files.items()}


def _proposed(context: StepContext, version: int) -> Outcome:
    """A stored version stands for the cycle; it is registered already, and stays as it is."""
    project, model = context.project, context.declaration.name
    digest = project.registry.version(model, version).package_digest()
    project.registry.set_alias(model, "challenger", version, actor="controller", by_rollout=True)
    return Outcome({"version": version, "digest": digest, "proposed": True, "at": now_ms()})


def _reference(context: StepContext, schema: Schema) -> dict[str, bytes]:
    """Features as in training; answers as on the held-out rows, which the model has not seen."""
    blobs, results = context.project.blobs, context.results
    # None in a cycle that an older version began.
    trained = results["train"].get("about_training") or keep_reference(
        blobs, training_rows(context), schema
    )
    tested = results["evaluate"].get("about_test") or _answered(context, schema)
    files = {name: blobs.get(digest) for name, digest in (tested | trained).items()}
    features, answers = read_profile(files[REFERENCE]), read_profile(files.pop(ANSWERS))
    whole = msgspec.structs.replace(features, prediction=answers.prediction)
    files[REFERENCE] = whole.to_json()
    return files


def _answered(context: StepContext, schema: Schema) -> dict[str, str]:
    rows = test_rows(context)
    with challenger(context) as model:
        return keep_answers(context.project.blobs, rows, schema, model.answers(rows))


def _log_metrics(context: StepContext, run: str, metrics: dict[str, Any]) -> None:
    context.project.runs.log_metrics(run, {f"test_{k}": v for k, v in metrics.items()})

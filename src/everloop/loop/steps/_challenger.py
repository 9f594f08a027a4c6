"""The model that a cycle has trained, as the ONNX it would be served as."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import polars as pl

from everloop.data.schema import Schema
from everloop.deploy.package import MODEL, Package
from everloop.loop.answers import PackagedModel
from everloop.loop.steps._base import StepContext


def schema_of(context: StepContext) -> Schema:
    """The schema that the snapshot inferred."""
    return msgspec.convert(context.results["snapshot"]["schema"], Schema)


def training_rows(context: StepContext) -> pl.DataFrame:
    """The rows of the snapshot that train."""
    snapshot = context.results["snapshot"]
    return context.project.datasets.head(snapshot["dataset"], int(snapshot["train_rows"]))


def test_rows(context: StepContext) -> pl.DataFrame:
    """The rows of the snapshot that are held out: the last ones."""
    snapshot = context.results["snapshot"]
    first = int(snapshot["train_rows"])
    return context.project.datasets.load(snapshot["dataset"], first, int(snapshot["test_rows"]))


@contextmanager
def challenger(context: StepContext) -> Iterator[PackagedModel]:
    """The trained model, before it is a package; or the stored one that is proposed."""
    if context.proposed is not None:
        stored = context.project.registry.version(context.declaration.name, context.proposed)
        yield PackagedModel.tested(*context.project.package(stored))
        return
    train, schema = context.results["train"], schema_of(context)
    package = Package(
        model=context.declaration.name,
        task=schema.task,
        algorithm=train["algorithm"],
        created=context.cycle.started,
        schema=schema,
    )
    with tempfile.TemporaryDirectory() as folder:
        context.project.blobs.fetch(train["model"], Path(folder) / MODEL)
        yield PackagedModel(Path(folder), package)

"""Small model packages, made by hand with skl2onnx, and state folders that hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from serving_harness import Serving
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.linear_model import LinearRegression, LogisticRegression

from everloop.data.schema import Feature, Schema
from everloop.deploy.package import Package
from everloop.deploy.packaging import write_package
from everloop.deploy.state import (
    Arm,
    DesiredState,
    EndpointState,
    LogRules,
    package_path,
    state_path,
    write_state,
)
from everloop.registry.signing import Keys

NUMBERS = Schema(
    features=tuple(Feature(f"x{i}", "number") for i in range(4)),
    target="y",
    task="regression",
    id="id",
)
MIXED = Schema(
    features=(
        Feature("age", "number", nullable=True),
        Feature("carrier code", "category", ("AA", "UA", "B6")),
        Feature("zone", "category", ("1", "2", "30")),
        Feature("member", "boolean"),
        Feature("leaves", "datetime"),
    ),
    target="late",
    task="binary",
    classes=("no", "yes"),
    id="trip",
    time="at",
)


def onnx_bytes(estimator, width: int) -> bytes:
    task = "classifier" if hasattr(estimator, "classes_") else "regressor"
    model = to_onnx(
        estimator,
        initial_types=[("X", DoubleTensorType([None, width]))],
        options={id(estimator): {"zipmap": False}} if task == "classifier" else None,
        target_opset={"": 18, "ai.onnx.ml": 3},
    )
    names = ["label", "probabilities"] if task == "classifier" else ["y"]
    renamed = {o.name: n for o, n in zip(model.graph.output, names, strict=True)}
    for node in model.graph.node:
        node.output[:] = [renamed.get(name, name) for name in node.output]
        node.input[:] = [renamed.get(name, name) for name in node.input]
    for output in model.graph.output:
        output.name = renamed[output.name]
    return model.SerializeToString()


def linear(shift: float = 0.0) -> LinearRegression:
    """y = x0 + 2 x1 + 3 x2 + 4 x3 + shift."""
    X = np.random.default_rng(0).normal(size=(50, 4))
    return LinearRegression().fit(X, X @ [1.0, 2.0, 3.0, 4.0] + shift)


def logistic(width: int) -> LogisticRegression:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(200, width))
    return LogisticRegression().fit(X, (X[:, 0] + rng.normal(size=200) > 0).astype(int))


class Project:
    """A state folder with keys, packages and a desired state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / ".everloop"
        self.keys = Keys.load_or_create(self.state / "keys")
        self.revision = 0

    def package(self, model: bytes, schema: Schema, **extra: bytes) -> str:
        package = Package(
            model="flights", task=schema.task, algorithm="linear", created=1, schema=schema
        )
        fresh = self.state / "packages" / "fresh"
        files = {"model.onnx": model, **{k.replace("_", "."): v for k, v in extra.items()}}
        digest = write_package(fresh, package, files, self.keys)
        target = package_path(self.state, digest)
        if not target.exists():
            fresh.rename(target)
        return digest

    def linear(self, shift: float = 0.0) -> str:
        return self.package(onnx_bytes(linear(shift), 4), NUMBERS)

    def mixed(self) -> str:
        return self.package(onnx_bytes(logistic(MIXED.width), MIXED.width), MIXED)

    def want(self, log: LogRules | None = None, **endpoints: list[Arm]) -> int:
        self.revision += 1
        states = {
            name: EndpointState("flights", tuple(arms), log=log) for name, arms in endpoints.items()
        }
        write_state(state_path(self.state), DesiredState(self.revision, states))
        return self.revision


@pytest.fixture
def project(tmp_path) -> Project:
    return Project(tmp_path)


@pytest.fixture(scope="module")
def shared_project(tmp_path_factory) -> Project:
    return Project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def models():
    """The makers above, for tests that need the estimator itself."""

    class Models:
        linear = staticmethod(linear)
        logistic = staticmethod(logistic)
        onnx = staticmethod(onnx_bytes)
        NUMBERS = NUMBERS
        MIXED = MIXED

    return Models


@pytest.fixture
def start(tmp_path):
    running: list[Serving] = []

    def starter(folder: Path = tmp_path, *options: str, **environ: str) -> Serving:
        running.append(Serving(folder, *options, **environ))
        return running[-1]

    yield starter
    for serving in running:
        if serving.process.poll() is None:
            serving.process.kill()
            serving.process.wait()

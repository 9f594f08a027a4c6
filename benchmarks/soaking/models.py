"""Small models that are good, or bad in one of three ways, as registered versions.

Every good one says ``y = a``, for whole numbers ``a`` from 0 on; each is a package of its own.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from everloop.data.schema import Feature, Schema
from everloop.deploy.package import Package
from everloop.deploy.packaging import store_package, write_package
from everloop.loop.project import Project
from everloop.registry.models import ModelVersion

ENDPOINT = "m"
SCHEMA = Schema(features=(Feature("a", "number"),), target="y", task="regression")
GOOD = ("good", "good again", "good once more")
BAD = ("failing", "wrong", "slow")
WIDTH, DEPTH = 640, 150  # of the slow one: about ten milliseconds a request


def registered(project: Project, kind: str) -> ModelVersion:
    """A new version of the model ``m``."""
    package = Package(model=ENDPOINT, task="regression", algorithm=kind, created=1, schema=SCHEMA)
    folder = project.state / "made" / kind
    folder.parent.mkdir(exist_ok=True)
    digest = write_package(folder, package, {"model.onnx": _model(kind)}, project.keys)
    return project.registry.register(
        ENDPOINT, key=kind, digest=digest, algorithm=kind,
        files=store_package(folder, project.blobs), run=None, dataset=None, cycle=None,
        metrics={}, actor="soak",
    )  # fmt: skip


def _model(kind: str) -> bytes:
    nodes, constants = {"failing": _failing, "wrong": _wrong, "slow": _slow}.get(kind, _good)()
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, 1])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, [None, 1])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


_Parts = tuple[list[onnx.NodeProto], dict[str, np.ndarray]]


def _good() -> _Parts:
    return [helper.make_node("Identity", ["X"], ["y"])], {}


def _failing() -> _Parts:
    """Infinite at 0, which no answer may be; right elsewhere."""
    nodes = [
        helper.make_node("Reciprocal", ["X"], ["r"]),
        helper.make_node("Sub", ["r", "one"], ["less"]),
        helper.make_node("Relu", ["less"], ["jump"]),
        helper.make_node("Add", ["X", "jump"], ["y"]),
    ]
    return nodes, {"one": np.ones((1, 1))}


def _wrong() -> _Parts:
    return [helper.make_node("Add", ["X", "by"], ["y"])], {"by": np.full((1, 1), 5.0)}


def _slow() -> _Parts:
    """Right, after a row of matrix products whose sum is 0."""
    nodes = [
        helper.make_node("Cast", ["X"], ["x32"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x32", "wide"], ["h0"]),
    ]
    nodes += [helper.make_node("MatMul", [f"h{i}", "square"], [f"h{i + 1}"]) for i in range(DEPTH)]
    nodes += [
        helper.make_node("ReduceSum", [f"h{DEPTH}", "axis"], ["sum"], keepdims=1),
        helper.make_node("Cast", ["sum"], ["nothing"], to=TensorProto.DOUBLE),
        helper.make_node("Add", ["X", "nothing"], ["y"]),
    ]
    return nodes, {
        "wide": np.zeros((1, WIDTH), np.float32),
        "square": np.zeros((WIDTH, WIDTH), np.float32),
        "axis": np.array([1]),
    }

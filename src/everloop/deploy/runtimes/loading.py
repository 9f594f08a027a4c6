"""From a package's ``runtime`` to what answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from everloop.deploy.package import ONNX, Package
from everloop.deploy.predictor import Predictor
from everloop.deploy.runtimes._base import Runtime
from everloop.deploy.runtimes.graph import GRAPH, GraphModel
from everloop.deploy.runtimes.python import PYTHON, PythonModel
from everloop.errors import Integrity


def load_runtime(folder: Path, package: Package) -> Runtime:
    """What answers for a package folder that was verified before.

    Raises :class:`~everloop.errors.Integrity` for an unknown runtime, and for a model that cannot
    be loaded.
    """
    make = RUNTIMES.get(package.runtime)
    if make is None:
        raise Integrity(
            f"runtime: got {package.runtime!r}, expected one of {', '.join(RUNTIMES)}.",
            path="$.runtime", got=package.runtime,
        )  # fmt: skip
    return make(folder, package)


def _graph(folder: Path, package: Package) -> Runtime:
    return GraphModel(folder, package, load_runtime)


RUNTIMES: dict[str, Callable[[Path, Package], Runtime]] = {
    ONNX: Predictor,
    PYTHON: PythonModel,
    GRAPH: _graph,
}

"""A thousand models in one process: what a cold and a warm call cost, and what memory they take.

Run: python benchmarks/many_models.py [--models 1000] [--memory 64] [--calls 1000]

Each model is a forest of ten trees behind an endpoint of its own. The data plane is started without
a limit, which loads them all, and with ``serve_memory_mb``, which loads those that fit. Calls go to
endpoints by chance, all alike, so that with a limit most of them are cold: the worst case. Beside
them one caller asks one endpoint over and over: what it waits is what a cold load costs others.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from onnx import ModelProto
from rich.console import Console
from rich.table import Table
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.ensemble import RandomForestRegressor

from everloop.data.schema import Feature, Schema
from everloop.deploy.package import Package
from everloop.deploy.packaging import write_package
from everloop.deploy.state import (
    Arm,
    DesiredState,
    EndpointState,
    package_path,
    state_path,
    write_state,
)
from everloop.registry.signing import Keys

FEATURES = 20
LOADS = "everloop_model_load_seconds_count"
ROWS = (
    "ready after", "memory of the process", "most it took", "counted against the limit",
    "first calls that were cold", "a first call", "a second call", "one caller, alone",
    "the same beside the others",
)  # fmt: skip
console = Console(highlight=False)


def prepare(state: Path, models: int) -> float:
    """Packages and a desired state that names them all; mean bytes of a package."""
    keys = Keys.load_or_create(state / "keys")
    schema = Schema(
        features=tuple(Feature(f"x{i}", "number") for i in range(FEATURES)),
        target="y", task="regression", id="id",
    )  # fmt: skip
    package = Package(model="m", task="regression", algorithm="forest", created=1, schema=schema)
    model = forest()
    (trees,) = (node for node in model.graph.node if "TreeEnsemble" in node.op_type)
    (weights,) = (part for part in trees.attribute if part.name.startswith("target_weights"))
    first, endpoints, size = list(weights.floats), {}, 0
    for n in range(models):
        weights.floats[:] = [weight * (1 + n / models) for weight in first]
        onnx = model.SerializeToString()
        fresh = state / "packages" / "fresh"
        digest = write_package(fresh, package, {"model.onnx": onnx}, keys)
        fresh.rename(package_path(state, digest))
        endpoints[f"m{n}"] = EndpointState("m", (Arm(1, digest),))
        size += len(onnx)
    write_state(state_path(state), DesiredState(1, endpoints))
    return size / models


def forest() -> ModelProto:
    """Ten trees, whose output is called y; the models differ in the values of their leaves."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, FEATURES))
    fitted = RandomForestRegressor(10, random_state=0).fit(X, X @ rng.normal(size=FEATURES))
    model = to_onnx(
        fitted, initial_types=[("X", DoubleTensorType([None, FEATURES]))],
        final_types=[("y", DoubleTensorType([None, 1]))],
        target_opset={"": 18, "ai.onnx.ml": 3},
    )  # fmt: skip
    (output,) = model.graph.output
    for node in model.graph.node:
        node.output[:] = ["y" if name == output.name else name for name in node.output]
    output.name = "y"
    return model


@contextlib.contextmanager
def serving(folder: Path, memory: float) -> Iterator[tuple[int, int, float]]:
    """Port, process id and seconds until ready."""
    command = [sys.executable, "-m", "everloop.deploy.serving", "--dir", str(folder)]
    begun = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--port", str(port := free_port())],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "EVERLOOP_SERVE_MEMORY_MB": str(memory)},
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield port, process.pid, time.perf_counter() - begun
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def rss(pid: int, field: str) -> float:
    """Megabytes, by the kernel: VmRSS, or VmHWM, the most there was."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1000
    raise RuntimeError(f"no {field}")


class Caller:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.body = json.dumps([{f"x{i}": 0.5 for i in range(FEATURES)}])

    def ask(self, endpoint: str) -> float:
        """Milliseconds of a prediction."""
        begun = time.perf_counter()
        self.http.request("POST", f"/endpoints/{endpoint}/predict", self.body)
        answer = self.http.getresponse()
        said = answer.read()
        assert answer.status == 200, said
        return (time.perf_counter() - begun) * 1000

    def get(self, path: str) -> bytes:
        self.http.request("GET", path)
        return self.http.getresponse().read()

    def metric(self, name: str) -> float:
        for line in self.get("/metrics").decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        raise RuntimeError(f"no {name}")


def measure(folder: Path, memory: float, models: int, calls: int) -> list[str]:
    """One column of the table."""
    chance = random.Random(0)
    with serving(folder, memory) as (port, pid, seconds):
        caller, beside = Caller(port), Caller(port)
        start = rss(pid, "VmRSS")
        loads = caller.metric(LOADS)
        alone = [beside.ask("m0") for _ in range(500)]
        done, others = threading.Event(), []

        def ask_on() -> None:
            while not done.is_set():
                others.append(beside.ask("m0"))

        thread = threading.Thread(target=ask_on)
        thread.start()
        names = [f"m{chance.randrange(1, models)}" for _ in range(calls)]
        first, second = zip(*((caller.ask(name), caller.ask(name)) for name in names), strict=True)
        done.set()
        thread.join()
        counted = caller.metric("everloop_models_resident_bytes") / 1e6
        return [
            f"{seconds:.1f} s", f"{start:,.0f} MB", f"{rss(pid, 'VmHWM'):,.0f} MB",
            f"{counted:,.0f} MB, {caller.metric('everloop_models_loaded'):,.0f} models",
            f"{caller.metric(LOADS) - loads:,.0f} of {calls}",
            *(f"{np.median(ms):.1f} / {np.percentile(ms, 99):.1f} ms"
              for ms in (first, second, alone, others)),
        ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--memory", type=float, default=128, help="MB, of the limited run")
    parser.add_argument("--calls", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        size = prepare(folder / ".everloop", given.models)
        table = Table(
            title=f"{given.models} models of {size / 1000:.0f} kB, {given.calls} of them asked by "
            "chance, twice each; median / p99",
            title_justify="left",
        )
        for name in ("", "no limit", f"{given.memory:g} MB"):
            table.add_column(name, justify="right" if name else "left")
        columns = [
            measure(folder, memory, given.models, given.calls) for memory in (0, given.memory)
        ]
        for row in zip(ROWS, *columns, strict=True):
            table.add_row(*row)
        console.print(table)


if __name__ == "__main__":
    main()

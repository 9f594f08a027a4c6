"""How fast a packaged model answers: in a data plane of its own, asked over HTTP."""

from __future__ import annotations

import http.client
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from everloop.deploy.package import MODEL, Package
from everloop.deploy.packaging import write_package
from everloop.deploy.state import (
    Arm,
    DesiredState,
    EndpointState,
    package_path,
    state_path,
    write_state,
)
from everloop.loop.answers import PackagedModel
from everloop.registry.signing import Keys
from everloop.settings import state_dir

CALLS = 300
ROUNDS = 3
WARM_UP = 50  # first calls, which are not counted
READY_SECONDS = 30.0
ENDPOINT = "trial"


def served_latency_ms(model: PackagedModel, frame: pl.DataFrame) -> float | None:
    """99th percentile of the time of one request with one row, in milliseconds.

    The package is served by the real data plane in a process of its own, and the rows of ``frame``
    are replayed one after the other over one connection, as a caller would send them: reading,
    checking, answering and logging are all in the number. It is that of the quietest of three
    rounds: what else this machine does is no fault of the model. None when there are no rows, or
    when the process cannot serve here.
    """
    package = model.package
    names = [name for name in package.schema.names if name in frame.columns]
    if frame.height == 0 or not names:
        return model.latency_ms(frame)
    rows = frame.head(CALLS).select(names).to_dicts()
    bodies = [msgspec.json.encode([row], enc_hook=str) for row in rows]
    with tempfile.TemporaryDirectory(prefix="everloop-trial-") as folder:
        _lay_out(Path(folder), package, (model.folder / MODEL).read_bytes())
        with _server(Path(folder)) as port:
            return None if port is None else _p99(port, bodies)


def _lay_out(folder: Path, package: Package, model: bytes) -> None:
    """A project's folder with nothing but this package, as its only champion."""
    state = state_dir(folder)
    keys = Keys.load_or_create(state / "keys")
    made = Path(folder) / "package"
    digest = write_package(made, package, {MODEL: model}, keys)
    place = package_path(state, digest)
    place.parent.mkdir(parents=True)
    made.rename(place)
    arms = (Arm(version=1, digest=digest),)
    desired = DesiredState(1, {ENDPOINT: EndpointState(package.model, arms)})
    write_state(state_path(state), desired)


@contextmanager
def _server(folder: Path) -> Iterator[int | None]:
    """The port of a data plane on ``folder``; it ends with the block, or with this process."""
    command = [sys.executable, "-m", "everloop.deploy.serving", "--dir", str(folder)]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("EVERLOOP_")}
    with subprocess.Popen(
        [*command, "--port", str(_free_port()), "--json", "--watch-stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environ,
    ) as process:
        try:
            yield _ready(process)
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ready(process: subprocess.Popen[bytes]) -> int | None:
    """The port in the ready line; None when none comes."""
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], READY_SECONDS)[0]:
        return None
    try:
        line = msgspec.json.decode(process.stdout.readline())
    except msgspec.DecodeError:
        return None
    return int(str(line["url"]).rsplit(":", 1)[1])


def _p99(port: int, bodies: list[bytes]) -> float | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"content-type": "application/json"}
    spent: list[float] = []
    try:
        for call in range(WARM_UP + ROUNDS * CALLS):
            start = time.perf_counter()
            connection.request("POST", "/predict", bodies[call % len(bodies)], headers)
            answer = connection.getresponse()
            answer.read()
            spent.append((time.perf_counter() - start) * 1000)
            if answer.status != 200:
                return None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    rounds = np.reshape(spent[WARM_UP:], (ROUNDS, CALLS))
    return float(np.percentile(rounds, 99, axis=1).min())

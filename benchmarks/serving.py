"""Predictions over HTTP: everloop, its peers, and the limits of the machine, in one run.

Run: python benchmarks/serving.py [--seconds 5] [--rounds 3] [--only everloop,ceiling]
                                  [--loads one_row,forest,batch,forest_batch]

A logistic regression of 20 features and a forest of 100 trees, asked for one row or for a hundred
by wrk over 16 connections. Each side is one process with the same model and the same rows; the
sides take turns within each round, and the median of the rounds is shown. "constant" is granian
with a constant reply, "ceiling" granian with msgspec and onnxruntime and nothing else; everloop
checks the schema, routes, counts and logs (fsync each second) as it always does.

wrk is Debian's package. MLServer and BentoML are installed once into environments of their own in
the cache folder; what cannot be installed is left out of the table and named below it.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

APPS = Path(__file__).parent / "peers" / "serving_apps.py"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "everloop" / "benchmarks"
FEATURES, CONNECTIONS = 20, 16
NAMES = [f"x{i}" for i in range(FEATURES)]
# What everloop should reach: of the ceiling, and as a multiple of each peer, for one row.
REACH = {"ceiling": 0.7, "mlflow": 10, "bentoml": 10, "mlserver": 3.5, "fastapi": 2.5}
console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)

LUA = """
wrk.method = "POST"
wrk.body = io.open("{body}", "rb"):read("*a")
wrk.headers["Content-Type"] = "application/json"
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('{{"requests": %d, "us": %d, "errors": %d, "p50": %f, "p99": %f}}',
    summary.requests, summary.duration, e.status + e.connect + e.read + e.write + e.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


@dataclass
class Side:
    """One server: how it is started for a folder and a port, where and what it is asked."""

    name: str
    start: Callable[[Path, int], list[str]]
    path: str
    body: Callable[[list[list[float]]], Any]
    environment: dict[str, str] = field(default_factory=dict)


def records(rows: list[list[float]]) -> Any:
    return [dict(zip(NAMES, row, strict=True)) for row in rows]


def tensor(rows: list[list[float]]) -> Any:
    shape = [len(rows), FEATURES]
    return {"inputs": [{"name": "X", "datatype": "FP64", "shape": shape, "data": rows}]}


def app(mode: str) -> Callable[[Path, int], list[str]]:
    return lambda folder, port: [sys.executable, str(APPS), mode, str(folder), str(port)]


def everloop(folder: Path, port: int) -> list[str]:
    command = "from everloop.cli import main; main()"
    return [sys.executable, "-c", command, "serve", "--dir", str(folder), "--port", str(port)]


def mlflow(folder: Path, port: int) -> list[str]:
    where = ["-m", str(folder / "mlflow"), "-h", "127.0.0.1", "-p", str(port)]
    return [sys.executable, "-m", "mlflow", "models", "serve", *where, "--env-manager", "local"]


def sides(only: set[str]) -> list[Side]:
    """All of them; what needs an environment of its own only where it is wanted."""
    found = [
        Side("constant", app("constant"), "/predict", records),
        Side("ceiling", app("ceiling"), "/predict", records),
        Side("everloop", everloop, "/predict", records),
        Side("everloop v2", everloop, "/v2/models/bench/infer", tensor),
        Side("fastapi", app("fastapi"), "/predict", records),
        Side("gunicorn", app("gunicorn"), "/predict", records),
        Side("flask", app("flask"), "/predict", records),
        Side("mlflow", mlflow, "/invocations", lambda rows: {"dataframe_records": records(rows)}),
    ]
    if not only & {"mlserver", "bentoml"} and only:
        return found
    if python := environment("mlserver", "mlserver==1.7.1", "mlserver-sklearn==1.7.1"):
        found.append(Side("mlserver", mlserver(python), "/v2/models/bench/infer", tensor))
    if python := environment("bentoml", "bentoml", "scikit-learn"):
        found.append(Side("bentoml", bentoml(python), "/predict", lambda rows: {"rows": rows}))
    return found


def environment(name: str, *packages: str) -> Path | None:
    """The interpreter of a peer's own environment; None when it cannot be made here."""
    folder = CACHE / name
    python = folder / "bin" / "python"
    if (folder / "ready").exists():
        return python
    console.print(f"installing {name} once into the cache folder …")
    made = subprocess.run([sys.executable, "-m", "venv", folder]).returncode == 0
    pip = [python, "-m", "pip", "install", "--quiet", *packages]
    if not made or subprocess.run(pip, capture_output=True).returncode:
        console.print(f"{name} cannot be installed here; it is left out.")
        return None
    (folder / "ready").touch()
    return python


def mlserver(python: Path) -> Callable[[Path, int], list[str]]:
    def start(folder: Path, port: int) -> list[str]:
        place = folder / "mlserver"
        place.mkdir(exist_ok=True)
        settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": port + 1,
                    "metrics_port": port + 2, "parallel_workers": 0, "debug": False}  # fmt: skip
        (place / "settings.json").write_text(json.dumps(settings))
        fit_with(python, folder, place / "model.joblib")
        model = {"name": "bench", "implementation": "mlserver_sklearn.SKLearnModel",
                 "parameters": {"uri": "./model.joblib"}}  # fmt: skip
        (place / "model-settings.json").write_text(json.dumps(model))
        return [str(python.parent / "mlserver"), "start", str(place)]

    return start


def bentoml(python: Path) -> Callable[[Path, int], list[str]]:
    def start(folder: Path, port: int) -> list[str]:
        place = folder / "bentoml"
        place.mkdir(exist_ok=True)
        fit_with(python, folder, place / "model.joblib")
        (place / "service.py").write_text(
            "import bentoml, joblib, numpy as np\n"
            "@bentoml.service(workers=1)\n"
            "class Bench:\n"
            "    def __init__(self):\n"
            "        self.model = joblib.load('model.joblib')\n"
            "    @bentoml.api\n"
            "    def predict(self, rows: list[list[float]]) -> list[int]:\n"
            "        return self.model.predict(np.array(rows)).tolist()\n"
        )
        script = f"cd {place} && exec {python.parent}/bentoml serve service:Bench -p {port}"
        return ["sh", "-c", f"{script} --host 127.0.0.1"]

    return start


def fit_with(python: Path, folder: Path, out: Path) -> None:
    """The same estimator by the peer's own scikit-learn, since pickles are of one version."""
    code = (
        "import sys, joblib, numpy as np\n"
        "from sklearn.linear_model import LogisticRegression as L\n"
        "from sklearn.ensemble import RandomForestClassifier as F\n"
        "d = np.load(sys.argv[1])\n"
        "m = F(100, random_state=0) if sys.argv[3] == 'forest' else L()\n"
        "joblib.dump(m.fit(d['X'], d['y']), sys.argv[2])\n"
    )
    kind = "forest" if "forest" in folder.name else "logistic"
    subprocess.run([python, "-c", code, folder / "data.npz", out, kind], check=True)


def prepare(folder: Path, kind: str) -> None:
    """The model in each side's form; everloop's goes through its own training and registry."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, FEATURES))
    y = (X @ rng.normal(size=FEATURES) + rng.normal(size=2000) > 0).astype(int)
    folder.mkdir()
    np.savez(folder / "data.npz", X=X, y=y)
    (folder / "names.json").write_text(json.dumps(NAMES))
    model = (
        RandomForestClassifier(100, random_state=0) if kind == "forest" else LogisticRegression()
    )
    model.fit(X, y)
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    pl.DataFrame(X, NAMES).with_columns(y=y).write_csv(folder / "bench.csv")
    candidate = "random_forest" if kind == "forest" else "logistic_regression"
    space = "[train.space.random_forest]\nn_estimators = 100\n" if kind == "forest" else ""
    (folder / "everloop.toml").write_text(
        f'[loop]\nname = "bench"\n[data]\nsource = "bench.csv"\ntarget = "y"\n'
        f'[train]\ncandidates = ["{candidate}"]\n{space}[evaluate]\ngates = []\n'
    )
    command = [sys.executable, "-c", "from everloop.cli import main; main()", "run"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (onnx,) = (folder / ".everloop" / "packages").glob("*/model.onnx")
    (folder / "model.onnx").write_bytes(onnx.read_bytes())
    import mlflow.sklearn

    mlflow.sklearn.save_model(model, str(folder / "mlflow"), serialization_format="cloudpickle")


def ask(port: int, side: Side, folder: Path, rows: int, seconds: float) -> dict[str, float]:
    """One turn of wrk."""
    some = np.random.default_rng(1).normal(size=(rows, FEATURES)).round(4).tolist()
    body, script = folder / "body.json", folder / "ask.lua"
    body.write_bytes(json.dumps(side.body(some)).encode())
    script.write_text(LUA.format(body=body))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "-s", str(script)]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}{side.path}"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"\{.*\}", done.stdout)
    assert found, done.stdout + done.stderr
    said: dict[str, float] = json.loads(found[0])
    return said | {"rate": said["requests"] / said["us"] * 1e6}


def started(side: Side, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    port = free_port()
    process = subprocess.Popen(
        side.start(folder, port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, env={**os.environ, **side.environment},
    )  # fmt: skip
    row = [[0.0] * FEATURES]
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{side.path}", json.dumps(side.body(row)).encode(),
        {"content-type": "application/json"},
    )  # fmt: skip
    for _ in range(600):
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                assert answer.status == 200
            return process, port
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    raise RuntimeError(f"{side.name} did not answer")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def measure(
    chosen: list[Side], folder: Path, rows: int, seconds: float, rounds: int
) -> dict[str, dict[str, float]]:
    """Medians of the rounds, by side."""
    found: dict[str, list[dict[str, float]]] = {side.name: [] for side in chosen}
    running = {}
    try:
        for side in chosen:
            running[side.name] = started(side, folder)
        for turn in range(rounds + 1):
            for side in chosen:
                # The first turn warms up.
                said = ask(running[side.name][1], side, folder, rows, seconds if turn else 1)
                if turn:
                    found[side.name].append(said)
    finally:
        for process, _ in running.values():
            stop(process)
    return {
        name: {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}
        for name, turns in found.items()
    }


def show(title: str, found: dict[str, dict[str, float]]) -> None:
    own = found.get("everloop")
    table = Table(title=title, title_justify="left")
    for name in ("side", "req/s", "p50 ms", "p99 ms", "errors", "everloop is", "reach"):
        table.add_column(name, justify="left" if name == "side" else "right")
    for name, said in sorted(found.items(), key=lambda item: -item[1]["rate"]):
        ratio = f"{own['rate'] / said['rate']:.2f} x" if own else ""
        reach = f"{REACH[name]:g} x" if name in REACH and "one row" in title else ""
        table.add_row(
            name, f"{said['rate']:,.0f}", f"{said['p50']:.2f}", f"{said['p99']:.2f}",
            f"{said['errors']:.0f}", ratio, reach,
        )  # fmt: skip
    console.print(table)


LOADS = {
    "one_row": ("logistic", 1, "logistic regression, one row"),
    "forest": ("forest", 1, "forest of 100 trees, a single row"),
    "batch": ("logistic", 100, "logistic regression, 100 rows"),
    "forest_batch": ("forest", 100, "forest of 100 trees, 100 rows"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--loads", default=",".join(LOADS))
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: apt-get install wrk")
    only = set(filter(None, given.only.split(",")))
    chosen = [side for side in sides(only) if not only or side.name in only]
    with tempfile.TemporaryDirectory() as place:
        for kind in ("logistic", "forest"):
            wanted = [load for load in given.loads.split(",") if LOADS[load][0] == kind]
            if wanted:
                prepare(Path(place) / kind, kind)
            for load in wanted:
                _, rows, title = LOADS[load]
                show(title, measure(chosen, Path(place) / kind, rows, given.seconds, given.rounds))


if __name__ == "__main__":
    main()

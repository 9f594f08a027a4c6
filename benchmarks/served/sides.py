"""The servers side by side: how each is started, and what it is asked."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from served.asking import by_grpc, by_wrk
from served.models import COMMAND, FEATURES, NAME, NAMES, fit_with, rows

APPS = Path(__file__).parents[1] / "peers" / "serving_apps.py"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "everloop" / "benchmarks"
JSON = {"Content-Type": "application/json"}
INFER = f"/v2/models/{NAME}/infer"
READY_S = 120.0
console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)

Rows = list[list[float]]
Message = tuple[bytes, dict[str, str]]


@dataclass
class Side:
    """One server; ``path`` is empty where it is asked over gRPC, one port above its HTTP."""

    name: str
    start: Callable[[Path, int], list[str]]
    path: str
    message: Callable[[Rows], Message]

    def ask(self, port: int, count: int, folder: Path, seconds: float) -> dict[str, float]:
        """One turn with requests of ``count`` rows."""
        body, headers = self.message(rows(count))
        if not self.path:
            return by_grpc(f"127.0.0.1:{port + 1}", body, folder, seconds)
        return by_wrk(f"127.0.0.1:{port}", self.path, body, headers, folder, seconds)

    @contextlib.contextmanager
    def running(self, folder: Path) -> Iterator[int]:
        """Its port, once it has answered."""
        port = free_port()
        with (folder / f"{self.name}.log".replace(" ", "-")).open("wb") as log:
            process = subprocess.Popen(
                self.start(folder, port), stdout=log, stderr=log, start_new_session=True
            )
        try:
            self._wait(process, port, folder)
            yield port
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)

    def _wait(self, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(subprocess.CalledProcessError):
                said = self.ask(port, 1, folder, 1)
                if said["requests"] and not said["errors"]:
                    return
            time.sleep(0.2)
        raise RuntimeError(f"{self.name} did not answer; see {folder}")


def records(given: Rows) -> Any:
    return [dict(zip(NAMES, row, strict=True)) for row in given]


def plain(form: Callable[[Rows], Any]) -> Callable[[Rows], Message]:
    return lambda given: (json.dumps(form(given)).encode(), JSON)


def tensor(given: Rows) -> Any:
    shape = [len(given), FEATURES]
    return {"inputs": [{"name": "X", "datatype": "FP64", "shape": shape, "data": given}]}


def raw_tensor(given: Rows) -> Message:
    """The extension for binary tensors: JSON in front, the numbers behind."""
    data = np.asarray(given, "<f8").tobytes()
    one = {"name": "X", "datatype": "FP64", "shape": [len(given), FEATURES],
           "parameters": {"binary_data_size": len(data)}}  # fmt: skip
    wanted = [{"name": "predict", "parameters": {"binary_data": True}}]
    head = json.dumps({"inputs": [one], "outputs": wanted}).encode()
    kind = {"Content-Type": "application/octet-stream"}
    return head + data, {**kind, "Inference-Header-Content-Length": str(len(head))}


def grpc_message(given: Rows) -> Message:
    from everloop.deploy.serving.protocols._rpc_messages import MESSAGES

    asked = MESSAGES["ModelInferRequest"](
        model_name=NAME,
        inputs=[{"name": "X", "datatype": "FP64", "shape": [len(given), FEATURES]}],
        raw_input_contents=[np.asarray(given, "<f8").tobytes()],
    )
    return asked.SerializeToString(), {}


def sides() -> dict[str, Side]:
    """All that need nothing installed, by name."""
    found = [
        Side("constant", app("constant"), "/predict", plain(records)),
        Side("ceiling", app("ceiling"), "/predict", plain(records)),
        Side("everloop", everloop, "/predict", plain(records)),
        Side("everloop v2", everloop, INFER, plain(tensor)),
        Side("everloop raw", everloop, INFER, raw_tensor),
        Side("fastapi", app("fastapi"), "/predict", plain(records)),
        Side("gunicorn", app("gunicorn"), "/predict", plain(records)),
        Side("flask", app("flask"), "/predict", plain(records)),
        Side("mlflow", mlflow, "/invocations",
             plain(lambda given: {"dataframe_records": records(given)})),
        Side("constant grpc", app("constant_grpc"), "", grpc_message),
        Side("everloop grpc", everloop, "", grpc_message),
    ]  # fmt: skip
    return {side.name: side for side in found}


def installed(name: str) -> Side | None:
    """A side that has an environment of its own; None where that cannot be made here."""
    if name.startswith("mlserver"):
        python = environment("mlserver", "mlserver==1.7.1", "mlserver-sklearn==1.7.1")
        path, message = ("", grpc_message) if "grpc" in name else (INFER, plain(tensor))
        return Side(name, mlserver(python), path, message) if python else None
    python = environment("bentoml", "bentoml", "scikit-learn")
    form = plain(lambda given: {"rows": given})
    return Side(name, bentoml(python), "/predict", form) if python else None


def app(mode: str) -> Callable[[Path, int], list[str]]:
    return lambda folder, port: [sys.executable, str(APPS), mode, str(folder), str(port)]


def everloop(folder: Path, port: int) -> list[str]:
    ports = ["--port", str(port), "--grpc-port", str(port + 1)]
    return [*COMMAND, "serve", "--dir", str(folder), *ports]


def mlflow(folder: Path, port: int) -> list[str]:
    where = ["-m", str(folder / "mlflow"), "-h", "127.0.0.1", "-p", str(port)]
    return [sys.executable, "-m", "mlflow", "models", "serve", *where, "--env-manager", "local"]


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
        place = folder / f"mlserver-{port}"
        place.mkdir()
        settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": port + 1,
                    "metrics_port": port + 2, "parallel_workers": 0, "debug": False}  # fmt: skip
        (place / "settings.json").write_text(json.dumps(settings))
        fit_with(python, folder, place / "model.joblib")
        model = {"name": NAME, "implementation": "mlserver_sklearn.SKLearnModel",
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


def free_port() -> int:
    """A port with two free ones above it."""
    while True:
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                for next_one in (port + 1, port + 2):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", next_one))
            except (OSError, OverflowError):
                continue
            return port

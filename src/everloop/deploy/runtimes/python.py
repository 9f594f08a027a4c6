"""The user's own ``predict(rows)``, in a process of its own with limits.

``rows`` is a list of dictionaries, a value of each feature by its name (None when missing). What
comes back is a number a row; for classes the class a row, or a dictionary of probabilities a row.
With ``predict_stream(row)`` beside it, a generator, a row is answered step by step; each step is
what ``predict`` would give for the row. The process has a memory limit, a time limit a call, a
clean environment, no network, and sees no files but the model's and the interpreter's (see
:mod:`everloop.deploy.runtimes.fences`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from everloop.data.schema import Feature
from everloop.deploy.package import Limits, Package
from everloop.deploy.predictor import ModelFailure, Output, check_never_missing
from everloop.errors import Integrity

PYTHON = "python"
CODE = "code"
KINDS = ("number", "boolean", "category")
_HERE = Path(__file__).parent
_START_SECONDS = 60.0  # of the user's imports
_PAUSE_SECONDS = 1.0  # between two starts, so that one that always fails costs little
_LARGEST = 256 << 20  # bytes of an answer
_LENGTH = struct.Struct("<I")

Arrays = tuple[npt.NDArray[Any], npt.NDArray[np.floating[Any]] | None]


class PythonModel:
    """Asks the process, one call at a time, and starts it again after it has died.

    Raises :class:`~everloop.errors.Integrity` when the code cannot be imported.
    """

    waits = True

    def __init__(self, folder: Path, package: Package) -> None:
        if package.limits is None:
            raise Integrity("package.toml: limits is missing.", path="$.limits")
        self.package, self.schema = package, package.schema
        self._code, self._limits = folder / CODE, package.limits
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._started = 0.0
        self._readers = [_reader(feature, place.start) for feature, place in _spans(package)]
        process = self._running()
        self.fences, self.streams = process.fences, process.streams
        self._numbers = count(1)

    def predict(self, X: npt.NDArray[np.float64]) -> Output:
        """Answer for each row of ``X``.

        Raises :class:`ModelFailure`, and :class:`~everloop.errors.InvalidInput` where the code
        raised something at a missing value that the schema does not allow.
        """
        first, p = self.arrays(X)
        y = first.tolist()
        return Output(y if p is None else [self.schema.classes[code] for code in y], p)

    def arrays(self, X: npt.NDArray[np.float64]) -> Arrays:
        """The same as arrays; a class is its code into ``schema.classes``."""
        names = self.schema.names
        columns = [read(X) for read in self._readers]
        rows = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
        with self._lock:
            answer = self._ask(rows, X)
        return self._checked(answer, len(X))

    def stream(self, X: npt.NDArray[np.float64]) -> Steps:
        """The answers to the one row of ``X``, one after the other; close it at the end."""
        values = [read(X)[0] for read in self._readers]
        row = dict(zip(self.schema.names, values, strict=True))
        return Steps(self, next(self._numbers), row, X)

    def warm_up(self, rows: int = 1) -> None:
        """Answer rows of zeros once: unlike our own models, code may know no missing values."""
        self.predict(np.zeros((rows, self.schema.width)))

    def _ask(self, asked: Any, X: npt.NDArray[np.float64]) -> Any:
        """The answer of the code. What it raised is the caller's fault where a value is missing
        that never was, and its own otherwise."""
        try:
            process = self._running()
            answer = process.ask(asked, self._limits.seconds)
        except (OSError, Integrity) as error:
            self._end()
            if isinstance(error, TimeoutError):
                reason = f"took longer than {self._limits.seconds:g} s"
            else:
                reason = f"ended without an answer ({error})"
            raise ModelFailure(f"the model's process {reason}") from None
        if "error" in answer:
            failure = ModelFailure(f"the model failed: {answer['error']}")
            if failure_name := answer.get("raised"):
                check_never_missing(X, self.schema)
                failure.raised = failure_name
            raise failure
        return answer.get("y")

    def _running(self) -> _Process:
        if self._process is not None and self._process.process.poll() is not None:
            self._end()  # it died between two calls
        if self._process is None:
            wait = self._started + _PAUSE_SECONDS - time.monotonic()
            if wait > 0:
                raise Integrity(f"it is started again in {wait:.1f} s", path=CODE)
            self._started = time.monotonic()
            self._process = _Process(self._code, self._limits, self.package.trust is not None)
            weakref.finalize(self, self._process.end)
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None

    def _checked(self, answer: Any, rows: int) -> Arrays:
        if not isinstance(answer, list) or len(answer) != rows:
            got = len(answer) if isinstance(answer, list) else type(answer).__name__
            raise ModelFailure(f"the model gave {got} answers for {rows} rows")
        if self.schema.numeric:
            return np.array([_number(value) for value in answer]), None
        classes = list(self.schema.classes)
        p = np.zeros((rows, len(classes)))
        for row, value in enumerate(answer):
            told = value if isinstance(value, dict) else {value: 1.0}
            for label, share in told.items():
                if label not in classes:
                    raise ModelFailure(f"the model answered {label!r}, which is no class")
                p[row, classes.index(label)] = _number(share)
        if not np.allclose(p.sum(axis=1), 1.0, atol=1e-3) or p.min() < 0:
            raise ModelFailure("the model gave probabilities that do not add up to 1")
        return p.argmax(axis=1), p


class Steps:
    """A row's stream in the process: it runs when it is asked for a step, and only then."""

    def __init__(
        self, model: PythonModel, number: int, row: dict[str, Any], X: npt.NDArray[np.float64]
    ) -> None:
        self._model, self._number, self._X = model, number, X
        self._asked: dict[str, Any] = {"open": number, "row": row}
        self._process: _Process | None = None

    def step(self) -> Output | None:
        """The next answer, or None at the end. Raises what :meth:`PythonModel.predict` does."""
        model = self._model
        with model._lock:
            if self._process is not None and self._process is not model._process:
                raise ModelFailure("the model's process ended within the stream")
            answer = model._ask(self._asked, self._X)
            self._process, self._asked = model._process, {"next": self._number}
        if answer == []:
            self._process = None
            return None
        first, p = model._checked(answer, 1)
        y = first.tolist()
        return Output(y if p is None else [model.schema.classes[code] for code in y], p)

    def close(self) -> None:
        """End the generator where it stands; nothing after its own end."""
        model = self._model
        with model._lock:
            if self._process is not None and self._process is model._process:
                with contextlib.suppress(ModelFailure):
                    model._ask({"close": self._number}, self._X)
        self._process = None


class _Process:
    """The worker behind its socket; ``fences`` are those that stand round it."""

    def __init__(self, code: Path, limits: Limits, strict: bool) -> None:
        self.scratch = tempfile.mkdtemp(prefix="everloop-model-")
        self.ours, theirs = socket.socketpair()
        told = {**msgspec.to_builtins(limits), "scratch": self.scratch, "strict": strict}
        command = [
            sys.executable, "-I", "-B", str(_HERE / "worker.py"), str(theirs.fileno()),
            str(code.resolve()), msgspec.json.encode(told).decode(), str(_HERE),
        ]  # fmt: skip
        environ = {
            "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": self.scratch,
            "TMPDIR": self.scratch, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
        }  # fmt: skip
        with theirs:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environ,
                cwd=self.scratch, pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip
        try:
            hello = self._receive(time.monotonic() + _START_SECONDS)
        except OSError as error:
            hello = {"error": str(error) or "it ended"}
        if "error" in hello:
            self.end()
            raise Integrity(f"the model's code cannot be loaded: {hello['error']}", path=CODE)
        self.fences: list[str] = hello["fences"]
        self.streams: bool = hello["streams"]

    def ask(self, asked: Any, seconds: float) -> dict[str, Any]:
        """The answer to a message. Raises TimeoutError, or OSError when the process is gone."""
        deadline = time.monotonic() + seconds
        body = msgspec.msgpack.encode(asked)
        self.ours.settimeout(seconds)
        self.ours.sendall(_LENGTH.pack(len(body)) + body)
        return self._receive(deadline)

    def end(self) -> None:
        """Kill it, with whatever it started in its session."""
        self.ours.close()
        if self.process.poll() is None:
            try:
                os.killpg(self.process.pid, 9)
            except OSError:
                self.process.kill()
        self.process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _receive(self, deadline: float) -> dict[str, Any]:
        size = _LENGTH.unpack(self._exactly(_LENGTH.size, deadline))[0]
        if size > _LARGEST:
            raise OSError(f"an answer of {size:,} bytes")
        try:
            found: dict[str, Any] = msgspec.msgpack.decode(
                self._exactly(size, deadline), type=dict[str, Any]
            )
        except msgspec.MsgspecError as error:
            raise OSError(f"an answer that cannot be read: {error}") from None
        return found

    def _exactly(self, size: int, deadline: float) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.ours.settimeout(left)
            part = self.ours.recv(min(size - len(parts), 1 << 20))
            if not part:
                raise ConnectionResetError("it ended")
            parts += part
        return bytes(parts)


def _spans(package: Package) -> list[tuple[Feature, slice]]:
    for feature in package.schema.features:
        if feature.kind not in KINDS:
            raise Integrity(
                f"schema.{feature.name}: got {feature.kind}, expected {', '.join(KINDS)}: "
                "code of one's own takes no other kind.", path="$.schema",
            )  # fmt: skip
    spans = package.schema.spans
    return [(f, spans[f.name]) for f in package.schema.features]


def _reader(feature: Feature, place: int) -> Callable[[npt.NDArray[np.float64]], list[Any]]:
    """From a column of ``X`` back to the values it stands for."""
    if feature.kind == "category":
        levels = [*feature.levels, None]
        last = len(feature.levels)
        return lambda X: [levels[int(v)] if 0 <= v < last else None for v in X[:, place].tolist()]
    if feature.kind == "boolean":
        return lambda X: [None if v != v else bool(v) for v in X[:, place].tolist()]
    return lambda X: [None if v != v else v for v in X[:, place].tolist()]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value - value != 0:
        raise ModelFailure(f"the model answered {str(value)[:50]!r}, expected a finite number")
    return float(value)

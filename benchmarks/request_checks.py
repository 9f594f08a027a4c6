"""What the checks of each request cost: microseconds for 20 features, beside the raw ceiling.

Run: python benchmarks/request_checks.py [--repeats 30]

The ceiling is what is left of a request without everloop and without a server: msgspec reads the
row, onnxruntime answers, msgspec writes the answer. CPU time of this thread, the least of the
repeats; the checks should cost less than 20 microseconds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime as ort
from rich.console import Console
from rich.table import Table
from served.models import NAMES, prepare, rows

from everloop.deploy.package import read_package
from everloop.deploy.serving.checks import Checks, ranges_of
from everloop.deploy.serving.inputs import InputReader

REACH_US = 20.0
CALLS = 500


def least_us(work: Callable[[], object], repeats: int) -> float:
    """Microseconds of a call."""
    found = []
    for _ in range(repeats):
        begun = time.thread_time()
        for _ in range(CALLS):
            work()
        found.append((time.thread_time() - begun) / CALLS)
    return min(found) * 1e6


def ceiling(folder: Path, body: bytes) -> Callable[[], bytes]:
    """A request's answer, and nothing else."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(folder / "model.onnx"), options)
    record = msgspec.defstruct("Record", [(name, float) for name in NAMES])
    decode = msgspec.json.Decoder(list[record]).decode  # type: ignore[valid-type]
    encode, astuple = msgspec.json.Encoder().encode, msgspec.structs.astuple

    def answer() -> bytes:
        X = np.array([astuple(row) for row in decode(body)], dtype=np.float64)
        label, _ = session.run(["label", "probabilities"], {"X": X})
        return encode({"y_pred": label.tolist()})

    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "logistic"
        prepare(folder, "logistic", mlflow=False)
        (package,) = (folder / ".everloop" / "packages").glob("*")
        schema = read_package(package, None).schema
        told: list[str] = []
        checks = Checks(schema, ranges_of(package), {}, (), lambda *said: told.append(said[1]))
        table = Table("request", "rows", "µs", "ceiling µs", "share", title_justify="left")
        for count in (1, 100):
            sent = [dict(zip(NAMES, row, strict=True)) for row in rows(count)]
            raw = least_us(ceiling(folder, json.dumps(sent).encode()), given.repeats)
            for name, change in (("in order", {}), ("far out", {"x1": 1e6}), ("gap", {"x1": None})):
                asked = [{**sent[0], **change}, *sent[1:]]
                read = InputReader(schema).read(json.dumps(asked).encode())
                assert bool(checks.look(read).marks) == bool(change)
                spent = least_us(lambda read=read: checks.judge(checks.look(read)), given.repeats)
                table.add_row(name, str(count), f"{spent:.1f}", f"{raw:.1f}", f"{spent / raw:.0%}")
        console = Console(width=100)
        console.print(table)
        console.print(f"reach: at most {REACH_US:g} µs for one row")


if __name__ == "__main__":
    main()

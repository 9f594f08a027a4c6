"""Predictions over HTTP and gRPC: everloop, its peers, and the limits of the machine, in one run.

Run: python benchmarks/serving.py [--sets one_row,forest,…] [--only everloop,ceiling]
                                  [--seconds 5] [--rounds 3] [--out serving.json]

A logistic regression of 20 features and a forest of 100 trees, asked for one row or for a hundred
over 16 connections. Each side is one process with the same model and the same rows; the sides take
turns within each round, and the median of the rounds is shown. "constant" is granian with a
constant reply, "ceiling" granian with msgspec and onnxruntime and nothing else; everloop checks the
schema, routes, counts and logs (fsync each second) as it always does. The sets are

- one_row, forest, batch, forest_batch: JSON, asked by wrk
- tensors, tensors_batch: the Open Inference Protocol over REST, everloop's with raw tensors and
  with JSON; MLServer has no raw tensors over REST, so it is asked with JSON
- grpc, grpc_batch: the same over gRPC with raw tensors, by a client that sends bytes as they are;
  "constant grpc" is what that client gets of a constant reply
- canary: throughput with a canary of 10 % over that without, by pairs of turns in random order
  (``--pairs``), with a 95 % interval
- swap: two versions take turns as champion twice a second until ``--requests`` requests were made

What a set showed is added to the JSON file at once; a set that is in the file is shown from it and
not run again, unless ``--again``. So a run can be cut off, and sets can be run one by one.

wrk is Debian's package. MLServer and BentoML are installed once into environments of their own in
the cache folder; what cannot be installed is left out of the table and named below it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.table import Table
from served.changes import canary, swaps
from served.models import prepare
from served.sides import Side, console, installed, sides

# What everloop should reach: of the ceiling, and as a multiple of each peer, for one row.
REACH = {"ceiling": 0.7, "mlflow": 10, "bentoml": 10, "mlserver": 3.5, "fastapi": 2.5}
PLAIN = ("constant", "ceiling", "everloop", "everloop v2", "fastapi", "gunicorn", "flask", "mlflow",
         "mlserver", "bentoml")  # fmt: skip
REST = ("everloop raw", "everloop v2", "mlserver")
GRPC = ("everloop grpc", "constant grpc", "mlserver grpc")
# The model, the rows of a request, the title, and the sides; the others are compared with the
# first of them whose name begins with "everloop".
SETS: dict[str, tuple[str, int, str, tuple[str, ...]]] = {
    "one_row": ("logistic", 1, "logistic regression, one row", PLAIN),
    "forest": ("forest", 1, "forest of 100 trees, a single row", PLAIN),
    "batch": ("logistic", 100, "logistic regression, 100 rows", PLAIN),
    "forest_batch": ("forest", 100, "forest of 100 trees, 100 rows", PLAIN),
    "tensors": ("logistic", 1, "tensors over REST, a single row", REST),
    "tensors_batch": ("logistic", 100, "tensors over REST, 100 rows", REST),
    "grpc": ("logistic", 1, "gRPC with raw tensors, a single row", GRPC),
    "grpc_batch": ("logistic", 100, "gRPC with raw tensors, 100 rows", GRPC),
    "canary": ("logistic", 1, "a canary of 10 %, one row", ()),
    "swap": ("logistic", 1, "swaps under load, one row", ()),
}


def chosen(names: tuple[str, ...], only: set[str]) -> list[Side]:
    """The sides of a set; those with an environment of their own only where they are wanted."""
    known = sides()
    wanted = [name for name in names if not only or name in only]
    found = [known[name] if name in known else installed(name) for name in wanted]
    return [side for side in found if side is not None]


def measure(
    together: list[Side], folder: Path, rows: int, seconds: float, rounds: int
) -> dict[str, dict[str, float]]:
    """Medians of the rounds, by side."""
    found: dict[str, list[dict[str, float]]] = {side.name: [] for side in together}
    with contextlib.ExitStack() as stack:
        ports = {side.name: stack.enter_context(side.running(folder)) for side in together}
        for turn in range(rounds + 1):
            for side in together:
                # The first turn warms up.
                said = side.ask(ports[side.name], rows, folder, seconds if turn else 1)
                if turn:
                    found[side.name].append(said)
    return {
        name: {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}
        for name, turns in found.items()
    }


def show(name: str, told: dict[str, Any]) -> None:
    """A set's table, as it was measured now or before."""
    title, found = SETS[name][2], told["found"]
    note = f"{told['at']}, load {told['load'][0]:.1f}, {told['seconds']:g} s a turn"
    if name == "canary":
        console.print(
            f"{title}: {found['with']:,.0f} req/s with it, {found['without']:,.0f} without: "
            f"{found['ratio']:.3f} [{found['low']:.3f}, {found['high']:.3f}] "
            f"in {found['pairs']} pairs, {found['errors']:.0f} errors (reach: above 0.97)  {note}"
        )
        return
    if name == "swap":
        console.print(
            f"{title}: {found['failed']} failed of {found['requests']:,} requests in "
            f"{found['swaps']} swaps, p99 {found['p99']:.1f} ms (reach: 0 failed)  {note}"
        )
        return
    own = next((said for side, said in found.items() if side.startswith("everloop")), None)
    table = Table(title=title, title_justify="left")
    for column in ("side", "req/s", "p50 ms", "p99 ms", "errors", "everloop is", "reach"):
        table.add_column(column, justify="left" if column == "side" else "right")
    for side, said in sorted(found.items(), key=lambda item: -item[1]["rate"]):
        ratio = f"{own['rate'] / said['rate']:.2f} x" if own else ""
        reach = f"{REACH[side]:g} x" if side in REACH and name == "one_row" else ""
        table.add_row(
            side, f"{said['rate']:,.0f}", f"{said['p50']:.2f}", f"{said['p99']:.2f}",
            f"{said['errors']:.0f}", ratio, reach,
        )  # fmt: skip
    console.print(table)
    console.print(f"{note}, median of {told['rounds']}")


def measured(name: str, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """What a set shows, with when and how loaded the machine was."""
    _, rows, _, names = SETS[name]
    only = set(filter(None, given.only.split(",")))
    load = os.getloadavg()
    if name == "canary":
        found = canary(folder, given.seconds, given.pairs)
    elif name == "swap":
        found = swaps(folder, given.seconds, given.requests)
    else:
        found = measure(chosen(names, only), folder, rows, given.seconds, given.rounds)
    at = time.strftime("%Y-%m-%d %H:%M")
    return {"at": at, "load": load, "seconds": given.seconds, "rounds": given.rounds,
            "found": found}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=int, default=5)  # wrk knows no parts of one
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--again", action="store_true")
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: apt-get install wrk")
    names = given.sets.split(",")
    if unknown := set(names) - set(SETS):
        sys.exit(f"--sets: got {', '.join(unknown)}, expected some of {', '.join(SETS)}")
    kept = json.loads(given.out.read_text()) if given.out and given.out.exists() else {}
    with tempfile.TemporaryDirectory() as place:
        for name in names:
            if name not in kept or given.again:
                kind, _, _, against = SETS[name]
                folder = Path(place) / (kind if against else f"{kind}-{name}")
                if not folder.exists():
                    prepare(folder, kind, mlflow="mlflow" in (given.only or against))
                kept[name] = measured(name, folder, given)
                if given.out:
                    given.out.write_text(json.dumps(kept, indent=1))
            show(name, kept[name])


if __name__ == "__main__":
    main()

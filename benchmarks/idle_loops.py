"""What loops cost that nothing happens to: a controller that watches a thousand of them.

Run: python benchmarks/idle_loops.py [--loops 1,1000] [--seconds 120]

One loop goes once round; the others are declared with its champion and an endpoint of their own,
and each has one evaluated window of traffic behind it. Then `everloop control` (the controller
alone, with no server) watches them, and the table shows the seconds of processor that it takes in
each second of rest, after its first look at all. At the end a row is predicted at one of them, and
the table says how long it took until the controller had looked at that loop.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import psutil
from rich.console import Console
from rich.table import Table

from everloop.data.segments import PredictionRecord, SegmentWriter, encode_record
from everloop.deploy.endpoints import Arm
from everloop.loop.declaration import Declaration
from everloop.loop.loop import load
from everloop.loop.project import Project

DAY = 86_400_000
ROWS = 200
FILE = """
[loop]
name = "loop-0"
[data]
source = "data.parquet"
target = "y"
time = "at"
[train]
candidates = ["logistic_regression"]
[update]
when = ["drift", "performance", "every 30d"]
"""


def data(path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3))
    at = pl.Series(np.arange(2000) * (DAY // 100)).cast(pl.Datetime("ms"))
    frame = pl.DataFrame({f"x{i}": X[:, i] for i in range(3)})
    y = pl.Series((X.sum(axis=1) + rng.normal(size=2000) > 0).astype(int))
    frame.with_columns(at=at, y=y).write_parquet(path)


def prepare(folder: Path, loops: int) -> None:
    """Loops with a champion and a day of traffic each."""
    data(folder / "data.parquet")
    (folder / "everloop.toml").write_text(FILE)
    first = load(folder)
    first.run()
    with Project.open(folder) as project:
        champion = project.champion("loop-0")
        assert champion is not None
        for n in range(1, loops):
            add(project, first.declaration, n)
        log = SegmentWriter(project.state / "log" / "predictions", "predictions")
        for n in range(loops):
            log.append(encode_record(traffic(f"loop-{n}", 20 * DAY, ROWS)))
            log.append(encode_record(traffic(f"loop-{n}", 21 * DAY, 1)))
        log.close()


def add(project: Project, like: Declaration, n: int) -> None:
    """The loop number ``n``, which serves the first loop's model."""
    name = f"loop-{n}"
    champion = project.champion("loop-0")
    assert champion is not None and champion.algorithm is not None
    loop = msgspec.structs.replace(like.loop, name=name)
    deploy = msgspec.structs.replace(like.deploy, endpoint=name)
    project.cycles.save_loop(msgspec.structs.replace(like, loop=loop, deploy=deploy), "bench")
    version = project.registry.register(
        name, key=name, digest=champion.package_digest(), algorithm=champion.algorithm,
        files=champion.files, cycle=champion.cycle, dataset=champion.dataset, actor="bench",
    )  # fmt: skip
    project.registry.set_alias(name, "champion", version.version, "bench", by_rollout=True)
    arms = [Arm(version.version, champion.package_digest())]
    project.endpoints.set_rollout(name, name, arms, "bench")


def traffic(endpoint: str, at: int, rows: int) -> PredictionRecord:
    rng = np.random.default_rng(1)
    return PredictionRecord(
        at=at, request=f"{endpoint}-{at}", endpoint=endpoint, version=1, arm="champion",
        ids=[f"{endpoint}-{at}-{i}" for i in range(rows)], times=[at] * rows,
        columns={f"x{i}": rng.normal(size=rows).tolist() for i in range(3)},
        y=[0] * rows, p=rng.uniform(size=2 * rows).tobytes(), ms=1.0,
    )  # fmt: skip


def watched(folder: Path, loops: int, seconds: float) -> tuple[float, float, float]:
    """Seconds until all were looked at, share of a core at rest, and seconds until a new row of
    the last loop was seen."""
    everloop = str(Path(sys.executable).with_name("everloop"))
    began = time.monotonic()
    with subprocess.Popen(
        [everloop, "control", "--dir", str(folder)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process, Project.open(folder) as project:  # fmt: skip
        try:
            while project.windows.latest(f"loop-{loops - 1}") is None:
                time.sleep(0.5)
            first = time.monotonic() - began
            time.sleep(30)  # what it makes of the first look
            before = processor(process.pid)
            time.sleep(seconds)
            rest = (processor(process.pid) - before) / seconds
            log = SegmentWriter(project.state / "log" / "predictions", "predictions")
            log.append(encode_record(traffic(f"loop-{loops - 1}", 22 * DAY, 1)))
            log.close()
            began = time.monotonic()
            window = project.windows.latest(f"loop-{loops - 1}")
            while project.windows.latest(f"loop-{loops - 1}") == window:
                time.sleep(0.1)
            return first, rest, time.monotonic() - began
        finally:
            process.send_signal(signal.SIGTERM)


def processor(pid: int) -> float:
    process = psutil.Process(pid)
    alive = [process, *process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:4]) for one in alive)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--loops", default="1,1000")
    arguments.add_argument("--seconds", type=float, default=120.0)
    asked = arguments.parse_args()
    table = Table("loops", "first look at all", "of one core at rest", "new row seen", box=None)
    for loops in map(int, asked.loops.split(",")):
        with tempfile.TemporaryDirectory() as name:
            prepare(Path(name), loops)
            first, rest, seen = watched(Path(name), loops, asked.seconds)
        table.add_row(f"{loops:,}", f"{first:.1f} s", f"{rest:.1%}", f"{seen:.1f} s")
    table.add_row("reach", "", "5 % at 1,000", "")
    Console().print(table)


if __name__ == "__main__":
    main()

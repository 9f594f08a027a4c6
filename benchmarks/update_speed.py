"""From an alert to a decision, and to a new version that answers: what everloop adds itself.

Run: python benchmarks/update_speed.py [--rounds 3]

Six days of a changed world, with labels, are sent to `everloop serve`; then `everloop up` begins to
look, and their windows raise alerts. The table shows, by the times that are recorded, how long it
took from the newest of them to the cycle's start, to the decision without the quick challenger's
fit (the probe step less what the fit took), and to the new version answering without what training
and the probe took. The rollout is direct, so that nothing is held.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from everloop.loop.cycles import Cycle
from everloop.loop.loop import load
from everloop.loop.project import Project

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ROWS, COLUMNS = 600, 5  # rows a day
FILE = """
[loop]
name = "speedy"
[data]
source = "data.parquet"
target = "y"
time = "at"
id = "id"
[train]
candidates = ["logistic_regression"]
[evaluate]
metric = "roc_auc"
gates = ["roc_auc beats champion"]
[monitor]
window = "1d"
[update]
method = "retrain"
"""


class Took(NamedTuple):
    """Seconds."""

    start: float
    decision: float
    answering: float
    probe: float
    train: float


def day(number: int, changed: bool) -> pl.DataFrame:
    rng = np.random.default_rng(number)
    X = rng.normal(size=(ROWS, COLUMNS)) + (1.0 if changed else 0.0)
    logit = 2 * X[:, 0] - X[:, 1] if not changed else 2 * X[:, 2] - 2 * X[:, 0]
    y = rng.random(ROWS) < 1 / (1 + np.exp(-logit))
    at = [BEGIN + number * DAY + i * DAY / ROWS for i in range(ROWS)]
    columns: dict[str, Any] = {f"x{i}": X[:, i] for i in range(COLUMNS)}
    ids = [f"{number}-{i}" for i in range(ROWS)]
    return pl.DataFrame(columns).with_columns(
        at=pl.Series(at), id=pl.Series(ids), y=pl.Series(y.astype(int))
    )


@contextmanager
def running(folder: Path, verb: str) -> Iterator[str]:
    """The endpoint's address at the data plane of `everloop serve` or `everloop up`."""
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(str(free.getsockname()[1]))
    everloop = str(Path(sys.executable).with_name("everloop"))
    serving = (
        ["--port", ports[0], "--serve-port", ports[1]] if verb == "up" else ["--port", ports[1]]
    )
    with subprocess.Popen(
        [everloop, verb, "--dir", str(folder), *serving],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        ready = f"http://127.0.0.1:{ports[1]}/ready"
        try:
            while True:
                try:
                    if httpx.get(ready).status_code == 200:
                        break
                except httpx.HTTPError:
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{ports[1]}/endpoints/speedy"
        finally:
            process.terminate()


def send(url: str, frame: pl.DataFrame) -> None:
    """Ask for the rows of a day, and tell their labels."""
    for part in frame.iter_slices(100):
        rows = part.drop("y").with_columns(pl.col("at").dt.to_string("iso:strict")).to_dicts()
        httpx.post(f"{url}/predict", json=rows, timeout=30).raise_for_status()
        labels = part.select("id", label="y").to_dicts()
        httpx.post(f"{url}/feedback", json=labels, timeout=30).raise_for_status()


def measured() -> Took:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "everloop.toml").write_text(FILE)
        pl.concat([day(n, False) for n in range(6)]).write_parquet(folder / "data.parquet")
        load(folder).run()
        with running(folder, "serve") as url:
            for number in range(6, 12):
                send(url, day(number, True))
        with running(folder, "up"), Project.open(folder) as project:
            while (cycle := promoted(project)) is None:
                time.sleep(0.2)
            return times(project, cycle)


def promoted(project: Project) -> Cycle | None:
    """The update that was promoted, when it was."""
    (newest, *_) = project.cycles.page("speedy", limit=1)
    if newest.number == 1 or newest.verdict is None:
        return None
    if newest.verdict != "promoted":
        raise SystemExit(f"the update ended otherwise: {newest.reason}")
    return newest


def times(project: Project, cycle: Cycle) -> Took:
    steps = {step.step: step for step in project.cycles.steps(cycle.id)}
    took = {name: ((s.finished or s.started) - s.started) / 1000 for name, s in steps.items()}
    alerts = project.windows.alerts("speedy", limit=100)
    last = max(alert.at for alert in alerts if alert.at <= cycle.started)
    probe = steps["probe"]
    worth = (probe.result or {}).get("worth") or {}
    fit = float(worth.get("seconds", 0.0))
    decided = ((probe.finished or probe.started) - last) / 1000 - fit
    answering = ((steps["promote"].finished or 0) - last) / 1000 - took["train"] - fit
    return Took((cycle.started - last) / 1000, decided, answering, fit, took["train"])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    rounds = arguments.parse_args().rounds
    found = [measured() for _ in range(rounds)]
    table = Table(
        "round", "alert to cycle", "alert to decision less the fit", "alert to answering less fits",
        "probe's fit", "training", box=None,
    )  # fmt: skip
    for number, took in enumerate(found, 1):
        table.add_row(str(number), *(f"{seconds:.2f} s" for seconds in took))
    middle = [statistics.median(column) for column in zip(*found, strict=True)]
    table.add_row("median", *(f"{seconds:.2f} s" for seconds in middle))
    table.add_row("reach", "", "< 1 s", "< 5 s", "", "")
    Console().print(table)


if __name__ == "__main__":
    main()

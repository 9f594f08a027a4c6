"""Updates under faults: what was promoted, lost, doubled or left unserved.

Run: python benchmarks/update_safety.py [--cycles 1000] [--seed 0] [--out safety.json]

One loop goes round again and again on fresh data while a data plane answers a caller the whole
time. Each cycle meets a fault drawn by the seed:

- none
- kill: the controller is killed with SIGKILL in the middle of a step, and another one goes on
- database: another process holds the database for two seconds in the middle of a step
- bad data: a column that is missing, gone through a unit change or without values, a target of
  one class, or a file that is no table
- bad challenger: the labels of all rows that train are shuffled, those that judge are not
- poisoned: 5 % of all labels are turned

The world turns a little in each cycle, so that an honest new model is better than the old one.
Before and after each cycle the served champion is asked about 4,000 clean rows of the present
world. The report counts bad promotions that stayed (the area under the ROC curve fell by more than
0.02), cycles lost or doubled, versions that no cycle or several made, moments at which registry and
endpoint named different champions, and requests without an answer. How fast a bad canary is taken
back is measured by soak.py.
"""

from __future__ import annotations

import argparse
import collections
import importlib
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import httpx
import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

from everloop.loop.engine import Engine
from everloop.loop.loop import load
from everloop.loop.project import Project
from everloop.loop.steps import MODULES, PLANS

FAULTS = ("none", "kill", "database", "bad data", "bad challenger", "poisoned")
WEIGHTS = (2, 3, 1, 2, 1, 1)
STEPS = ("snapshot", "train", "evaluate", "register", "approve", "deploy", "promote")
BAD_DATA = ("missing column", "unit change", "no values", "one class", "no table")
ROWS, COLUMNS = 2_000, 4
TURN = 0.25  # radians that the world turns in each cycle, so that newer models are better
TOLD = 25  # cycles, after which it says how it stands
FALL = 0.02  # of the area under the ROC curve
FILE = """
[loop]
name = "safe"
[data]
source = "data.parquet"
target = "y"
time = "at"
[train]
candidates = ["logistic_regression"]
[evaluate]
metric = "roc_auc"
gates = ["roc_auc beats champion"]
[update]
method = "retrain"
"""


# -- the data --------------------------------------------------------------------------------------


def sample(rows: int, cycle: int, seed: int) -> pl.DataFrame:
    """Rows of the world as it is in a cycle."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, COLUMNS))
    angle = TURN * cycle
    logit = 2 * np.cos(angle) * X[:, 0] + 2 * np.sin(angle) * X[:, 1] + 0.5 * X[:, 2]
    y = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(int)
    at = pl.Series(np.arange(rows) * 60_000).cast(pl.Datetime("ms"))
    columns = {f"x{i}": X[:, i] for i in range(COLUMNS)}
    return pl.DataFrame(columns).with_columns(at=at, y=pl.Series(y))


def faulty(frame: pl.DataFrame, fault: str, dice: random.Random) -> pl.DataFrame | None:
    """What the source holds in a cycle; None for a file that is no table."""
    y = frame["y"].to_numpy().copy()
    rng = np.random.default_rng(dice.randrange(2**32))
    if fault == "bad challenger":
        train = round(len(y) * 0.8)
        y[:train] = rng.permutation(y[:train])
    if fault == "poisoned":
        turned = rng.choice(len(y), len(y) // 20, replace=False)
        y[turned] = 1 - y[turned]
    frame = frame.with_columns(y=pl.Series(y))
    if fault != "bad data":
        return frame
    kind = dice.choice(BAD_DATA)
    bad = {
        "missing column": lambda: frame.drop("x0"),
        "unit change": lambda: frame.with_columns(x0=pl.col("x0") * 1000),
        "no values": lambda: frame.with_columns(x0=pl.lit(None, pl.Float64)),
        "one class": lambda: frame.with_columns(y=pl.lit(1)),
        "no table": lambda: None,
    }
    return bad[kind]()


# -- the controller, in a process of its own -------------------------------------------------------


def spare(folder: Path) -> None:
    """Begins a controller for each line of the standard input that finds none alive.

    It has imported what a controller needs, so that one that was killed is replaced at once, and a
    thousand cycles cost no thousand imports.
    """
    for name in PLANS["run"]:
        importlib.import_module(MODULES[name])
    for _ in iter(sys.stdin.readline, ""):
        child = os.fork()
        if not child:
            try:
                controller(folder)
            except Exception as error:
                print(json.dumps({"died": f"{type(error).__name__}: {error}"}), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print("\n" + json.dumps({"gone": True}), flush=True)  # after what it did not say to its end


def controller(folder: Path) -> None:
    """Carries on what is under way; then a cycle for each line of the standard input."""

    def say(**facts: Any) -> None:
        print(json.dumps(facts), flush=True)

    def report(stage: str, facts: dict[str, Any]) -> None:
        if stage == "step":
            say(step=facts["step"], state=facts["state"])

    loop = load(folder)
    engine = Engine(loop.project, "inline")
    engine.launch(report)
    for cycle in loop.project.cycles.unfinished():
        say(verdict=engine.wait(cycle.id).verdict)
    say(ready=True, pid=os.getpid())
    for _ in iter(sys.stdin.readline, ""):
        cycle = loop.run(wait=False)
        say(verdict=engine.wait(cycle.id).verdict)
    engine.close()


class Controller:
    """That process, as the benchmark sees it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.verdict: str | None = None  # of a cycle that it carried on when it began
        self.deaths: list[str] = []  # of what it died without having been killed
        command = [sys.executable, __file__, "--controller", str(self.folder)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True,
        )  # fmt: skip
        self.start()

    def start(self) -> None:
        self.ask("start")
        for said in self.lines():
            self.verdict = said.get("verdict", self.verdict)
            if "died" in said:
                self.deaths.append(said["died"])
                self.ask("start")
            if "ready" in said:
                self.pid = int(said["pid"])
                return
        raise SystemExit("no controller began")

    def ask(self, what: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()

    def lines(self) -> Iterator[dict[str, Any]]:
        out: IO[str] | None = self.process.stdout
        assert out is not None
        for line in out:
            with suppress(ValueError):  # what a killed one was about to say
                if line.strip():
                    yield json.loads(line)

    def cycle(self, fault: str, step: str, wait: float) -> str | None:
        """The verdict of one cycle; ``fault`` strikes ``wait`` seconds after ``step`` began."""
        self.ask("run")
        struck = False
        for said in self.lines():
            if "verdict" in said:
                return str(said["verdict"])
            if "died" in said:
                self.deaths.append(said["died"])
                self.verdict = None
                self.start()
                return self.verdict
            if fault not in ("kill", "database") or struck or said.get("step") != step:
                continue
            struck = True
            time.sleep(wait)
            if fault == "database":
                threading.Thread(target=hold_database, args=[self.folder]).start()
                continue
            os.kill(self.pid, signal.SIGKILL)
            self.verdict = None
            for last in self.lines():  # one that is still there may read what is asked next
                self.verdict = last.get("verdict", self.verdict)
                if "gone" in last:
                    break
            self.start()
            return self.verdict
        return None

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def hold_database(folder: Path) -> None:
    with sqlite3.connect(folder / ".everloop" / "everloop.db", timeout=30) as held:
        held.isolation_level = None
        held.execute("BEGIN EXCLUSIVE")
        time.sleep(2)
        held.execute("ROLLBACK")


# -- the caller ------------------------------------------------------------------------------------


class Caller(threading.Thread):
    """Asks for a prediction twenty times a second, and counts what is not answered."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.asked, self.unanswered = url, 0, 0
        self.ended = threading.Event()

    def run(self) -> None:
        row = {f"x{i}": 0.5 for i in range(COLUMNS)}
        with httpx.Client(timeout=10) as client:
            while not self.ended.wait(0.05):
                self.asked += 1
                try:
                    self.unanswered += client.post(self.url, json=[row]).status_code != 200
                except httpx.HTTPError:
                    self.unanswered += 1


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a data plane on the folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    everloop = str(Path(sys.executable).with_name("everloop"))
    command = [everloop, "serve", "--dir", str(folder), "--port", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
    ) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            while True:
                try:
                    if httpx.get(f"{url}/ready").status_code == 200:
                        break
                except httpx.HTTPError:
                    time.sleep(0.1)
            yield f"{url}/endpoints/safe/predict"
        finally:
            process.terminate()


def auc(url: str, truth: pl.DataFrame) -> float:
    """Of what is served now, over clean rows."""
    rows = truth.drop("y", "at").to_dict(as_series=False)
    answer = (
        httpx.post(f"{url}?include=probabilities", json=rows, timeout=30).raise_for_status().json()
    )
    shares = np.array(answer["probabilities"])
    return float(roc_auc_score(truth["y"].to_numpy(), shares[:, 1]))


# -- the run ---------------------------------------------------------------------------------------


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cycles", type=int, default=1000)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--out", type=Path)
    arguments.add_argument("--controller", type=Path, help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.controller is not None:
        spare(asked.controller)
        return
    with tempfile.TemporaryDirectory() as name:
        found = run(Path(name), asked.cycles, asked.seed)
    show(found, asked.cycles, asked.seed)
    if asked.out is not None:
        asked.out.write_text(json.dumps(found, indent=1))


def run(folder: Path, cycles: int, seed: int) -> dict[str, Any]:
    dice = random.Random(seed)
    (folder / "everloop.toml").write_text(FILE)
    sample(ROWS, 0, seed).write_parquet(folder / "data.parquet")
    load(folder).run()
    verdicts: dict[str, collections.Counter[str]] = {f: collections.Counter() for f in FAULTS}
    bad: list[dict[str, Any]] = []
    apart, began = 0, time.monotonic()
    with served(folder) as url:
        caller, worker = Caller(url), Controller(folder)
        caller.start()
        for number in range(1, cycles + 1):
            fault = dice.choices(FAULTS, WEIGHTS)[0]
            frame = faulty(sample(ROWS, number, seed + number), fault, dice)
            write(folder / "data.parquet", frame)
            truth = sample(4_000, number, seed + number + 10**6)
            before = auc(url, truth)
            verdict = worker.cycle(fault, dice.choice(STEPS), dice.random() * 0.2)
            verdicts[fault][str(verdict)] += 1
            apart += not agree(folder)
            after = auc(url, truth)
            if after < before - FALL:
                bad.append({"cycle": number, "fault": fault, "before": before, "after": after})
                print("bad:", bad[-1], flush=True)
            if number % TOLD == 0:
                so_far = collections.Counter(v for f in verdicts.values() for v in f.elements())
                print(
                    f"{time.monotonic() - began:.0f} s, cycle {number}: {dict(so_far)}, {len(bad)} "
                    f"bad, {apart} apart, {caller.unanswered} of {caller.asked} unanswered",
                    flush=True,
                )
        caller.ended.set()
        caller.join()
        worker.end()
    counts = {fault: dict(found) for fault, found in verdicts.items()}
    return {
        "verdicts": counts, "bad promotions that stayed": bad, "asked": caller.asked,
        "requests without an answer": caller.unanswered,
        "controllers that died by themselves": worker.deaths,
        "registry and endpoint apart": apart, **books(folder, cycles),
    }  # fmt: skip


def write(path: Path, frame: pl.DataFrame | None) -> None:
    if frame is None:
        path.write_bytes(b"this is no table")
    else:
        frame.write_parquet(path)


def agree(folder: Path) -> bool:
    """Whether the endpoint's champion is the registry's."""
    with Project.open(folder) as project:
        arms = project.endpoints.get("safe").arms
        named = project.registry.alias("safe", "champion")
        return [arm.version for arm in arms if arm.role == "champion"] == [named]


def books(folder: Path, cycles: int) -> dict[str, int]:
    """Cycles lost and doubled, and versions without exactly one cycle, by what is recorded."""
    with Project.open(folder) as project:
        known = list(newest_first(lambda n: project.cycles.page("safe", before=n, limit=200)))
        unfinished = sum(cycle.finished is None for cycle in known)
        versions = newest_first(lambda n: project.registry.versions("safe", before=n))
        made = collections.Counter(v.cycle for v in versions)
        registered = [c.id for c in known if done(project, c.id, "register")]
        ends: collections.Counter[str] = collections.Counter()
        after = 0
        while events := project.events.page(after, 1000, "loop/safe"):
            after = events[-1].seq
            ends.update(e.payload["cycle"] for e in events if e.kind == "cycle.finished")
    wanted = cycles + 1  # the first one made the champion
    return {
        "cycles lost": max(0, wanted - len(known)) + unfinished,
        "cycles doubled": max(0, len(known) - wanted) + sum(n > 1 for n in ends.values()),
        "versions without one cycle": sum(made[c] != 1 for c in registered)
        + len(made.keys() - set(registered)),
    }


def newest_first(page: Callable[[int | None], list[Any]]) -> Iterator[Any]:
    """All cycles, or all versions, by pages."""
    before: int | None = None
    while found := page(before):
        yield from found
        before = getattr(found[-1], "number", None) or found[-1].version


def done(project: Project, cycle: str, step: str) -> bool:
    found = project.cycles.step(cycle, step)
    return found is not None and found.state == "done" and "version" in (found.result or {})


def show(found: dict[str, Any], cycles: int, seed: int) -> None:
    table = Table("fault", "cycles", "verdicts", box=None)
    for fault, verdicts in found["verdicts"].items():
        said = ", ".join(f"{n} {verdict}" for verdict, n in sorted(verdicts.items()))
        table.add_row(fault, str(sum(verdicts.values())), said)
    console = Console(highlight=False)
    console.print(f"{cycles} cycles, seed {seed}")
    console.print(table)
    table = Table("what must not happen", "times", box=None)
    table.add_row("bad promotions that stayed", str(len(found["bad promotions that stayed"])))
    for name in (
        "cycles lost", "cycles doubled", "versions without one cycle",
        "registry and endpoint apart",
    ):  # fmt: skip
        table.add_row(name, str(found[name]))
    died = found["controllers that died by themselves"]
    table.add_row("controllers that died by themselves", f"{len(died)} {'; '.join(set(died))}")
    table.add_row(
        f"requests without an answer, of {found['asked']:,}",
        str(found["requests without an answer"]),
    )
    console.print(table)


if __name__ == "__main__":
    main()

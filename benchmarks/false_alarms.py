"""How often drift is told where there is none, and how soon where there is; peers beside it.

Run: python benchmarks/false_alarms.py [--seeds 3] [--windows 200] [--peer-seeds 1]
    [--only e_detector,nannyml] [--keep FILE]
The whole table (20 features, 200 windows of 1,000 rows, 50 seeds; several hours):
python benchmarks/false_alarms.py --seeds 50 --peer-seeds 5 --keep runs.jsonl
What is done is in the file of --keep: the same command goes on from there when it was cut off.

The tables are those of benchmarks/peers/drifting.py: a reference of 10,000 rows, then windows. In
the quiet case nothing moves, and each alarm is false. In the others three of twenty features change
at the first window; the delay is the window that first tells a feature which changed (1 at best),
"never" when none of forty did. everloop runs as it does behind an endpoint (``inspect``), by
default and with its other controls. Evidently and NannyML run with their defaults in environments
of their own below the user's cache folder; since their alarms are false nearly always, they stand
here also with the threshold on their own score, over all features, that is passed in 1 of 2,000
quiet windows (or in none, where fewer were run).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from everloop.data.schema import Feature, Schema
from everloop.extensions import controls
from everloop.monitor.inputs import Chain, inspect
from everloop.monitor.likeness import Likeness
from everloop.monitor.profile import profile
from everloop.monitor.spec import MonitorSpec

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from drifting import CASES, CATEGORIES, FEATURES, LEVELS, NUMBERS, table
from environments import EVIDENTLY, NANNYML, python_of

PEERS = {
    "evidently": EVIDENTLY,
    "nannyml": NANNYML,
}
LONGEST = 40  # windows that a change is given
LOUD = 5  # run length at which the bets were still as quiet here as peers are made
OURS = {name: MonitorSpec(control=name, quality=False) for name in controls.names()}
OURS["e_detector_loud"] = MonitorSpec(run_length=LOUD, quality=False)
SIDES = [*OURS, *PEERS]
Asked = tuple[str, int, int]  # case, seed, windows
RATE = 1 / 2_000  # false alarms a window, at which sides are compared
TOGETHER = "(correlation)"

SCHEMA = Schema(
    features=(
        *(Feature(name, "number") for name in NUMBERS),
        *(Feature(name, "category", tuple(LEVELS.tolist())) for name in CATEGORIES),
    ),
    target="y",
    task="regression",
)
console = Console(width=150)


class Run(NamedTuple):
    """One case and seed of one side: which features were told in each window."""

    case: str
    seed: int
    told: list[list[str]]

    @property
    def delay(self) -> int:
        """The first window that tells a feature which changed."""
        guilty = {*CASES[self.case], *([TOGETHER] if "correlation" in self.case else [])}
        for at, names in enumerate(self.told, 1):
            if guilty & set(names):
                return at
        return LONGEST + 1

    @property
    def innocent(self) -> bool:
        """Whether a feature that did not change was told by then."""
        guilty = {*CASES[self.case], TOGETHER}
        return any(set(names) - guilty for names in self.told[: self.delay])


def by_everloop(
    spec: MonitorSpec, case: str, seed: int, windows: int, rows: int, reference: int
) -> Run:
    """The windows one after the other, each from where the last one left."""
    training = pl.DataFrame(table(case, seed, 0, reference))
    known = profile(training, SCHEMA)
    chain, told = Chain(), []
    for at in range(1, windows + 1):
        frame = pl.DataFrame(table(case, seed, at, rows)).with_columns(
            y=pl.lit(None, dtype=pl.Float64), p=pl.lit(None, dtype=pl.List(pl.Float64))
        )
        like = Likeness(known, training)
        found = inspect("e", at, frame, SCHEMA, known, spec, chain, lambda: None, like)
        chain = msgspec.convert(found.checks["chain"], Chain)
        features = [n for n, drift in found.checks["drift"].items() if drift["drifted"]]
        inside = found.checks.get("segments", {}).values()
        told.append(features + [part["feature"] for part in inside if part["drifted"]])
        if case != "quiet" and Run(case, seed, told).delay <= at:
            break
    return Run(case, seed, told)


class Scored(NamedTuple):
    """One case and seed of a peer: windows by features."""

    case: str
    seed: int
    score: np.ndarray
    alarm: np.ndarray

    def run(self, above: np.ndarray | None = None) -> Run:
        """What it tells by its defaults, or of scores ``above`` a threshold by feature."""
        hit = self.alarm if above is None else self.score > above
        return Run(
            self.case, self.seed, [[FEATURES[i] for i in np.flatnonzero(row)] for row in hit]
        )


class Kept:
    """Runs that are done, in a file of JSON lines where one is named: a later start goes on."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.said: dict[str, Any] = {}
        if path is None or not path.exists():
            return
        whole = [line for line in path.read_text().splitlines(keepends=True) if line[-1] == "\n"]
        path.write_text("".join(whole))  # without a line that was cut off
        for line in whole:
            key, said = json.loads(line)
            self.said[key] = said

    def key(self, given: argparse.Namespace, side: str, asked: Asked) -> str:
        return json.dumps([side, *asked, given.rows, given.reference])

    def add(self, key: str, said: Any) -> None:
        self.said[key] = said
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps([key, said]) + "\n")


def by_peer(peer: str, runs: list[Asked], rows: int, reference: int) -> list[Scored]:
    """The peer over the same tables."""
    script = Path(__file__).parent / "peers" / "drift_defaults.py"
    asked = json.dumps({"runs": runs, "rows": rows, "reference": reference})
    # NannyML reports its use, and Evidently too, unless they are told not to.
    env = os.environ | {"NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.npz"
        command = [str(python_of(peer, PEERS[peer])), str(script), peer, asked, str(out)]
        subprocess.run(command, check=True, env=env, stderr=subprocess.DEVNULL)
        found = np.load(out)
        return [
            Scored(case, seed, found[f"score{i}"], found[f"alarm{i}"])
            for i, (case, seed, _) in enumerate(runs)
        ]


def thresholds(quiet: list[Scored]) -> np.ndarray:
    """By feature, so that the quiet windows pass any of them at :data:`RATE` at most.

    Scores of features differ in scale, so each is measured by its own quiet windows' spread.
    """
    scores = np.vstack([run.score for run in quiet])
    middle, spread = scores.mean(axis=0), np.maximum(scores.std(axis=0), 1e-12)
    worst = np.sort(((scores - middle) / spread).max(axis=1))[::-1]
    allowed = int(len(worst) * RATE)
    return middle + spread * worst[allowed]


def summary(runs: list[Run], windows: int) -> dict[str, Any]:
    """Of the quiet case how many alarms, of the others how late."""
    quiet = [run for run in runs if run.case == "quiet"]
    alarms = [sum(map(bool, run.told)) for run in quiet]
    found: dict[str, Any] = {
        "alarms": float(np.mean(alarms)) * 200 / windows,
        "runs": float(np.mean([count > 0 for count in alarms])),
        "seeds": len(quiet),
        "innocent": float(np.mean([run.innocent for run in runs if run.case != "quiet"])),
    }
    for case in CASES:
        delays = [run.delay for run in runs if run.case == case]
        if case != "quiet" and delays:
            found[case] = float(np.median(delays))
    return found


def show(found: dict[str, dict[str, Any]]) -> None:
    """The two tables: false alarms, and windows until found."""
    names = [case for case in CASES if case != "quiet"]
    shown = Table(title="False alarms, and windows until found (median)", title_justify="left")
    shown.add_column("side")
    heads = ("false alarms in 200 windows", "runs with any", "seeds", "wrong feature told", *names)
    for head in heads:
        shown.add_column(head, justify="right")
    for side, said in found.items():
        delays = [said.get(case) for case in names]
        told = ["never" if d is not None and d > LONGEST else f"{d:g}" if d else "" for d in delays]
        first = (f"{said['alarms']:.2f}", f"{said['runs']:.0%}", str(said["seeds"]))
        shown.add_row(side, *first, f"{said['innocent']:.0%}", *told)
    console.print(shown)


def cases(given: argparse.Namespace, seeds: int) -> list[Asked]:
    """Every case with every seed."""
    return [
        (case, seed, given.windows if case == "quiet" else given.patience)
        for case in CASES
        for seed in range(seeds)
    ]


def runs_of_ours(given: argparse.Namespace, name: str, kept: Kept) -> list[Run]:
    """What everloop says with one of its controls; tells how long a window took."""
    done, looked, spent = [], 0, 0.0
    for case, seed, windows in cases(given, given.seeds):
        key = kept.key(given, name, (case, seed, windows))
        told = kept.said.get(key)
        if told is None:
            began = time.process_time()
            told = by_everloop(OURS[name], case, seed, windows, given.rows, given.reference).told
            looked, spent = looked + len(told), spent + time.process_time() - began
            kept.add(key, told)
        done.append(Run(case, seed, told))
    if looked:
        console.print(f"{name}: {looked:,} windows, {spent / looked * 1000:.0f} ms of CPU each")
    return done


def runs_of_peer(given: argparse.Namespace, peer: str, kept: Kept) -> list[Scored]:
    """What a peer says; what is missing is asked a case at a time."""
    asked = cases(given, given.peer_seeds)
    for case in CASES:
        missing = [
            one for one in asked if one[0] == case and kept.key(given, peer, one) not in kept.said
        ]
        found = by_peer(peer, missing, given.rows, given.reference) if missing else []
        for one, said in zip(missing, found, strict=True):
            kept.add(kept.key(given, peer, one), [said.score.tolist(), said.alarm.tolist()])
    done = []
    for one in asked:
        score, alarm = kept.said[kept.key(given, peer, one)]
        done.append(Scored(one[0], one[1], np.array(score), np.array(alarm)))
    return done


def measure(given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Every side, shown as it is known."""
    found: dict[str, dict[str, Any]] = {}
    kept = Kept(given.keep)
    wanted = set(given.only.split(",")) if given.only else set(SIDES)
    for name in [name for name in OURS if name in wanted]:
        found[f"everloop {name}"] = summary(runs_of_ours(given, name, kept), given.windows)
    for peer in [name for name in PEERS if name in wanted]:
        scored = runs_of_peer(given, peer, kept)
        found[f"{peer}, its defaults"] = summary([one.run() for one in scored], given.windows)
        above = thresholds([one for one in scored if one.case == "quiet"])
        found[f"{peer}, as quiet as everloop"] = summary(
            [one.run(above) for one in scored], given.windows
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="runs of everloop")
    parser.add_argument("--peer-seeds", type=int, default=1, help="runs of each peer")
    parser.add_argument("--windows", type=int, default=200, help="quiet windows a run")
    parser.add_argument("--rows", type=int, default=1_000, help="rows a window")
    parser.add_argument("--reference", type=int, default=10_000, help="rows of the reference")
    parser.add_argument("--patience", type=int, default=LONGEST, help="windows a change is given")
    parser.add_argument("--only", default="", help=f"sides, of {', '.join(SIDES)}")
    parser.add_argument("--keep", type=Path, help="a file that runs are kept in and go on from")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    show(measure(given))
    console.print(
        f"{len(FEATURES)} features, {given.rows:,} rows a window, load {load:.1f} at the start. "
        "Reach: at most 1 false alarm in 2,000 windows, 0.3 sd found in 1 window, 0.1 sd in 7."
    )


if __name__ == "__main__":
    main()

"""How often drift is told where there is none, and how soon where there is; peers beside it.

Run: python benchmarks/false_alarms.py [--seeds 3] [--windows 200] [--peer-seeds 1]
    [--only e_detector,nannyml]
The whole table (20 features, 200 windows of 1,000 rows, 50 seeds; several hours):
python benchmarks/false_alarms.py --seeds 50 --peer-seeds 5

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
from collections.abc import Callable
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


def by_peer(peer: str, runs: list[tuple[str, int, int]], rows: int, reference: int) -> list[Scored]:
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


def measure(given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Every side, shown as it is known."""
    found: dict[str, dict[str, Any]] = {}

    def cases(seeds: int, run: Callable[[str, int, int], Any]) -> list[Any]:
        done = []
        for case in CASES:
            for seed in range(seeds):
                done.append(run(case, seed, given.windows if case == "quiet" else given.patience))
        return done

    wanted = set(given.only.split(",")) if given.only else set(SIDES)
    for name, spec in OURS.items():
        if name not in wanted:
            continue
        began = time.perf_counter()
        runs = cases(
            given.seeds,
            lambda case, seed, windows, spec=spec: by_everloop(
                spec, case, seed, windows, given.rows, given.reference
            ),
        )
        looked = sum(len(run.told) for run in runs)
        spent = time.perf_counter() - began
        found[f"everloop {name}"] = summary(runs, given.windows)
        console.print(f"{name}: {looked:,} windows, {spent / looked * 1000:.0f} ms each")
    for peer in [name for name in PEERS if name in wanted]:
        asked = cases(given.peer_seeds, lambda case, seed, windows: (case, seed, windows))
        scored = by_peer(peer, asked, given.rows, given.reference)
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
    given = parser.parse_args()
    load = os.getloadavg()[0]
    show(measure(given))
    console.print(
        f"{len(FEATURES)} features, {given.rows:,} rows a window, load {load:.1f} at the start. "
        "Reach: at most 1 false alarm in 2,000 windows, 0.3 sd found in 1 window, 0.1 sd in 7."
    )


if __name__ == "__main__":
    main()

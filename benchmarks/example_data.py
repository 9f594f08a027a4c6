"""NannyML's and Evidently's own example data through el.compare, beside what they say themselves.

Run: python benchmarks/example_data.py [--json]
(some 40 seconds; both peers are installed at the first run.)

The tables come out of the peers' wheels: those that NannyML's guides use, and the flowers of
Evidently's first steps (scikit-learn's iris). Each peer runs with its defaults in an environment of
its own and is told to send nothing: NannyML's Jensen-Shannon distance in ten chunks of either side,
Evidently's DataDriftPreset. everloop sees the same two tables once.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl
from rich.console import Console
from rich.table import Table

import everloop as el

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from environments import EVIDENTLY, NANNYML, python_of

PEERS = {"nannyml": NANNYML, "evidently": EVIDENTLY}  # in this order: the first brings the tables
console = Console(width=140)


class Said(NamedTuple):
    """One side's word on a column."""

    drifted: bool
    found: str


Answers = dict[tuple[str, str], Said]


def by_peer(peer: str, folder: Path) -> Answers:
    """What the peer says, by table and column."""
    script = Path(__file__).parent / "peers" / "example_answers.py"
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    quiet = kept | {"NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
    command = [str(python_of(peer, PEERS[peer])), str(script), peer, str(folder)]
    done = subprocess.run(command, env=quiet, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        console.print(f"{peer} failed: {done.stderr.strip().splitlines()[-1:]}")
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    return {(table, column): Said(drifted, found) for table, column, drifted, found in lines}


def ours(folder: Path) -> Answers:
    """The same by everloop's one line."""
    found: Answers = {}
    for before in sorted(folder.glob("*.before.parquet")):
        table = before.name.split(".")[0]
        sides = [pl.read_parquet(before), pl.read_parquet(folder / f"{table}.now.parquet")]
        for change in el.compare(*sides).columns:
            drifted = change.verdict in ("small drift", "drift", "broken")
            found[table, change.name] = Said(drifted, f"{change.verdict}: {change.summary}")
    return found


def rows(everloop: Answers, peers: dict[str, Answers]) -> Iterator[tuple[str, ...]]:
    for (table, column), said in sorted(everloop.items()):
        beside = [answers.get((table, column)) for answers in peers.values()]
        words = [
            "" if o is None else f"{'drift' if o.drifted else '–'} ({o.found})" for o in beside
        ]
        yield table, column, said.found, *words


def agreement(everloop: Answers, other: Answers) -> str:
    both = [key for key in everloop if key in other]
    same = sum(everloop[key].drifted == other[key].drifted for key in both)
    return f"{same} of {len(both)} columns"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="print the answers as JSON")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        peers = {peer: by_peer(peer, Path(name)) for peer in PEERS}
        everloop = ours(Path(name))
    if asked.json:
        print(json.dumps(list(rows(everloop, peers))))
        return
    out = Table(title="the peers' own example data")
    for head in ("table", "column", "everloop", *peers):
        out.add_column(head)
    for row in rows(everloop, peers):
        out.add_row(*row)
    console.print(out)
    for peer, answers in peers.items():
        console.print(f"everloop and {peer} say the same of {agreement(everloop, answers)}")
    console.print(f"nannyml and evidently: {agreement(peers['nannyml'], peers['evidently'])}")


if __name__ == "__main__":
    main()

"""What updating is worth: predict a window, then labels come, then each strategy may learn.

Run: python benchmarks/prequential.py [--streams seen,unseen or names] [--strategies …]
    [--delay 1,7,30] [--labels 1,0.1] [--thin 1] [--seed 0] [--out FOLDER]

``seen`` are the streams that were looked at when the pool's configuration was chosen, ``unseen``
those that were not (``streaming/unseen.py``). The whole is hours of full fits; ``--thin 6`` scores
every sixth window, the same for all, and "full fit every window" then fits for those alone: its CPU
is that times six. Alarms are obeyed before the next scored window. A strategy's result of a stream
is kept in the folder of ``--out``, so a run that was stopped goes on, and a table is made again in
no time.

All fits are LightGBM's with everloop's defaults on all rows whose labels are known; where a number
stands behind a plus, so many more were made on some of the newest rows. Those of "river" are its
learners as everloop trains them, one step an event from the first window on. "periodic" fits as
often on all rows as the pool did. The pool is the code of update method "pool", one configuration
for all streams. Fits are counted after the first; CPU is that of learning, on one core. The
interval is of the difference to "full fit every window", 95 %, by a bootstrap over blocks of five
windows.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))
from streaming.scores import Options, difference, run, summary
from streaming.strategies import STRATEGIES, Periodic
from streaming.streams import SEEN, STREAMS, Stream, stream
from streaming.unseen import UNSEEN

POOL, EVERY = "everloop pool", "full fit every window"
console = Console(width=140)


def main() -> None:
    asked = _arguments()
    for name in asked.streams:
        found = stream(name, asked.out / "streams")
        for options in _options(asked):
            results = {s: _result(found, s, options, asked) for s in _order(asked)}
            console.print(_table(found, options, results))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--streams", default="seen,unseen")
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    parser.add_argument("--delay", default="1")
    parser.add_argument("--labels", default="1")
    parser.add_argument("--thin", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "prequential")
    asked = parser.parse_args()
    groups = {"seen": SEEN, "unseen": UNSEEN}
    asked.streams = [n for one in asked.streams.split(",") for n in groups.get(one, [one])]
    for given, known in ((asked.streams, STREAMS), (asked.strategies.split(","), STRATEGIES)):
        unknown = set(given) - set(known)
        if unknown:
            parser.error(f"{sorted(unknown)}: expected some of {', '.join(known)}.")
    return asked


def _options(asked: argparse.Namespace) -> Iterator[Options]:
    for delay in asked.delay.split(","):
        for labels in asked.labels.split(","):
            yield Options(int(delay), float(labels), asked.thin, asked.seed)


def _order(asked: argparse.Namespace) -> list[str]:
    """As in the list, but the pool before those that fit as often."""
    named = asked.strategies.split(",")
    return sorted(named, key=lambda name: (name != POOL, list(STRATEGIES).index(name)))


def _result(
    found: Stream, name: str, options: Options, asked: argparse.Namespace
) -> dict[str, Any]:
    place = "-".join(f"{k}{v}" for k, v in asdict(options).items())
    path = asked.out / place / found.name / f"{name.replace(' ', '_')}.json"
    if path.exists():
        kept: dict[str, Any] = json.loads(path.read_bytes())
        return kept
    strategy = STRATEGIES[name](found.schema, options.seed, options.delay)
    if isinstance(strategy, Periodic):
        fits = _result(found, POOL, options, asked)["fits"]
        strategy.every = (len(found.spans) - found.first) // (fits + 1) if fits else 0
    result = run(found, strategy, options)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(result))
    fresh.replace(path)
    return result


def _table(found: Stream, options: Options, results: dict[str, dict[str, Any]]) -> Table:
    late = f"labels {options.delay} window{'s' * (options.delay > 1)} late"
    share = "" if options.labels == 1 else f", {options.labels:.0%} of them"
    thin = "" if options.thin == 1 else f", 1 window in {options.thin} scored"
    table = Table(title=f"{found.name}: {late}{share}{thin}", title_justify="left")
    table.add_column("strategy")
    for column in (
        "accuracy",
        "log loss",
        "AUC",
        "fits",
        "CPU s",
        "accuracy gained",
        "loss gained",
    ):
        table.add_column(column, justify="right")
    for name in [name for name in STRATEGIES if name in results]:
        result = results[name]
        accuracy, loss = summary(result)
        cells = [f"{accuracy:.4f}", f"{loss:.4f}", f"{result['auc']:.4f}", _fits(result)]
        cells.append(f"{result['cpu']:.1f}")
        if EVERY in results and name != EVERY:
            ends = difference(result, results[EVERY], options.thin)
            cells += [f"{low:+.4f} … {high:+.4f}" for low, high in ends]
        table.add_row(name, *cells)
    return table


def _fits(result: dict[str, Any]) -> str:
    fresh = result.get("fresh", 0)
    return f"{result['fits']} + {fresh}" if fresh else str(result["fits"])


if __name__ == "__main__":
    main()

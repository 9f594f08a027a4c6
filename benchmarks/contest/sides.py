"""Those who are compared: single defaults of the libraries, everloop and FLAML."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn import ensemble, linear_model, neighbors, svm
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from everloop.loop.loop import Loop, loop_of
from everloop.loop.project import Project

FEW = 5_000  # rows above which a kernel machine is no single default that anybody waits for
WANTED = ["flaml[automl]", "lightgbm", "scikit-learn", "xgboost-cpu"]

FLAML = """
import sys
import numpy as np, pandas as pd
from flaml import AutoML
folder, task, seconds, words = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4:]
kinds = {name: "category" for name in words}
train, test = (pd.read_csv(f"{folder}/{name}.csv", dtype=kinds) for name in ("train", "test"))
automl = AutoML()
metric = {"binary": "roc_auc", "classification": "accuracy", "regression": "r2"}[task]
kind = "regression" if task == "regression" else "classification"
automl.fit(train.drop(columns="target"), train["target"], task=kind, time_budget=seconds, seed=0,
           verbose=0, metric=metric, n_jobs=-1)
found = automl.predict_proba(test)[:, 1] if task == "binary" else automl.predict(test)
np.save(f"{folder}/flaml.npy", found)
"""


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
    slow = len(X) > FEW
    if task != "regression":
        return {
            "logistic": prepared(X, linear_model.LogisticRegression(), scaled=True),
            "forest": prepared(X, ensemble.RandomForestClassifier(random_state=0)),
            "extra trees": prepared(X, ensemble.ExtraTreesClassifier(random_state=0)),
            "hist boosting": prepared(X, ensemble.HistGradientBoostingClassifier(random_state=0)),
            "knn": prepared(X, neighbors.KNeighborsClassifier(), scaled=True),
            **({} if slow else {"svm": prepared(X, svm.SVC(), scaled=True)}),
            "lightgbm": prepared(X, LGBMClassifier(verbose=-1, random_state=0)),
        }
    return {
        "ridge": prepared(X, linear_model.Ridge(), scaled=True),
        "forest": prepared(X, ensemble.RandomForestRegressor(random_state=0)),
        "extra trees": prepared(X, ensemble.ExtraTreesRegressor(random_state=0)),
        "hist boosting": prepared(X, ensemble.HistGradientBoostingRegressor(random_state=0)),
        "knn": prepared(X, neighbors.KNeighborsRegressor(), scaled=True),
        **({} if slow else {"svm": prepared(X, svm.SVR(), scaled=True)}),
        "lightgbm": prepared(X, LGBMRegressor(verbose=-1, random_state=0)),
    }


def answered(task: str, model: object, X: pl.DataFrame) -> np.ndarray:
    """What a fitted single model says: of two classes the score of the second, else its answer."""
    if task != "binary":
        return np.asarray(model.predict(X))  # type: ignore[attr-defined]
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(X)[:, 1])
    return np.asarray(model.decision_function(X))  # type: ignore[attr-defined]


def by_everloop(
    task: str, X: pl.DataFrame, y: np.ndarray, test: pl.DataFrame, seconds: float
) -> tuple[np.ndarray, str]:
    """What `everloop train data.parquet --budget` makes of it: answers, the model's kind.

    It is told a metric where it may choose by another: accuracy, which two classes may be judged
    by. Raises RuntimeError with what the command wrote when it registers nothing.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        X.with_columns(target=pl.Series(y)).write_parquet(folder / "data.parquet")
        told = ["--target", "target", "--budget", f"{seconds:.0f}s", "--json"]
        told += ["--metric", "accuracy"] if task == "classification" else []
        command = [str(Path(sys.executable).with_name("everloop")), "train", "data.parquet", *told]
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise RuntimeError(f"everloop train ended with {ran.returncode}: {ran.stderr}")
        with Project.open(folder) as project:
            loop = loop_of(project)
            version, answers = loop.version(), loop.predict(test)
            cycle = json.loads(ran.stdout)["cycle"]["id"]
            said = answers["y_pred"].to_numpy()
            if task == "binary":
                sure = answers["probability"].to_numpy()  # of the class that is answered
                said = np.where(said == 1, sure, 1 - sure)
            return said, told_of(loop, cycle, str(version.algorithm))


def told_of(loop: Loop, cycle: str, algorithm: str) -> str:
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

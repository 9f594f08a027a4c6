"""One model in each side's form, and rows to ask it for."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

FEATURES = 20
NAMES = [f"x{i}" for i in range(FEATURES)]
NAME = "bench"
COMMAND = [sys.executable, "-c", "from everloop.cli import main; main()"]


def prepare(folder: Path, kind: str, mlflow: bool) -> None:
    """A ``logistic`` regression or a ``forest``; everloop's goes through its own training."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, FEATURES))
    y = (X @ rng.normal(size=FEATURES) + rng.normal(size=2000) > 0).astype(int)
    folder.mkdir()
    np.savez(folder / "data.npz", X=X, y=y)
    (folder / "names.json").write_text(json.dumps(NAMES))
    model = (
        RandomForestClassifier(100, random_state=0) if kind == "forest" else LogisticRegression()
    )
    model.fit(X, y)
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    pl.DataFrame(X, NAMES).with_columns(y=y).write_csv(folder / "bench.csv")
    candidate = "random_forest" if kind == "forest" else "logistic_regression"
    space = "[train.space.random_forest]\nn_estimators = 100\n" if kind == "forest" else ""
    (folder / "everloop.toml").write_text(
        f'[loop]\nname = "{NAME}"\n[data]\nsource = "bench.csv"\ntarget = "y"\n'
        f'[train]\ncandidates = ["{candidate}"]\n{space}[evaluate]\ngates = []\n'
    )
    subprocess.run([*COMMAND, "run"], cwd=folder, check=True, capture_output=True)
    (onnx,) = (folder / ".everloop" / "packages").glob("*/model.onnx")
    (folder / "model.onnx").write_bytes(onnx.read_bytes())
    if mlflow:
        import mlflow.sklearn

        where = str(folder / "mlflow")
        mlflow.sklearn.save_model(model, where, serialization_format="cloudpickle")


def fit_with(python: Path, folder: Path, out: Path) -> None:
    """The same estimator by a peer's own scikit-learn, since pickles are of one version."""
    code = (
        "import sys, joblib, numpy as np\n"
        "from sklearn.linear_model import LogisticRegression as L\n"
        "from sklearn.ensemble import RandomForestClassifier as F\n"
        "d = np.load(sys.argv[1])\n"
        "m = F(100, random_state=0) if sys.argv[3] == 'forest' else L()\n"
        "joblib.dump(m.fit(d['X'], d['y']), sys.argv[2])\n"
    )
    kind = "forest" if "forest" in folder.name else "logistic"
    subprocess.run([python, "-c", code, folder / "data.npz", out, kind], check=True)


def rows(count: int) -> list[list[float]]:
    """The same for every side."""
    found: list[list[float]] = np.random.default_rng(1).normal(size=(count, FEATURES)).tolist()
    return [[round(value, 4) for value in row] for row in found]

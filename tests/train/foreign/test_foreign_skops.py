"""skops files: types that the operator allows, archives that are bounded, the same answers."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from everloop.errors import EverloopError, Forbidden
from everloop.train.foreign._base import Hints
from everloop.train.foreign.skops import from_skops

X = np.random.default_rng(0).normal(size=(200, 2))
TOWN = np.array(["Bonn", "Kiel", "Ulm"])[np.digitize(X[:, 1], [-0.5, 0.5])]
Y = np.where(X[:, 0] > 0, "yes", "no")
TREES = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"


def saved(tmp_path, estimator):
    import skops.io  # it looks through all of scikit-learn, which each worker would wait for

    skops.io.dump(estimator, tmp_path / "model.skops")
    return tmp_path / "model.skops"


def test_a_pipeline_over_columns_is_served_with_its_levels(tmp_path) -> None:
    frame = pd.DataFrame({"a": X[:, 0], "town": TOWN, "b": X[:, 1]})
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["town"]),
        (make_pipeline(SimpleImputer(), StandardScaler()), ["a", "b"]),
    )
    model = make_pipeline(columns, LogisticRegression()).fit(frame, Y)
    brought = from_skops(saved(tmp_path, model), Hints(target="late"), [])
    assert brought.schema.names == ("a", "town", "b")
    assert brought.schema.features[1].levels == ("Bonn", "Kiel", "Ulm")
    codes = np.searchsorted(["Bonn", "Kiel", "Ulm"], TOWN)
    session = onnxruntime.InferenceSession(brought.onnx, providers=["CPUExecutionProvider"])
    got = session.run(None, {"X": np.column_stack([X[:, 0], codes, X[:, 1]])})[1]
    assert np.abs(got - model.predict_proba(frame)).max() < 1e-6


def test_types_are_allowed_by_the_operator_alone(tmp_path) -> None:
    model = HistGradientBoostingClassifier(max_iter=3).fit(X, TOWN)
    path = saved(tmp_path, model)
    with pytest.raises(Forbidden, match=TREES) as refusal:
        from_skops(path, Hints(), [])
    assert refusal.value.got == [TREES]
    brought = from_skops(path, Hints(), [TREES])
    assert brought.schema.classes == ("Bonn", "Kiel", "Ulm")


def test_a_type_that_is_unknown_is_refused_before_it_is_built(tmp_path) -> None:
    data = io.BytesIO(saved(tmp_path, LogisticRegression().fit(X, Y)).read_bytes())
    with zipfile.ZipFile(data) as source:
        schema = source.read("schema.json").replace(
            b'"__module__": "sklearn.linear_model._logistic"', b'"__module__": "my_evil.module"'
        )
        others = {n: source.read(n) for n in source.namelist() if n != "schema.json"}
    assert b"my_evil" in schema
    with zipfile.ZipFile(tmp_path / "evil.skops", "w") as target:
        target.writestr("schema.json", schema)
        for name, content in others.items():
            target.writestr(name, content)
    with pytest.raises(Forbidden, match="my_evil"):
        from_skops(tmp_path / "evil.skops", Hints(), [])


def test_an_archive_that_unpacks_to_far_more_is_refused(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.skops", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("schema.json", b" " * (100 << 20))
    assert (tmp_path / "bomb.skops").stat().st_size < 200_000
    with pytest.raises(EverloopError, match="unpacks") as refusal:
        from_skops(tmp_path / "bomb.skops", Hints(), [])
    assert refusal.value.code == "too_large"


def test_what_cannot_be_served_is_refused(tmp_path) -> None:
    (tmp_path / "model.skops").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(EverloopError, match="no skops file"):
        from_skops(tmp_path / "model.skops", Hints(), [])
    with pytest.raises(EverloopError, match="predict_proba"):
        from_skops(saved(tmp_path, LinearSVC().fit(X, Y)), Hints(), [])

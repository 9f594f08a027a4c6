"""LightGBM's text format: parity with its own Booster to 1e-6, and what has no counterpart."""

from __future__ import annotations

import lightgbm
import numpy as np
import onnxruntime
import pytest

from everloop.errors import EverloopError
from everloop.train.foreign._base import Hints
from everloop.train.foreign.lightgbm import from_lightgbm

rng = np.random.default_rng(0)
X = rng.normal(size=(400, 4))
X[rng.random(X.shape) < 0.1] = np.nan
Y = np.nan_to_num(X) @ [1.0, 2.0, 0.5, -1.0]
TARGETS = {
    "regression": Y,
    "l1": Y,
    "quantile": Y,
    "poisson": np.abs(Y),
    "tweedie": np.abs(Y),
    "binary": (Y > 0).astype(int),
    "multiclass": np.digitize(Y, [-1, 1]),
}


def trained(objective, target=None, features=X, **params):
    params = {"objective": objective, "verbosity": -1, "num_threads": 1, **params}
    if objective == "multiclass":
        params["num_class"] = 3
    target = TARGETS[objective] if target is None else target
    return lightgbm.train(params, lightgbm.Dataset(features, target), 15)


@pytest.mark.parametrize("objective", list(TARGETS))
def test_answers_are_those_of_the_booster(tmp_path, objective) -> None:
    booster = trained(objective)
    booster.save_model(tmp_path / "model.txt")
    brought = from_lightgbm(tmp_path / "model.txt", Hints())
    session = onnxruntime.InferenceSession(brought.onnx, providers=["CPUExecutionProvider"])
    got, wanted = session.run(None, {"X": X})[-1], booster.predict(X)
    got = got[:, 1] if objective == "binary" else got
    assert np.abs(got - wanted).max() <= 1e-6 * max(1.0, np.abs(wanted).max())


def test_scaled_sigmoids_and_forests_too(tmp_path) -> None:
    forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}
    for params in ({"sigmoid": 2.5}, forest):
        booster = trained("binary", **params)
        booster.save_model(tmp_path / "model.lgb")
        brought = from_lightgbm(tmp_path / "model.lgb", Hints(classes=("no", "yes")))
        session = onnxruntime.InferenceSession(brought.onnx, providers=["CPUExecutionProvider"])
        got = session.run(None, {"X": X})[-1][:, 1]
        assert np.abs(got - booster.predict(X)).max() < 1e-6
        assert brought.schema.classes == ("no", "yes")


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"zero_as_missing": True}, "missing values that are none"),
        ({"categorical_feature": [3]}, "splits on numbers"),
        ({"linear_tree": True}, "leaves that are numbers"),
        ({"reg_sqrt": True}, "regression sqrt"),
    ],
)
def test_what_has_no_counterpart_is_refused_with_the_way_out(tmp_path, params, reason) -> None:
    features = np.nan_to_num(X).copy()
    features[:, 3] = rng.integers(0, 5, len(X))
    target = Y + 5 * (features[:, 3] == 2)
    data = lightgbm.Dataset(
        features, target, categorical_feature=params.pop("categorical_feature", "auto"),
        params=params,
    )  # fmt: skip
    given = {"objective": "regression", "verbosity": -1, "num_threads": 1, **params}
    lightgbm.train(given, data, 5).save_model(tmp_path / "model.txt")
    with pytest.raises(EverloopError, match=reason) as refusal:
        from_lightgbm(tmp_path / "model.txt", Hints())
    assert "Convert it to ONNX" in refusal.value.message


def test_a_file_that_is_none_is_refused(tmp_path) -> None:
    for data in (b"", b"tree\nversion=v4\n", b"\xff\xfe"):
        (tmp_path / "model.txt").write_bytes(data)
        with pytest.raises(EverloopError, match="no text model of LightGBM"):
            from_lightgbm(tmp_path / "model.txt", Hints())

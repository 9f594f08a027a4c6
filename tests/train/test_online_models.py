"""River's learners: they answer as river does, are served so, and go on bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import pytest
from mixed import mixed, with_holes
from river import compose, forest, linear_model, naive_bayes, optim, preprocessing, tree

from everloop.data.schema import Feature, Schema, Task
from everloop.errors import EverloopError, InvalidInput
from everloop.extensions import candidates
from everloop.train.fitting import Fitting, Pruned
from everloop.train.onnx import to_onnx
from everloop.train.predictions import predict
from everloop.train.state.events import FILE, EventsLearner, Kept
from everloop.train.state.keeping import _about
from everloop.train.state.keeping import kept as keep
from everloop.train.transfer.events import warm_learner

CASES: list[tuple[str, Task]] = [
    ("online_logistic_regression", "binary"),
    ("online_logistic_regression", "multiclass"),
    ("online_linear_regression", "regression"),
    ("online_naive_bayes", "multiclass"),
    ("hoeffding_tree", "binary"),
    ("hoeffding_tree", "regression"),
    ("hoeffding_adaptive_tree", "multiclass"),
    ("hoeffding_adaptive_tree", "regression"),
    ("adaptive_random_forest", "binary"),
    ("adaptive_random_forest", "regression"),
]
SMALL = {"adaptive_random_forest": {"n_models": 3}}
GROWING = {"grace_period": 50, "delta": 0.01}


def turned(task: Task, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, Schema]:
    """Mixed rows; of the later half the answers are others, so that detectors fire."""
    X, y, schema = mixed(task, rows=rows, seed=seed)
    half = rows // 2
    y[half:] = -y[half:] if task == "regression" else y.max() - y[half:]
    return X, y, schema


def fitted(name: str, X: np.ndarray, y: np.ndarray, schema: Schema, **params: Any) -> Any:
    candidate = candidates.get(name)()
    chosen = candidate.defaults(len(X)) | SMALL.get(name, {})
    if "grace_period" in chosen:
        chosen |= GROWING
    estimator = candidate.build(schema, schema.task, 0, chosen | params)
    candidate.fit(estimator, X, y, Fitting())
    return estimator


def river_says(model: Any, rows: np.ndarray) -> np.ndarray:
    """What river's own object answers, row by row."""
    learner = model.learner_
    told = [dict(enumerate(row)) for row in rows.tolist()]
    if not hasattr(model, "classes_"):
        return np.array([learner.predict_one(row) for row in told])
    said = [learner.predict_proba_one(row) for row in told]
    proba = np.array([[one.get(code, 0.0) for code in model.classes_.tolist()] for one in said])
    return proba / proba.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_river_python_and_the_package_agree_on_10_000_rows(name: str, task: Task) -> None:
    X, y, schema = turned(task, 1_400, 0)
    estimator = fitted(name, X, y, schema)
    served = onnxruntime.InferenceSession(to_onnx(estimator, schema, X))
    rows = with_holes(mixed(task, rows=10_000, seed=5)[0])
    pred, proba = predict(estimator, rows, schema)
    out = served.run(None, {"X": rows})
    if proba is None:
        np.testing.assert_allclose(out[0], pred, atol=2e-6 * np.abs(pred).max())
    else:
        np.testing.assert_allclose(out[1], proba, atol=2e-6)
    if name.startswith("online"):
        return  # whose own objects are asked in the tests below
    some = estimator[:-1].transform(rows[:500])
    own = river_says(estimator[-1], some)
    np.testing.assert_allclose(own, (pred if proba is None else proba)[:500], rtol=1e-9, atol=1e-9)


def numbers(task: Task, classes: tuple[int, ...] = ()) -> Schema:
    return Schema(tuple(Feature(f"x{i}", "number") for i in range(4)), "y", task, classes)


def stream(n: int = 900) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, 4)) * [1.0, 20.0, 300.0, 0.01] + [0.0, 5.0, 1e3, 0.0]
    return X, X[:, 0] + X[:, 1] / 20 - np.arange(n) / n


@pytest.mark.parametrize("classes", [2, 3])
def test_linear_models_are_rivers_own(classes: int) -> None:
    X, signal = stream()
    y = np.digitize(signal, [0.0, 1.0][: classes - 1]).astype(np.int64)
    schema = numbers("binary" if classes == 2 else "multiclass", tuple(range(classes)))
    ours = fitted("online_logistic_regression", X, y, schema, learning_rate=0.05)
    step = optim.SGD(0.05)
    scaled = preprocessing.StandardScaler()
    if classes == 2:
        theirs = scaled | linear_model.LogisticRegression(step, intercept_lr=0.05)
    else:  # which has no constant of its own
        always = compose.FuncTransformer(lambda x: x | {-1: 1.0})
        theirs = scaled | always | linear_model.SoftmaxRegression(step)
    rows = [dict(enumerate(row)) for row in X.tolist()]
    for row, target in zip(rows, y.tolist(), strict=True):
        theirs.learn_one(row, target)
    own = np.array([[theirs.predict_proba_one(r)[c] for c in range(classes)] for r in rows])
    np.testing.assert_allclose(predict(ours, X, schema)[1], own, atol=1e-12)


def test_bayes_and_regression_are_rivers_own() -> None:
    X, signal = stream()
    y = (signal > 0).astype(np.int64)
    theirs: Any = naive_bayes.GaussianNB()
    rate = 0.1 / 5 / 2
    inner = linear_model.LinearRegression(optim.SGD(rate), intercept_lr=rate)
    regression = preprocessing.StandardScaler() | preprocessing.TargetStandardScaler(inner)
    rows = [dict(enumerate(row)) for row in X.tolist()]
    for row, target, value in zip(rows, y.tolist(), signal.tolist(), strict=True):
        theirs.learn_one(row, target)
        regression.learn_one(row, value)
    schema = numbers("binary", (0, 1))
    ours = predict(fitted("online_naive_bayes", X, y, schema), X, schema)[1]
    own = [theirs.predict_proba_one(row)[1] for row in rows]
    np.testing.assert_allclose(ours[:, 1], own, atol=1e-9)
    schema = numbers("regression")
    line = predict(fitted("online_linear_regression", X, signal, schema), X, schema)[0]
    np.testing.assert_allclose(line, [regression.predict_one(r) for r in rows], atol=1e-9)


def test_a_stream_is_learned_as_river_learns_it() -> None:
    """Asked before it learns: the same answers as river's own objects behind the same scaling."""
    X, signal = stream(600)
    y = (signal > 0).astype(np.int64)
    schema, scaled = numbers("binary", (0, 1)), (X - X.mean(0)) / X.std(0)
    settings = {"leaf_prediction": "mc", "max_depth": 16, "binary_split": True, "tau": 0.05}
    pairs = {
        "hoeffding_tree": tree.HoeffdingTreeClassifier(**settings, **GROWING),
        "adaptive_random_forest": forest.ARFClassifier(3, seed=0, **settings, **GROWING),
    }
    for name, theirs in pairs.items():
        ours = fitted(name, X, y, schema)
        front, model = ours[:-1], ours[-1]
        model.fit(front.transform(X[:300]), y[:300])
        for row, code in zip(scaled[:300].tolist(), y[:300].tolist(), strict=True):
            theirs.learn_one(dict(enumerate(row)), code)
        for first in range(300, 600, 50):
            part = slice(first, first + 50)
            asked = [dict(enumerate(row)) for row in scaled[part].tolist()]
            own = [theirs.predict_proba_one(row).get(1, 0.0) for row in asked]
            told = ours.predict_proba(X[part])[:, 1]
            np.testing.assert_allclose(told, own, atol=1e-9)
            model.partial_fit(front.transform(X[part]), y[part])
            for row, code in zip(asked, y[part].tolist(), strict=True):
                theirs.learn_one(row, code)


def kept(name: str, task: Task) -> tuple[Any, Any, dict[str, bytes], np.ndarray, np.ndarray]:
    """A model that learned the first half, what is known of it, its file, and the second half."""
    X, y, schema = turned(task, 1_200, 1)
    estimator = fitted(name, X[:600], y[:600], schema)
    front, model = estimator[:-1], estimator[-1]
    about = _about(model, name, {}, schema, None, y)
    about = msgspec.structs.replace(about, width=model.n_features_in_)
    rows = front.transform(X[600:])
    later: np.ndarray = rows.toarray() if hasattr(rows, "toarray") else rows
    return model, about, EventsLearner().saved(model), later, y[600:]


@pytest.mark.parametrize(("name", "task"), CASES)
def test_what_was_put_away_goes_on_bit_for_bit(name: str, task: Task) -> None:
    model, about, files, X, y = kept(name, task)
    again = EventsLearner().loaded(files, about)
    assert EventsLearner().saved(again) == files
    for learner in (model, again):
        learner.partial_fit(X, y)
    assert again.events_ == 1_200
    assert EventsLearner().saved(again) == EventsLearner().saved(model)
    ask = "predict" if task == "regression" else "predict_proba"
    np.testing.assert_array_equal(getattr(model, ask)(X), getattr(again, ask)(X))


def test_a_state_that_is_none_is_refused_in_a_sentence() -> None:
    _, about, files, *_ = kept("adaptive_random_forest", "binary")
    known = msgspec.msgpack.decode(files[FILE], type=Kept)

    def refused(said: str, **changed: Any) -> None:
        bad = msgspec.msgpack.encode(msgspec.structs.replace(known, **changed))
        with pytest.raises((ValueError, TypeError, LookupError), match=said):
            EventsLearner().loaded({FILE: bad}, about)

    def with_first(kind: str, change: Any) -> list[Any]:
        place = next(i for i, entry in enumerate(known.state) if entry[0] == kind)
        return [*known.state[:place], change(known.state[place]), *known.state[place + 1 :]]

    refused("river 0.1 wrote it", river="0.1")
    refused("no class that is read here", state=[["Popen", "args", "true"], *known.state[1:]])
    refused("no class that is read here", state=[["builtins:eval", "1"]])
    refused("is a list", state=[["list", 1, 2]])
    refused("no field of an object", state=with_first("Accuracy", lambda e: [*e, "__class__", 1]))
    refused("no number of an object", state=with_first("Accuracy", lambda e: [*e[:-1], [-1]]))
    refused("another size", state=with_first("adwin", lambda e: [*e[:2], e[2][:-1]]))
    refused("no number", state=with_first("NumericBinaryBranch", _nan))
    refused("column 99", state=with_first("NumericBinaryBranch", _column))
    refused("list index", state=known.state[:20])
    refused("unexpected keyword", arguments=known.arguments | {"more": 1})
    with pytest.raises(msgspec.DecodeError):
        EventsLearner().loaded({FILE: files[FILE][:-5]}, about)


def _nan(entry: list[Any]) -> list[Any]:
    place = entry.index("threshold") + 1
    return [*entry[:place], float("nan"), *entry[place + 1 :]]


def _column(entry: list[Any]) -> list[Any]:
    place = entry.index("feature") + 1
    return [*entry[:place], 99, *entry[place + 1 :]]


def test_a_state_that_cannot_learn_says_so() -> None:
    _, about, files, X, y = kept("hoeffding_tree", "binary")
    known = msgspec.msgpack.decode(files[FILE], type=Kept)
    state = [
        ["GaussianSplitter"] if entry[0] == "GaussianSplitter" else entry for entry in known.state
    ]
    bad = msgspec.msgpack.encode(msgspec.structs.replace(known, state=state))
    model = EventsLearner().loaded({FILE: bad}, about)
    from everloop.train.state._base import Lesson

    with pytest.raises(EverloopError, match="cannot learn on"):
        EventsLearner().learn(model, "event by event", Lesson(X, y, X, y), about)


def test_the_learner_of_another_schema_goes_on(tmp_path: Path) -> None:
    X, y, parent = turned("binary", 600, 0)
    estimator = fitted("hoeffding_tree", X, y, parent)
    files, why = keep(estimator, "hoeffding_tree", {}, parent, X, y)
    assert files, why
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    goal = msgspec.structs.replace(
        parent, features=(*parent.features[1:], Feature("new", "number"))
    )  # the first column is gone
    rows = np.column_stack([X[:, 1:], np.arange(len(X))])
    made = warm_learner(tmp_path, parent, goal, rows, y, 0)
    gone = np.column_stack([np.full(len(X), np.nan), X[:, 1:]])
    estimator[-1].partial_fit(estimator[:-1].transform(gone), y)
    np.testing.assert_array_equal(made.predict_proba(rows), estimator.predict_proba(gone))
    to_onnx(made, goal, rows)
    again, why = keep(made, "hoeffding_tree", {}, goal, rows, y)
    assert again, why


def test_the_clock_ends_a_trial_and_the_newest_rows_are_learned() -> None:
    X, y, schema = mixed("binary", rows=2_500)
    candidate = candidates.get("adaptive_random_forest")()
    params = candidate.defaults(len(X)) | {"n_models": 1}
    with pytest.raises(Pruned):
        asked: list[int] = []
        late = Fitting(prune=lambda step, _: asked.append(step) or len(asked) > 1)  # type: ignore[func-returns-value]
        candidate.fit(candidate.build(schema, "binary", 0, params), X, y, late)
    assert asked == [-1, -1]
    candidate.most_rows = 700
    estimator = candidate.build(schema, "binary", 0, params)
    candidate.fit(estimator, X, y, Fitting())
    assert estimator[-1].events_ == 700


def test_trees_refuse_what_is_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    features = (Feature("a", "number"), Feature("t", "text", levels=("b", "c"), shape=(2,)))
    schema = Schema(features, "y", "binary", (0, 1))
    with pytest.raises(InvalidInput, match="t is neither"):
        candidates.get("hoeffding_tree")().build(schema, "binary", 0, {})
    monkeypatch.setattr("everloop.train.candidates._online.find_spec", lambda _: None)
    with pytest.raises(InvalidInput, match=r"everloop\[river\]"):
        candidates.get("online_naive_bayes")().build(schema, "binary", 0, {})

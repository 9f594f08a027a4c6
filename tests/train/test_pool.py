"""A pool learns from windows, is served as one graph, and goes on from its files."""

from __future__ import annotations

import msgspec
import numpy as np
import onnxruntime
import pytest
from numpy.testing import assert_allclose

from everloop.data.schema import Feature, Schema, Task
from everloop.errors import Integrity, InvalidInput
from everloop.train.candidates.lightgbm import LightGBM
from everloop.train.onnx import to_onnx
from everloop.train.pool import STATE
from everloop.train.pool.forest import Forest
from everloop.train.pool.growing import REST, SHORTEST, Growth
from everloop.train.pool.links import Binary
from everloop.train.pool.mixing import Mixture
from everloop.train.pool.model import PoolModel
from everloop.train.pool.pool import Pool
from everloop.train.pool.state import restored, written

WIDTH, WINDOW = 4, 150


def schema_of(task: Task) -> Schema:
    classes: dict[Task, tuple[str, ...]] = {"binary": ("n", "y"), "multiclass": ("a", "b", "c")}
    features = tuple(Feature(f"x{place}", "number") for place in range(WIDTH))
    return Schema(task=task, target="y", features=features, classes=classes.get(task, ()))


def rows(task: Task, seed: int, n: int, turned: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Rows with holes, whose targets follow the first columns, or the other way when ``turned``."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, WIDTH))
    signal = (X[:, 0] + X[:, 1] * X[:, 2]) * (-1 if turned else 1) + rng.normal(0, 0.3, n)
    X[rng.random(X.shape) < 0.05] = np.nan
    if task == "regression":
        return X, 50 + 10 * signal
    return X, np.digitize(signal, [0.0] if task == "binary" else [-0.7, 0.7]).astype(float)


def fitted(task: Task, X: np.ndarray, y: np.ndarray) -> object:
    params = {"n_estimators": 20, "num_leaves": 8, "n_jobs": 1, "min_child_samples": 5}
    built = LightGBM().build(schema_of(task), task, 0, params)
    return built.fit(X, y if task == "regression" else y.astype(int))


def begun(task: Task = "binary") -> PoolModel:
    X, y = rows(task, 0, 600)
    return PoolModel.begun(fitted(task, X, y), X, y, schema_of(task))


def grown(task: Task) -> PoolModel:
    """With every kind of family, and windows before and after each."""
    model = begun(task)
    for seed in (1, 2):
        model.update(*rows(task, seed, WINDOW))
    X, y = rows(task, 9, 700)
    model.renew(fitted(task, X, y), 700, schema_of(task))
    for seed in (3, 4):
        model.update(*rows(task, seed, WINDOW, turned=True))
    X, y = rows(task, 8, 300, turned=True)
    model.freshen(fitted(task, X, y), 300, schema_of(task))
    model.update(*rows(task, 7, WINDOW, turned=True))
    return model


def answers(model: PoolModel, X: np.ndarray) -> np.ndarray:
    return model.predict_proba(X) if len(model.codes) else model.predict(X)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_it_begins_as_its_first_fit_and_serves_what_it_says(task: Task) -> None:
    X, y = rows(task, 0, 600)
    pipeline, asked = fitted(task, X, y), rows(task, 5, 300)[0]
    model = PoolModel.begun(pipeline, X, y, schema_of(task))
    told = pipeline.predict_proba(asked) if len(model.codes) else pipeline.predict(asked)  # type: ignore[attr-defined]
    drawn, model.pool.families = model.pool.families, model.pool.families[:1]
    mixture, model.pool.mixture = model.pool.mixture, Mixture.new(5, model.pool.link.outputs)
    assert_allclose(answers(model, asked), told, atol=1e-9)
    model.pool.families, model.pool.mixture = drawn, mixture
    model = grown(task)
    graph = onnxruntime.InferenceSession(to_onnx(model, schema_of(task), asked))
    said = graph.run(None, {"X": asked})[0 if task == "regression" else 1]
    scale = np.abs(answers(model, asked)).max()
    assert_allclose(said, answers(model, asked), atol=1e-5 * scale)
    kinds = [node.op_type for node in _nodes(to_onnx(model, schema_of(task), asked))]
    assert kinds.count("TreeEnsembleRegressor") == 2 and kinds.count("MatMul") == 1


def _nodes(data: bytes) -> list[object]:
    import onnx

    return list(onnx.load_from_string(data).graph.node)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_it_goes_on_from_its_files_as_if_it_had_not_stopped(task: Task) -> None:
    model, asked = grown(task), rows(task, 5, 200)[0]
    files = written(model, until=7, threshold=0.4)
    again = restored(files)
    assert (again.until, again.threshold) == (7, 0.4)
    assert written(again.model, 7, 0.4) == files
    for one in (model, again.model):
        one.update(*rows(task, 6, WINDOW))
    assert np.array_equal(answers(model, asked), answers(again.model, asked))
    assert written(model, 8) == written(again.model, 8)
    assert written(grown(task), 7, 0.4) == files  # the same rows make the same pool


def test_it_follows_a_world_that_turned_and_the_frozen_model_does_not() -> None:
    model, frozen = begun(), begun()
    for seed in range(1, 5):
        model.update(*rows("binary", seed, WINDOW, turned=True))
    X, y = rows("binary", 99, 500, turned=True)
    right = [(one.predict(X) == y).mean() for one in (model, frozen)]
    assert right[0] > 0.75 and right[1] < 0.4, right
    mixture = model.pool.mixture
    forest = mixture.losses[:5] if mixture is not None else np.zeros(1)
    assert forest.argmin() == 1  # the copy that forgets fastest


def test_a_leaf_that_no_row_reaches_stays_as_it_is() -> None:
    model = begun()
    forest = model.pool.families[0].model
    assert isinstance(forest, Forest)
    before, (X, y) = forest.values.copy(), rows("binary", 1, 1)
    reached = np.unique(model.pool.families[0].reads(X))
    model.update(X, y)
    changed = np.flatnonzero((forest.values != before).any(axis=0))
    assert set(changed) <= set(reached) and len(changed)
    assert np.array_equal(forest.values[0], before[0])


def test_members_are_judged_by_what_they_said_when_rows_were_asked() -> None:
    then, X, y = begun(), *rows("binary", 2, WINDOW)
    now = begun()
    assert now.pool.mixture is not None
    began = now.pool.mixture.losses
    now.update(X, y)
    first, second = (one.pool.member_scores(X) for one in (then, now))
    assert not np.allclose(first, second)
    kept = then.pool.kept()
    then.update(X, y)
    now.pool.update(X, y, kept)
    judged = np.array([Binary().losses(score, y).mean() for score in first])
    assert now.pool.mixture is not None
    told = 0.7 ** (1 / 2) * (0.7 * began + judged) + judged / 2  # two windows late
    assert_allclose(now.pool.mixture.losses, told)
    other, target = rows("binary", 9, 700)
    now.renew(fitted("binary", other, target), 700, schema_of("binary"))
    now.pool.update(X, y, kept)  # the new fit said nothing then: the one before it stands for it
    assert_allclose(now.pool.mixture.losses[:5], (0.7 ** (1 / 3) * told + judged / 3)[:5])


def test_a_full_fit_is_due_when_rows_have_grown() -> None:
    growth = Growth()
    growth.fitted(1_000)
    for _ in range(REST):
        assert growth.due(9_000) is None  # it has only just been fitted
        growth.learned(100)
    assert growth.due(2_900) is None and "3.0 times" in (growth.due(3_000) or "")


def test_a_fresh_fit_takes_what_the_world_is_like_when_half_of_it_is_new() -> None:
    growth = Growth()
    for _ in range(SHORTEST // 2):
        assert not growth.due_fresh(100_000, 3.0)
        growth.learned(100)
    assert growth.due_fresh(100_000, 3.0) == SHORTEST * 100
    assert growth.due_fresh(1_200, np.inf) == 600  # never more than half of all
    assert not growth.due_fresh(100_000, np.inf) and not growth.due_fresh(100_000, 50.0)
    assert not growth.due_fresh(600, 3.0)  # too few to learn from
    growth.freshened(1_000)
    assert not growth.due_fresh(100_000, 3.0) and growth.fitted_rows == 1_000


def test_who_leaves_hands_its_weight_on_and_who_comes_is_taken_for_the_mixture() -> None:
    link, rng = Binary(), np.random.default_rng(0)
    y = (rng.random(4_000) < 0.5).astype(float)
    told = (2 * y - 1)[None, :, None] + rng.normal(0, 2, (3, 4_000, 1))
    told[2] = told[0]  # two that say the same
    mixture = Mixture.new(3, 1)
    mixture.learn(told, y, link)
    after = mixture.rearranged([0, 1, None])
    assert_allclose(after.losses, [*mixture.losses[:2], mixture.mixed])
    with_all, without = mixture.fits[-1], after.fits[-1]
    assert_allclose(without[0], with_all[0] + with_all[2], rtol=0.02)
    assert_allclose(without[[1, 3]], with_all[[1, 3]], atol=0.02)
    halved = mixture.rearranged([0, 0, 1, 2])
    said = np.stack([told[0], told[0], told[1], told[2]])
    for one, other in zip(halved.fits, mixture.fits, strict=True):
        assert_allclose(np.tensordot(one[:4], said, 1), np.tensordot(other[:3], told, 1), atol=1e-9)


def test_what_cannot_be_learned_is_refused_and_changes_nothing() -> None:
    model = begun("multiclass")
    X, y = rows("multiclass", 1, 5)
    before = written(model, 0)
    for wrong, said in ((np.full(5, 7.0), "7"), (y[:3], "3 targets"), (np.full(5, np.nan), "y")):
        with pytest.raises(InvalidInput, match=said):
            model.update(X, wrong)
    with pytest.raises(InvalidInput, match="a missing target"):
        begun("regression").update(X, np.full(5, np.nan))
    model.update(X[:0], y[:0])
    assert written(model, 0) == before
    with pytest.raises(InvalidInput, match="a full fit first"):
        Pool(Binary()).update(X, y)
    with pytest.raises(InvalidInput, match="ends in LightGBM"):
        PoolModel.begun(object(), X, y, schema_of("binary"))


def test_files_that_do_not_fit_together_are_refused() -> None:
    files = written(begun(), 0)
    state = msgspec.json.decode(files[STATE])
    state["families"][0]["values"]["shape"][1] += 1
    others = written(begun("multiclass"), 0)
    for broken in (
        {**files, STATE: msgspec.json.encode(state)},
        {**files, STATE: b"{"},
        {**files, "pool/trees0.txt": others["pool/trees0.txt"]},
        {name: data for name, data in files.items() if name != "pool/front0.onnx"},
    ):
        with pytest.raises(Integrity, match="cannot be read"):
            restored(broken)

"""What is fitted in passes answers as what is fitted on all rows at once."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from everloop.data.encode import Examples, encode, encode_target
from everloop.data.infer import infer_schema
from everloop.data.schema import Schema
from everloop.data.spec import DataSpec
from everloop.errors import Conflict
from everloop.evaluate.metrics import get_metric
from everloop.train.check import find_candidate
from everloop.train.fit import fit_candidates
from everloop.train.onnx import to_onnx
from everloop.train.predictions import predict
from everloop.train.spec import PrepareSpec, TrainSpec
from everloop.train.streaming import Rows, Streamed, fit_stream

N, HELD, SAMPLE, BLOCK = 14_000, 4_000, 3_000, 1_500


def table(seed: int = 0) -> tuple[np.ndarray, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, 5))
    place = rng.choice(["n", "s", "w"], N)
    signal = X[:, 0] + X[:, 1] * X[:, 2] + 0.7 * (place == "n") + rng.normal(size=N)
    hole = pl.when(pl.col("x3") > 1.5).then(None).otherwise("x3").alias("x3")
    frame = pl.DataFrame(X, [f"x{i}" for i in range(5)]).with_columns(hole, place=pl.Series(place))
    return signal, frame


class Case:
    """A task, its rows in blocks, and a sample of them."""

    def __init__(self, task: str, ordered: bool = False) -> None:
        signal, frame = table()
        self.metric = get_metric("roc_auc" if task == "binary" else "r2")
        y = signal > 0 if task == "binary" else signal * 100 + 500
        frame = frame.with_columns(y=pl.Series(y))
        self.train, held = frame[: N - HELD], frame[N - HELD :]
        sample = self.train.sample(SAMPLE, seed=0)
        self.schema: Schema = infer_schema(sample, DataSpec(source="", target="y")).schema
        self.sample, self.held = self.examples(sample), self.examples(held)
        height = self.train.height
        blocks = [min(BLOCK, height - at) for at in range(0, height, BLOCK)]
        self.rows = Rows(self.read, blocks, ordered)

    def examples(self, frame: pl.DataFrame) -> Examples:
        return Examples(encode(frame, self.schema), encode_target(frame, self.schema))

    def read(self, wanted: range) -> Iterator[Examples]:
        for block in list(self.train.iter_slices(BLOCK))[wanted.start :: wanted.step]:
            yield from map(self.examples, block.iter_slices(900))

    def fitted(self, name: str, rows: Examples, **spec) -> object:
        return fit_candidates(
            rows.X,
            rows.y,
            self.schema,
            TrainSpec(candidates=(name,), **spec),
            score=self.metric.score,
            seed=0,
            report=lambda *_: None,
        )[0].estimator

    def streamed(self, name: str, room: int = 10**9, **spec):
        estimator = self.fitted(name, self.sample, **spec)
        scaled = find_candidate(name).scales_target
        return fit_stream(estimator, self.sample, self.rows, self.schema, room, scaled)

    def score(self, estimator: object) -> float:
        return self.metric.score(self.held.y, *predict(estimator, self.held.X, self.schema))


@pytest.fixture(scope="module")
def binary() -> Case:
    return Case("binary")


@pytest.fixture(scope="module")
def regression() -> Case:
    return Case("regression")


@pytest.mark.parametrize(
    ("task", "name", "tolerance"),
    [
        ("binary", "lightgbm", 0.01),
        ("binary", "logistic_regression", 0.0005),
        ("binary", "naive_bayes", 0.0005),
        ("binary", "mlp", 0.01),
        ("regression", "lightgbm", 0.01),
        ("regression", "linear_regression", 0.0005),
        ("regression", "ridge", 0.0005),
        ("regression", "lasso", 0.0005),
        ("regression", "elastic_net", 0.0005),
    ],
)
def test_passes_score_as_all_rows_at_once(task, name, tolerance, request) -> None:
    case: Case = request.getfixturevalue(task)
    done = case.streamed(name)
    assert done.rows == N - HELD, done.how
    whole = case.score(case.fitted(name, case.examples(case.train)))
    assert case.score(done.estimator) == pytest.approx(whole, abs=tolerance)
    assert to_onnx(done.estimator, case.schema, case.held.X)


@pytest.mark.parametrize("name", ["linear_regression", "lasso", "elastic_net"])
def test_least_squares_answer_as_on_all_rows(name, regression: Case) -> None:
    done = regression.streamed(name).estimator
    rows = Examples(
        done[:-1].transform(regression.examples(regression.train).X),
        regression.train["y"].to_numpy(),
    )
    whole = find_candidate(name).build(regression.schema, "regression", 0, {})[-1]
    scaled = find_candidate(name).scales_target
    middle, spread = (rows.y.mean(), rows.y.std()) if scaled else (0.0, 1.0)
    whole.set_params(**done[-1].get_params()).fit(rows.X, (rows.y - middle) / spread)
    wanted = whole.predict(done[:-1].transform(regression.held.X)) * spread + middle
    assert done.predict(regression.held.X) == pytest.approx(wanted, abs=0.05)


def test_boosting_in_parts_sees_every_row_and_grows_as_many_trees(binary: Case) -> None:
    done = binary.streamed("lightgbm", room=500_000)
    assert "parts" in done.how
    assert done.estimator[-1].booster_.num_trees() == 100
    sample = binary.score(binary.fitted("lightgbm", binary.sample))
    assert binary.score(done.estimator) > sample + 0.005
    sorted_rows = Case("binary")
    sorted_rows.train = sorted_rows.train.sort("y")
    again = sorted_rows.streamed("lightgbm", room=500_000)  # parts are from all over the table
    assert sorted_rows.score(again.estimator) == pytest.approx(
        binary.score(done.estimator), abs=0.02
    )


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_boosting_goes_on_from_the_trees_it_had(task, request, tmp_path, monkeypatch) -> None:
    case: Case = request.getfixturevalue(task)
    model = case.fitted("lightgbm", case.sample)
    monkeypatch.setattr("everloop.train.streaming.progress.SAVE_EVERY", 0.0)
    read: list[range] = []

    def until(stop: int) -> Rows:
        def some(wanted: range) -> Iterator[Examples]:
            read.append(wanted)
            if len(read) == stop:
                raise Conflict("the lights go out")
            yield from case.read(wanted)

        return Rows(some, case.rows.blocks)

    def fit(rows: Rows, room: int, place: Path | None = tmp_path) -> Streamed:
        return fit_stream(model, case.sample, rows, case.schema, room, checkpoints=place)

    with pytest.raises(Conflict, match="lights"):
        fit(until(3), 210_000)
    (kept,) = tmp_path.iterdir()
    before = type(model[-1].booster_)(model_file=kept)
    assert 0 < before.current_iteration() < 100
    read.clear()
    done = fit(until(-1), 290_000)  # with room for what the trees answer
    assert read == [case.rows.every(3, first=2)], (
        "parts that have added their trees are not read again"
    )
    trees = done.estimator[-1].booster_
    assert trees.current_iteration() == model[-1].booster_.current_iteration()
    ahead = before.model_to_string().split("end of trees")[0].split("Tree=")[1:]
    assert trees.model_to_string().split("Tree=")[1 : len(ahead)] == ahead[:-1]
    never = fit(case.rows, 210_000, None).estimator
    assert case.score(done.estimator) == pytest.approx(case.score(never), abs=1e-6)
    assert to_onnx(done.estimator, case.schema, case.held.X)


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("binary", "mlp"),
        ("binary", "naive_bayes"),
        ("binary", "logistic_regression"),
        ("regression", "mlp"),
        ("regression", "ridge"),
    ],
)
def test_a_pass_goes_on_from_the_last_block(task, name, request, tmp_path, monkeypatch) -> None:
    case: Case = request.getfixturevalue(task)
    model, scaled = case.fitted(name, case.sample), find_candidate(name).scales_target
    monkeypatch.setattr("everloop.train.streaming.progress.SAVE_EVERY", 0.0)
    monkeypatch.setattr("everloop.train.streaming.averaging.ROWS", 2_000)
    begun: list[int] = []

    def cut(after: int) -> Rows:
        def some(wanted: range) -> Iterator[Examples]:
            begun.append(wanted.start)
            for number, piece in enumerate(case.read(wanted)):
                if number == after:
                    raise Conflict("the lights go out")
                yield piece

        return Rows(some, case.rows.blocks)

    def fit(rows: Rows, place: Path | None = tmp_path) -> np.ndarray:
        again = copy.deepcopy(model)  # as the next process fits the sample
        done = fit_stream(again, case.sample, rows, case.schema, 10**9, scaled, place)
        assert done.rows == N - HELD
        pred, proba = predict(done.estimator, case.held.X, case.schema)
        return pred if proba is None else proba

    never = fit(case.rows, None)
    with pytest.raises(Conflict, match="lights"):
        fit(cut(9))  # within the fifth block
    (kept,) = tmp_path.iterdir()
    assert np.array_equal(fit(cut(-1)), never), "the same as if it had never been cut off"
    assert begun == [0, 4]
    kept.write_bytes(kept.read_bytes()[:-9])
    assert np.array_equal(fit(cut(-1)), never), "what cannot be read is begun anew"
    assert begun[2:] == [0]


def test_a_preparation_a_calibration_and_a_threshold_stay(binary: Case) -> None:
    prepare = PrepareSpec(missing="median", indicator=True, categories="one_hot")
    done = binary.streamed("logistic_regression", prepare=prepare, calibrate="platt", threshold=0.4)
    assert done.rows == N - HELD
    assert done.estimator.threshold == 0.4
    assert to_onnx(done.estimator, binary.schema, binary.held.X)


def test_a_network_of_numbers_goes_on_in_the_targets_own_unit(regression: Case) -> None:
    network = regression.fitted("mlp", regression.sample)
    before = regression.score(network)
    done = fit_stream(network, regression.sample, regression.rows, regression.schema, 10**9, True)
    assert regression.score(done.estimator) > before - 0.01 > 0.4


def test_partial_fit_of_any_class(binary: Case) -> None:
    for model in (SGDClassifier(loss="log_loss", random_state=0), GaussianNB()):
        front = make_pipeline(find_candidate("mlp").build(binary.schema, "binary", 0, {})[0], model)
        front.fit(binary.sample.X, binary.sample.y)
        done = fit_stream(front, binary.sample, binary.rows, binary.schema, 10**9)
        assert done.rows == N - HELD
        assert binary.score(done.estimator) > 0.75


def test_what_cannot_learn_in_batches_says_so(binary: Case) -> None:
    done = binary.streamed("decision_tree")
    assert (done.rows, done.how) == (SAMPLE, "DecisionTreeClassifier does not learn in batches")
    ordered = Case("binary", ordered=True)
    for name in ("mlp", "logistic_regression"):
        done = ordered.streamed(name)
        assert done.rows == SAMPLE
        assert "sorted by the target" in done.how
    assert ordered.streamed("naive_bayes").rows == N - HELD


def test_other_rows_than_were_counted_are_refused(binary: Case) -> None:
    for blocks in (binary.rows.blocks[:-1], [*binary.rows.blocks, 7]):
        other = Rows(binary.read, blocks)
        estimator = binary.fitted("lightgbm", binary.sample)
        with pytest.raises(Conflict, match=r"does not hold the .* training rows"):
            fit_stream(estimator, binary.sample, other, binary.schema, 10**9)


def test_a_naive_bayes_learns_the_same_in_parts(binary: Case) -> None:
    rows = StandardScaler().fit_transform(np.nan_to_num(binary.sample.X))
    NaiveBayes = type(find_candidate("naive_bayes").build(binary.schema, "binary", 0, {})[-1])
    whole = NaiveBayes().fit(rows, binary.sample.y)
    parts = NaiveBayes()
    for at in range(0, SAMPLE, 700):
        parts.partial_fit(rows[at : at + 700], binary.sample.y[at : at + 700], classes=[0, 1])
    assert parts.predict_proba(rows) == pytest.approx(whole.predict_proba(rows), abs=1e-9)

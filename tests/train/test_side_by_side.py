"""Candidates that are compared by their defaults, two at a time."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mixed import mixed

from everloop.errors import InvalidInput
from everloop.train.candidates._base import Candidate
from everloop.train.candidates.decision_tree import DecisionTree
from everloop.train.candidates.linear_regression import LinearRegression
from everloop.train.candidates.own import OwnEstimator
from everloop.train.candidates.ridge import Ridge
from everloop.train.fit import fit_candidates
from everloop.train.fitting import Fitting
from everloop.train.spec import LimitSpec, TrainSpec

THREE = ("linear_regression", "ridge", "decision_tree")


def negative_error(y: np.ndarray, pred: np.ndarray, proba: Any, groups: Any = None) -> float:
    return -float(np.mean((y - pred) ** 2))


class Watch:
    """Counts how many fits there are at a time; each waits for a second one, if it may come."""

    def __init__(self, patience: float) -> None:
        self.now, self.most, self.patience = 0, 0, patience
        self.changed = threading.Condition()

    def fit(self, candidate: Candidate, estimator: Any, X: Any, y: Any, around: Fitting) -> None:
        with self.changed:
            self.now += 1
            self.most = max(self.most, self.now)
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.most > 1, self.patience)
        estimator.fit(X, y)
        with self.changed:
            self.now -= 1


def watched(monkeypatch: pytest.MonkeyPatch, patience: float, cores: int = 2) -> Watch:
    watch = Watch(patience)
    monkeypatch.setattr("everloop.train.side_by_side.cores", lambda: cores)
    for cls in (LinearRegression, Ridge, DecisionTree):
        monkeypatch.setattr(cls, "fit", lambda *args: watch.fit(*args))
    return watch


def fitted(
    spec: TrainSpec, report: Any = lambda stage, facts: None, checkpoints: Path | None = None
) -> Any:
    X, y, schema = mixed("regression")
    return fit_candidates(X, y, schema, spec, negative_error, 0, report, checkpoints=checkpoints)


def test_two_are_fitted_at_a_time_and_find_what_one_after_another_finds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch, told = watched(monkeypatch, patience=60), []
    found = fitted(TrainSpec(THREE), lambda stage, facts: told.append((stage, facts)))
    assert watch.most == 2
    assert [facts["candidate"] for stage, facts in told if stage == "candidate"] == list(THREE)
    alone = watched(monkeypatch, patience=0, cores=1)
    again = fitted(TrainSpec(THREE))
    assert alone.most == 1
    assert [(f.name, f.score) for f in found] == [(f.name, f.score) for f in again]


@pytest.mark.parametrize("why", ["memory is bounded", "memory is short", "all are alone"])
def test_one_at_a_time_where_two_may_harm_each_other(
    why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = watched(monkeypatch, patience=0.05)
    spec = TrainSpec(THREE)
    if why == "memory is bounded":
        spec = TrainSpec(THREE, limits=LimitSpec(memory="4GB"))
    elif why == "memory is short":
        monkeypatch.setattr("everloop.train.side_by_side.available_bytes", lambda: 1000)
    else:
        for cls in (LinearRegression, Ridge, DecisionTree):
            monkeypatch.setattr(cls, "alone", True, raising=False)
    assert len(fitted(spec)) == 3
    assert watch.most == 1


class Killed(BaseException):
    """Nothing in training takes it for its own."""


def test_one_at_a_time_after_two_came_to_a_sudden_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    watch = watched(monkeypatch, patience=60)
    fitted(TrainSpec(THREE), checkpoints=tmp_path)
    assert watch.most == 2 and not list(tmp_path.iterdir())

    def killed(*_args: Any) -> None:
        raise Killed

    monkeypatch.setattr(Ridge, "fit", killed)
    with pytest.raises(Killed):
        fitted(TrainSpec(("ridge", "decision_tree")), checkpoints=tmp_path)
    watch = watched(monkeypatch, patience=0.05)
    fitted(TrainSpec(THREE), checkpoints=tmp_path)
    assert watch.most == 1


def test_own_code_is_fitted_alone_and_ranked_as_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows what it touches beside its rows."""
    watch = watched(monkeypatch, patience=0.05)
    own = "sklearn.linear_model:HuberRegressor"
    order: list[str] = []

    def told(stage: str, facts: dict[str, Any]) -> None:
        if stage == "candidate":
            order.append(facts["candidate"])

    def noticed(_own: Candidate, estimator: Any, X: Any, y: Any, _around: Fitting) -> None:
        order.append(f"beside {watch.now}")
        estimator.fit(X, y)

    monkeypatch.setattr(OwnEstimator, "fit", noticed)
    found = fitted(TrainSpec((own, "ridge", "decision_tree")), told)
    assert {one for one in order if "beside" in one} == {"beside 0"}
    assert [one for one in order if "beside" not in one] == ["ridge", "decision_tree", own]
    assert {f.name for f in found} == {own, "ridge", "decision_tree"}


def test_what_fails_beside_another_is_told_and_the_other_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("everloop.train.side_by_side.cores", lambda: 2)

    def broken(*_args: Any) -> None:
        raise RuntimeError("no line fits")

    monkeypatch.setattr(Ridge, "fit", broken)
    told: dict[str, Any] = {}
    found = fitted(TrainSpec(("ridge", "decision_tree")), told.__setitem__)
    assert [f.name for f in found] == ["decision_tree"]
    assert told["failed"] == {"candidate": "ridge", "error": "RuntimeError: no line fits"}
    monkeypatch.setattr(DecisionTree, "fit", broken)
    with pytest.raises(InvalidInput, match="no line fits"):
        fitted(TrainSpec(("ridge", "decision_tree")))

"""Policies over rewards: the package answers what Python does, however little is learned."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from bandit_stream import ACTIONS, chances, contexts, play, skewed
from everloop.data.schema import Feature, Schema
from everloop.extensions import candidates
from everloop.train.fitting import Fitting
from everloop.train.onnx import to_onnx

SCHEMA = Schema(
    (Feature("x", "number"), Feature("z", "number")),
    "clicked", "bandit", ACTIONS, action="offer", propensity="p",
)  # fmt: skip


def packaged(name: str, X: np.ndarray, y: np.ndarray, asked: np.ndarray) -> np.ndarray:
    candidate = candidates.get(name)()
    made = candidate.build(SCHEMA, "bandit", 0, candidate.defaults(len(X)))
    candidate.fit(made, X, y, Fitting(explore=0.3))
    session = onnxruntime.InferenceSession(to_onnx(made, SCHEMA, X))
    label, probabilities = session.run(None, {"X": asked})
    assert np.array_equal(label, probabilities.argmax(axis=1))
    return np.asarray(probabilities)


@pytest.mark.parametrize("name", ["ridge", "linear_regression", "lightgbm"])
def test_the_best_action_is_learned_and_every_action_keeps_a_chance(name: str) -> None:
    X, asked = contexts(1_500, 3), contexts(1_000, 4)
    y = np.column_stack(play(X, skewed(X), np.random.default_rng(1)))
    found = packaged(name, X, y, asked)
    assert np.unique(found.round(9)).tolist() == pytest.approx([0.1, 0.8])
    right = found.argmax(axis=1) == chances(asked).argmax(axis=1)
    assert right.mean() > 0.75


def test_actions_with_few_rewards_or_one_are_worth_their_mean() -> None:
    X = contexts(300, 3)
    done = np.repeat([0, 1], 150)  # c was never done, and counts as the mean of all
    y = np.column_stack([done, np.where(done == 1, 1.0, 0.2), np.full(300, 0.5)])
    found = packaged("ridge", X, y, np.array([[0.0, 0.0], [np.nan, np.nan]]))
    assert found == pytest.approx(np.tile([0.1, 0.8, 0.1], (2, 1)))

"""Importance, dependence and counterfactuals on models whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.evaluate.answers import Answers
from everloop.evaluate.explain.counterfactual import counterfactual
from everloop.evaluate.explain.dependence import dependence, drawn
from everloop.evaluate.explain.importance import permutation_importance
from everloop.evaluate.metrics import get_metric

SCHEMA = Schema(
    features=(
        Feature("a", "number"),
        Feature("when", "datetime"),
        Feature("kind", "category", ("low", "high")),
        Feature("idle", "number"),
    ),
    target="y",
    task="regression",
)
RNG = np.random.default_rng(0)
X = np.column_stack(
    [RNG.normal(size=500), *RNG.uniform(0, 12, (3, 500)), RNG.integers(0, 2, 500),
     RNG.normal(size=500)]
)  # fmt: skip


def answer(rows: np.ndarray) -> np.ndarray:
    return 3 * rows[:, 0] + 2 * rows[:, 4]


def test_importance_orders_features_and_gives_nothing_to_the_idle() -> None:
    found = permutation_importance(
        lambda rows: Answers(answer(rows)), X, answer(X), SCHEMA, get_metric("rmse")
    )
    assert [one.feature for one in found][:2] == ["a", "kind"]
    assert {one.feature: one.drop for one in found}["idle"] == 0.0
    # Shuffled, a's error is 3 times the difference of two independent draws.
    assert found[0].drop == pytest.approx(3 * np.sqrt(2) * X[:, 0].std(), rel=0.1)


def test_the_dependence_of_a_linear_model_is_its_line() -> None:
    found = dependence(answer, X, SCHEMA, "a", rows=500)
    slope = np.polyfit(np.array(found.values, float), found.mean, 1)[0]
    assert slope == pytest.approx(3.0)
    assert dependence(answer, X, SCHEMA, "kind").values == ["low", "high"]


def test_the_most_probable_class_is_drawn_and_of_labels_alone_how_often_it_is_answered() -> None:
    schema = Schema(SCHEMA.features, "y", "multiclass", ("hot", "mild", "cold"))
    pred, proba = np.array([1, 1, 0]), np.array([[0.4, 0.5, 0.1], [0.1, 0.9, 0.0], [0.6, 0.3, 0.1]])

    def of(answers: Answers, schema: Schema) -> tuple[list[float], str]:
        output, words = drawn(lambda _: answers, schema, answers)
        return output(X[:3]).tolist(), words

    assert of(Answers(pred, proba), schema) == ([0.5, 0.9, 0.3], "the probability of mild")
    assert of(Answers(pred), schema) == ([1.0, 1.0, 0.0], "how often the answer is mild")
    two = Schema(SCHEMA.features, "y", "binary", ("no", "yes"))
    assert of(Answers(pred), two) == ([1.0, 1.0, 0.0], "how often the answer is yes")
    several = Schema(SCHEMA.features, "y", "multilabel", ("red", "blue"))
    labels, shares = np.array([[1, 0], [1, 1], [0, 0]]), np.array([[0.9, 0.2], [0.5, 0.5], [0, 0]])
    assert of(Answers(labels, shares), several)[0] == pytest.approx([1.1, 1.0, 0.0])
    assert of(Answers(labels), several) == ([1.0, 2.0, 0.0], "how many labels are expected")


@pytest.mark.parametrize("name", ["kinde", "when"])
def test_what_has_no_axis_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        dependence(answer, X, SCHEMA, name)


def test_a_counterfactual_changes_as_few_features_as_it_can() -> None:
    row = np.array([-0.5, 1, 1, 1, 0.0, 0.0])
    found = counterfactual(answer, lambda _, v: v > 0, row, X, SCHEMA, upwards=True)
    assert found.found and found.before == -1.5 and found.after > 0
    assert [c.feature for c in found.changes] == ["kind"] or found.changes[0].feature == "a"
    assert len(found.changes) == 1


def test_a_fixed_feature_stays_and_an_impossible_wish_is_said() -> None:
    row = np.array([-0.5, 1, 1, 1, 0.0, 0.0])
    found = counterfactual(answer, lambda _, v: v > 0, row, X, SCHEMA, upwards=True, fixed=("a",))
    assert [(c.feature, c.before, c.after) for c in found.changes] == [("kind", "low", "high")]
    never = counterfactual(answer, lambda _, v: v > 1e9, row, X, SCHEMA, upwards=True)
    assert not never.found and never.after > never.before

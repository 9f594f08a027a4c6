"""Parameters of a loop file reach the algorithm, or are refused before anything is trained."""

from __future__ import annotations

import numpy as np
import pytest

from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.train.candidates.own import own_candidate
from everloop.train.search.buildable import check_buildable, check_spaces
from everloop.train.search.space import check_declared, within
from everloop.train.spec import TrainSpec

SCHEMA = Schema((Feature("x", "number"),), "y", "binary", (False, True))


@pytest.mark.parametrize(
    ("name", "declared", "said"),
    [
        ("lightgbm", {"num_leafs": {"low": 7, "high": 90}}, 'Did you mean "num_leaves"'),
        ("decision_tree", {"max_dept": 3}, "unexpected keyword argument 'max_dept'"),
        ("lightgbm", {"num_leaves": [7, 15], "feature_fraction": 0.5}, None),
        ("decision_tree", {"max_depth": {"low": 2, "high": 5}}, None),
        ("nobodys:Model", {"anything": 1}, None),
    ],
)
def test_what_an_algorithm_does_not_have_is_refused(name, declared, said):
    spec = TrainSpec(space={name: declared})
    if said is None:
        check_spaces(spec, SCHEMA, 100, 0)
        return
    with pytest.raises(InvalidInput, match=said):
        check_spaces(spec, SCHEMA, 100, 0)


def test_parameters_reach_a_class_of_ones_own_and_not_a_function(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "from sklearn.tree import DecisionTreeClassifier as Tree\n\n\ndef train(data):\n    ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    built = own_candidate("mine:Tree").build(SCHEMA, "binary", 3, {"max_depth": 4})
    assert (built.steps[-1][1].max_depth, built.steps[-1][1].random_state) == (4, 3)
    function = own_candidate("mine:train")
    with pytest.raises(InvalidInput, match="takes no parameters"):
        check_buildable("mine:train", function, SCHEMA, 0, {"depth": 4}, {"depth": 4})


PLAIN = """
class Vote:
    def __init__(self, shift=0.0):
        self.shift = shift

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), 2), 0.5)

    def predict(self, X):
        return np.full(len(X), self.shift)
"""


def test_a_plain_class_with_fit_and_predict_is_fitted(tmp_path, monkeypatch):
    """Without scikit-learn's base classes, whose tags its pipeline asks for."""
    (tmp_path / "plain_mine.py").write_text("import numpy as np\n" + PLAIN)
    monkeypatch.syspath_prepend(tmp_path)
    X, y = np.arange(8.0)[:, None], np.arange(8) % 2
    vote = own_candidate("plain_mine:Vote").build(SCHEMA, "binary", 0, {"shift": 1.0}).fit(X, y)
    assert vote.predict(X).tolist() == [1.0] * 8
    assert vote.predict_proba(X).shape == (8, 2)
    assert type(vote.steps[-1][1]).__name__ == "Vote"
    assert type(vote.steps[-1][1]).__module__ == "plain_mine"


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"low": float("nan"), "high": 1.0}, "got nan, expected numbers as low and high"),
        ({"low": 0.1, "high": float("inf")}, "got inf, expected numbers as low and high"),
        ({"low": 3, "high": 1}, "got 'low 3 above high 1'"),
        ({"low": 0, "high": 1, "log": True}, "a low above 0"),
        ({"low": 1, "high": 9, "log": "yes"}, "got 'yes', expected true or false for log"),
        ({"low": 1, "high": 9, "step": "a"}, "got 'a', expected a whole number as step"),
        ({"low": 1, "high": 9, "step": 0.5}, "got 0.5, expected a whole number as step"),
        ({"low": 1.0, "high": 2.0, "step": 3.0}, "a step above 0 within the range"),
        ([], "at least one value"),
    ],
)
def test_a_range_that_contradicts_itself_is_refused(choice, said):
    with pytest.raises(InvalidInput, match=said):
        check_declared("lightgbm", {"x": choice})


def test_what_is_tried_first_lies_within_what_is_declared():
    """Defaults outside the space would win, and nobody asked for them."""
    params = {"trees": 100, "leaf": 1, "rate": 0.1, "kind": "gbdt", "same": 7}
    declared = {
        "trees": {"low": 10, "high": 50},
        "leaf": [-5, 3, 20],
        "rate": {"low": 0.2, "high": 0.8, "step": 0.3},
        "kind": ["dart", "rf"],
        "depth": {"low": 2, "high": 8, "log": True},
        "bins": 63,
    }
    assert within(declared, params) == {
        "trees": 50, "leaf": 3, "rate": 0.2, "kind": "dart", "same": 7, "depth": 4, "bins": 63,
    }  # fmt: skip
    inside = {"trees": 20, "leaf": 20, "kind": "rf", "depth": 3}
    assert within(declared, inside) == {**inside, "rate": 0.5, "bins": 63}

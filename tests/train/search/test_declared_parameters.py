"""Parameters of a loop file reach the algorithm, or are refused before anything is trained."""

from __future__ import annotations

import pytest

from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.train.candidates.own import own_candidate
from everloop.train.search.buildable import check_buildable, check_spaces
from everloop.train.search.space import within
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

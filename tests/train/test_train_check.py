from __future__ import annotations

import subprocess
import sys

import pytest

from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.train.check import check_spec, find_candidate
from everloop.train.spec import PrepareSpec, SearchSpec, TrainSpec


@pytest.mark.parametrize(
    ("spec", "task", "sentence"),
    [
        (TrainSpec(("random_forrest",)), None, r'candidates\[0\].*Did you mean "random_forest"'),
        (
            TrainSpec(("linear_regression",)),
            "binary",
            "a candidate for binary: .*cnn, .*decision_tree",
        ),
        (TrainSpec(("ridge", "ridge")), None, "each candidate once"),
        (TrainSpec(("my module:Thing",)), None, 'a plain name or "module:Class"'),
        (TrainSpec(calibrate="platt"), "regression", "train.calibrate: got 'platt'.*regression"),
        (TrainSpec(explore=0.0), "bandit", "train.explore: got 0.0, expected a share"),
        (TrainSpec(explore=0.3), "binary", "train.explore: got 0.3, expected none for the task"),
        (TrainSpec(search=SearchSpec(trials=-1)), None, "search.trials: got -1"),
        (TrainSpec(search=SearchSpec(timeout="soon")), None, "search.timeout: got 'soon'"),
        (TrainSpec(search=SearchSpec(timeout="0s")), None, "a duration above 0"),
        (TrainSpec(space={"rigde": {}}), None, 'train.space: got .rigde., .*Did you mean "ridge"'),
        (TrainSpec(prepare=PrepareSpec(tail=0.5)), None, "prepare.tail: got 0.5"),
        (TrainSpec(prepare=PrepareSpec(rare=-1.0)), None, "prepare.rare: got -1.0"),
    ],
)
def test_a_bad_section_gets_one_sentence(spec, task, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        check_spec(spec, task)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("cnn", "got 'cnn', expected a feature of the kind image"),
        ("lstm", "expected a feature of the kind sequence or text"),
        ("matrix_factorisation", "got '0 categories', expected two of them"),
        ("ridge", None),
    ],
)
def test_what_an_algorithm_cannot_read_is_refused_before_it_is_fitted(name, sentence):
    schema = Schema((Feature("x", "number"),), "y", "regression")
    if sentence is None:
        find_candidate(name).suits(schema)
        return
    with pytest.raises(InvalidInput, match=sentence):
        find_candidate(name).suits(schema)


def test_checking_imports_no_library_of_models():
    code = """
import sys
from everloop.train.check import check_spec
from everloop.train.spec import TrainSpec
check_spec(TrainSpec(("lightgbm", "nowhere:Model")), "binary")
print([m for m in ("sklearn", "lightgbm", "optuna", "skl2onnx", "nowhere") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""Which method is sound for which champion, and what contradicts itself."""

from __future__ import annotations

import pytest

from everloop.errors import InvalidInput
from everloop.extensions import candidates, update_methods
from everloop.update.checking import check_update
from everloop.update.methods import About, Choice
from everloop.update.sound import check_sound
from everloop.update.spec import UpdateSpec

ONNX = frozenset({"model.onnx", "package.toml"})


@pytest.mark.parametrize(
    ("about", "sound"),
    [
        (About("regression", "ridge", metric="rmse"), {"retrain", "switch", "rollback"}),
        (
            About("binary", "knn", metric="accuracy", files=ONNX),
            {"retrain", "switch", "rollback", "calibrate", "threshold"},
        ),
        (About("binary", "knn", metric="roc_auc"), {"retrain", "switch", "rollback"}),
        (
            About("multiclass", "lightgbm", metric="log_loss"),
            {"retrain", "switch", "rollback", "calibrate", "pool"},
        ),
        (
            About("multilabel", "lightgbm", metric="f1_micro"),
            {"retrain", "switch", "rollback", "threshold"},
        ),
        (
            About("binary", "own:Model", metric="f1", files=frozenset({"own.py"})),
            {"retrain", "switch", "rollback"},
        ),
        (About("binary", "knn", metric="f1", timed=False, identified=False), {"retrain"}),
        (About("binary", "knn", metric="f1", stays=True), {"retrain"}),
        (About("ranking", "lightgbm", metric="ndcg"), {"retrain"}),
        (About("binary", "lightgbm", metric="f1", timed=False, identified=False), {"retrain"}),
    ],
)
def test_each_method_says_where_it_is_sound(about: About, sound: set[str]) -> None:
    ours = ("retrain", "switch", "rollback", "calibrate", "threshold", "pool")
    said = {name: update_methods.get(name)().sound(about) for name in ours}
    assert {name for name, why in said.items() if why is None} == sound, said
    assert all(why is None or (len(why) > 20 and why[-1] != ".") for why in said.values())


def test_weights_are_asked_of_algorithms_that_take_them() -> None:
    fading = Choice(window="decay 30d")
    retrain = update_methods.get("retrain")()
    able = {
        name
        for name, cls in candidates
        if "binary" in cls().tasks and retrain.sound(About("binary", name, fading)) is None
    }
    assert able == {
        "logistic_regression", "decision_tree", "random_forest", "extra_trees", "lightgbm",
        "gradient_boosting", "hist_gradient_boosting",
    }  # fmt: skip
    assert "data.time" in str(retrain.sound(About("binary", "lightgbm", fading, timed=False)))


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"window": "last 3d"}, r"update\.window: got 'last 3d', expected one of \"all\""),
        ({"search": "wram"}, r"update\.search: got 'wram', .*Did you mean \"warm\""),
        ({"method": "switch", "window": "change"}, r"expected \"all\", as the method switch fits"),
        ({"method": "calibrate", "search": "warm"}, r"expected \"keep\", as the method calibrate"),
    ],
)
def test_words_and_contradictions_are_named(policy: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        check_update(UpdateSpec(**policy))  # type: ignore[arg-type]


def test_some_algorithms_are_noted_and_all_are_refused() -> None:
    policy = UpdateSpec(window="decay 30d")
    choice = Choice(window=policy.window)
    both = [About("binary", name, choice) for name in ("lightgbm", "knn")]
    (note,) = check_sound(policy, both)
    assert note.startswith("With knn as the champion") and "takes no weights" in note
    with pytest.raises(InvalidInput, match=r"update\.window: got 'decay 30d', .* knn takes no"):
        check_sound(policy, both[1:])
    with pytest.raises(InvalidInput, match=r"update\.method: .* regression has no threshold"):
        check_sound(UpdateSpec(method="threshold"), [About("regression", "ridge")])

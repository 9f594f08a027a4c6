"""What a checkpoint holds of a model is read back the same, and nothing is run for it."""

from __future__ import annotations

import copy

import msgspec
import numpy as np
import pytest
import torch

from everloop.train.streaming.plain import Unplain, read_back, written


class Inner:
    def __init__(self) -> None:
        self.weights = np.arange(6.0).reshape(2, 3)
        self.random = np.random.RandomState(3)
        self.drawn = np.random.default_rng(5)


class Model:
    def __init__(self) -> None:
        self.inner = Inner()
        self.same = self.inner.weights  # one array under two names
        self.curve = [0.5, float("inf"), float("nan")]
        self.named = {"a": (1, None, "text"), 2: b"\x00", "long": 1 << 80}
        self.activation = np.tanh


def again(model: object, like: object) -> object:
    return read_back(msgspec.msgpack.decode(msgspec.msgpack.encode(written(model))), like)


def test_what_is_read_back_goes_on_as_what_was_written() -> None:
    model, like = Model(), Model()
    model.inner.random.normal(size=5)
    model.inner.drawn.normal(size=5)
    model.inner.weights += 1
    model.curve.append(0.25)
    found = again(model, like)
    assert found is like
    assert np.array_equal(like.inner.weights, model.inner.weights)
    assert like.same is like.inner.weights
    assert like.named == model.named and like.curve[3] == 0.25
    assert np.array_equal(like.inner.random.normal(size=3), model.inner.random.normal(size=3))
    assert np.array_equal(like.inner.drawn.normal(size=3), model.inner.drawn.normal(size=3))


@pytest.mark.parametrize("held", [torch.ones(2), np.array([object()]), lambda: 0, {1, 2}.pop])
def test_what_is_not_plain_is_refused(held: object) -> None:
    model = Model()
    model.inner.weights = held  # type: ignore[assignment]
    with pytest.raises(Unplain):
        again(model, Model())


def test_a_file_makes_no_objects_and_runs_nothing() -> None:
    node = written(Model())
    for wrong in (
        ["object", "os.system", []],
        ["object", "builtins.list", [["x", 1]]],
        ["each", [1], None],
        ["again", 7],
        [*copy.deepcopy(node[:2]), [["inner", ["object", node[1], []]]]],
    ):
        with pytest.raises(Unplain):
            read_back(wrong, Model())

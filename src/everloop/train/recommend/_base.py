"""What recommenders share: which columns of ``X`` are users and items, and their graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from everloop.data.schema import Schema
from everloop.errors import invalid

OPSET = 18
Floats = NDArray[np.float64]


class Recommender:
    """``r̂(u, i)`` from the codes of a user and an item; it rates what it does not know by averages.

    The user and the item are the two categories with the most levels, in the order of the columns.
    A code of -1 (missing or unseen) has no factors and no neighbours: the averages answer alone.

    Attributes
    ----------
    mean_ : of all ratings. user_bias_, item_bias_ : deviations from it, the last entry is 0 and
        stands for the unknown one.
    """

    columns_: tuple[int, int]
    sizes_: tuple[int, int]
    mean_: float
    user_bias_: Floats
    item_bias_: Floats

    def pairs(self, X: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Codes of users and items; unknown ones are the last."""
        user, item = (X[:, c].astype(np.int64) for c in self.columns_)
        users, items = self.sizes_
        return np.where(user < 0, users, user), np.where(item < 0, items, item)

    def fit_biases(self, user: Any, item: Any, y: Floats, shrink: float) -> Floats:
        """Regularised averages (Koren, 2008, baseline estimates); returns what they leave over."""
        users, items = self.sizes_
        self.mean_ = float(y.mean())
        rest = y - self.mean_
        self.item_bias_ = _shrunk(item, rest, items, shrink)
        rest = rest - self.item_bias_[item]
        self.user_bias_ = _shrunk(user, rest, users, shrink)
        return np.asarray(rest - self.user_bias_[user])

    def baseline(self, user: Any, item: Any) -> Floats:
        """``μ + b_u + b_i``"""
        return np.asarray(self.mean_ + self.user_bias_[user] + self.item_bias_[item])


def find_columns(schema: Schema) -> tuple[tuple[int, int], tuple[int, int]]:
    """Columns of ``X`` of users and items, and how many there are of each.

    Raises :class:`~everloop.errors.InvalidInput` when there are not two categories.
    """
    taken = schema.spans
    found = [(len(f.levels), taken[f.name].start) for f in schema.features if f.kind == "category"]
    if len(found) < 2:
        raise invalid(
            "data.categories",
            f"{len(found)} categories",
            "two of them, users and items",
            fix='Name them: categories = ["user", "item"].',
        )
    (users, user), (items, item) = sorted(sorted(found, reverse=True)[:2], key=lambda f: f[1])
    return (user, item), (users, items)


def _shrunk(codes: Any, values: Floats, count: int, shrink: float) -> Floats:
    sums = np.bincount(codes, weights=values, minlength=count + 1)
    sums[count] = 0.0
    return np.asarray(sums / (np.bincount(codes, minlength=count + 1) + shrink))


class Graph:
    """Nodes and constants of a graph from ``X`` to ``y``, made one line at a time."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def code(self, column: int, size: int, name: str) -> str:
        """The code in a column of ``X``, the last one for an unknown."""
        at = self.constant(f"{name}.at", np.array(column))
        value = self.add("Gather", ["X", at], f"{name}.x", axis=1)
        whole = self.add("Cast", [value], f"{name}.whole", to=TensorProto.INT64)
        zero = self.constant(f"{name}.zero", np.array(0, np.int64))
        last = self.constant(f"{name}.last", np.array(size, np.int64))
        unknown = self.add("Less", [whole, zero], f"{name}.unknown")
        return self.add("Where", [unknown, last, whole], name)

    def baseline(self, model: Recommender) -> tuple[str, str, str]:
        """The names of user codes, item codes and ``μ + b_u + b_i``."""
        (u, i), (users, items) = model.columns_, model.sizes_
        user, item = self.code(u, users, "user"), self.code(i, items, "item")
        biases = [
            self.add("Gather", [self.constant(f"{n}.biases", b), n], f"{n}.bias", axis=0)
            for n, b in ((user, model.user_bias_), (item, model.item_bias_))
        ]
        both = self.add("Add", biases, "biases")
        mean = self.constant("mean", np.array(model.mean_))
        return user, item, self.add("Add", [both, mean], "baseline")

    def to_bytes(self, schema: Schema) -> bytes:
        graph = helper.make_graph(
            self.nodes,
            "everloop",
            [helper.make_tensor_value_info("X", TensorProto.DOUBLE, ["rows", schema.width])],
            [helper.make_tensor_value_info("y", TensorProto.DOUBLE, ["rows"])],
            self.constants,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        data: bytes = helper.make_model(
            graph, opset_imports=opsets, ir_version=10
        ).SerializeToString()
        return data

"""LightGBM's trees of the parent, with more that are boosted from its scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from onnx import ModelProto, TensorProto, compose, helper, load_model_from_string

from everloop.data.schema import Schema
from everloop.train.cores import cores
from everloop.train.onnx import joined, same_opsets
from everloop.train.state.front import PREPARED, Front, Resumed
from everloop.train.state.keeping import resumable
from everloop.train.state.trees import Trees, TreesOfClasses
from everloop.train.transfer.mapping import Extra, Mapped, shared

ROUNDS = 60
RATE = 0.05


def warm_trees(
    folder: Path, parent: Schema, goal: Schema, X: np.ndarray, y: np.ndarray, seed: int
) -> Resumed:
    """The parent's trees and :data:`ROUNDS` more on n rows of ``goal``.

    The score of the parent is where boosting begins (its ``init_score``). Lost features are missing
    to the parent's trees; new ones stand beside what it reads, so that only new trees ask for them.
    """
    known = resumable(folder)
    assert known.front is not None, "LightGBM has its codes prepared"
    names = [f.name for f in goal.features if f.name not in shared(parent, goal)]
    front = _front(known.front, parent, goal, names, X)
    rows = front.transform(X)
    before = lightgbm.Booster(model_str=_widened(known.model.text, rows.shape[1]))
    codes = known.about.codes
    params = {
        **known.about.params,
        "learning_rate": RATE,
        "seed": seed,
        "verbosity": -1,
        "num_threads": cores(),
        "deterministic": True,
        "force_row_wise": True,
        "objective": "regression",
    }
    params.pop("n_estimators", None)
    params["min_child_samples"] = min(20, max(3, len(y) // 30))
    if codes:
        params["objective"] = "binary" if len(codes) == 2 else "multiclass"
    if len(codes) > 2:
        params["num_class"] = len(codes)
    targets = np.searchsorted(codes, y) if codes else y
    made = lightgbm.train(params, lightgbm.Dataset(rows, targets), ROUNDS, init_model=before)
    text = made.model_to_string()
    return Resumed(front, TreesOfClasses(text, codes) if codes else Trees(text))


def _front(front: Front, parent: Schema, goal: Schema, names: list[str], X: np.ndarray) -> Front:
    first = load_model_from_string(Front.of([Mapped(goal, parent)], X[:1]).data)
    data = joined(first, load_model_from_string(front.data))
    if not names:
        return Front(data, front.width)
    beside = Extra(goal, names)
    extra = load_model_from_string(Front.of([beside], X[:1]).data)
    whole = load_model_from_string(data)
    return Front(_beside(whole, extra), front.width + beside.width_)


def _beside(first: ModelProto, second: ModelProto) -> bytes:
    """What two graphs answer to the same ``X``, side by side."""
    same_opsets(first, second)
    second.ir_version = first.ir_version = max(first.ir_version, second.ir_version)
    second = compose.add_prefix(second, "extra.", rename_inputs=False)
    graph, answers = first.graph, [first.graph.output[0].name, second.graph.output[0].name]
    graph.node.extend(second.graph.node)
    graph.initializer.extend(second.graph.initializer)
    graph.node.append(helper.make_node("Concat", answers, [f"{PREPARED}.all"], axis=1))
    del graph.output[:]
    graph.output.append(
        helper.make_tensor_value_info(f"{PREPARED}.all", TensorProto.DOUBLE, ["rows", None])
    )
    return bytes(first.SerializeToString())


def _widened(text: str, width: int) -> str:
    """A model's text that takes rows of ``width`` columns, of which it never asks for the last."""
    head, mark, trees = text.partition("\nTree=0")
    lines = []
    for line in head.splitlines():
        key, _, value = line.partition("=")
        values: list[Any] = value.split(" ")
        if key == "max_feature_idx":
            line = f"{key}={width - 1}"
        elif key == "feature_names":
            more = [f"new_{i}" for i in range(len(values), width)]
            line = f"{key}={' '.join([*values, *more])}"
        elif key == "feature_infos":
            line = f"{key}={' '.join([*values, *['none'] * (width - len(values))])}"
        lines.append(line)
    return "\n".join(lines) + mark + trees

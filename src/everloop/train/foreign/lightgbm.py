"""LightGBM's own text format, turned into an ONNX tree ensemble."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from everloop.data.schema import Schema, Task
from everloop.errors import EverloopError
from everloop.train.foreign._base import (
    TOLERANCE,
    Brought,
    Hints,
    Label,
    bounded,
    feature_names,
    not_servable,
    numbers,
    unreadable,
)
from everloop.train.lightgbm_onnx import trees_of

_AS_IT_IS = frozenset(
    {"regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank",
     "rank_xendcg"}
)  # fmt: skip
_EXPONENTIAL = frozenset({"poisson", "gamma", "tweedie"})
_RANKING = frozenset({"lambdarank", "rank_xendcg"})
_CLASSES = frozenset({"binary", "multiclass"})
_WAY_OUT = "Convert it to ONNX where it was trained, and register that."
ROWS = 256


def from_lightgbm(path: Path, hints: Hints) -> Brought:
    """The model of a file that ``Booster.save_model`` wrote.

    Raises :class:`~everloop.errors.InvalidInput` for what is none, and for objectives and splits
    that have no counterpart: categorical splits, zero as missing, linear leaves, a transformed
    target.
    """
    data = bounded(path)
    try:
        booster = lightgbm.Booster(model_str=data.decode())
        dump: dict[str, Any] = booster.dump_model()
    except (UnicodeDecodeError, lightgbm.basic.LightGBMError, ValueError) as error:
        raise unreadable("text model of LightGBM", path.name, error) from None
    schema = _schema(booster, dump, hints)
    onnx = _graph(dump, schema)
    _compare(booster, onnx, schema)
    return Brought(onnx, schema, "lightgbm")


def _schema(booster: Any, dump: dict[str, Any], hints: Hints) -> Schema:
    width = booster.num_feature()
    if hints.schema is not None:
        if hints.schema.width != width:
            raise not_servable("schema.width", hints.schema.width, f"{width}, as the model's")
        return hints.schema
    objective, _ = _objective(dump)
    count = max(2, int(dump["num_class"]))
    classes: tuple[Label, ...] = ()
    task: Task = "ranking" if objective in _RANKING else "regression"
    if objective in _CLASSES:
        task = "binary" if count == 2 and objective == "binary" else "multiclass"
        classes = hints.classes or tuple(range(count))
        if len(classes) != count:
            raise not_servable("classes", list(classes), f"{count} of them")
    features = numbers(feature_names(hints, width, booster.feature_name()))
    return Schema(features=features, target=hints.target, task=task, classes=classes)


def _objective(dump: dict[str, Any]) -> tuple[str, dict[str, str]]:
    name, *options = str(dump.get("objective", "custom")).split(" ")
    known = _AS_IT_IS | _EXPONENTIAL | _CLASSES
    if name not in known or "sqrt" in options:
        got = " ".join((name, *options))
        raise not_servable("objective", got, "one of " + ", ".join(sorted(known)), _WAY_OUT)
    return name, dict(option.split(":", 1) for option in options if ":" in option)


def _graph(dump: dict[str, Any], schema: Schema) -> bytes:
    objective, options = _objective(dump)
    try:
        attributes = trees_of(dump)
    except EverloopError as error:
        raise not_servable("model.trees", error.got, str(error.expected), _WAY_OUT) from None
    scale = float(options.get("sigmoid", 1.0)) if objective == "binary" else 1.0
    if dump.get("average_output"):
        scale /= max(1, len(dump["tree_info"]) // int(dump["num_tree_per_iteration"]))
    node, double = helper.make_node, TensorProto.DOUBLE
    nodes = [
        node("TreeEnsembleRegressor", ["X"], ["single"], domain="ai.onnx.ml", **attributes),
        node("Cast", ["single"], ["sum"], to=double),
        node("Mul", ["sum", "scale"], ["raw"]),
    ]
    outputs = [helper.make_tensor_value_info("y", double, ["rows"])]
    if objective not in _CLASSES:
        last = "raw"
        if objective in _EXPONENTIAL:
            nodes.append(node("Exp", ["raw"], ["exp"]))
            last = "exp"
        nodes.append(node("Reshape", [last, "flat"], ["y"]))
    else:
        if objective == "binary":
            nodes += [
                node("Sigmoid", ["raw"], ["second"]),
                node("Neg", ["raw"], ["minus"]),
                node("Sigmoid", ["minus"], ["first"]),
                node("Concat", ["first", "second"], ["probabilities"], axis=1),
            ]
        else:
            nodes.append(node("Softmax", ["raw"], ["probabilities"], axis=1))
        nodes.append(node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0))
        shape: list[str | int] = ["rows", len(schema.classes)]
        outputs = [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["rows"]),
            helper.make_tensor_value_info("probabilities", double, shape),
        ]
    constants = [
        numpy_helper.from_array(np.array(scale), "scale"),
    ]
    if objective not in _CLASSES:
        constants.append(numpy_helper.from_array(np.array([-1], dtype=np.int64), "flat"))
    takes = [helper.make_tensor_value_info("X", double, ["rows", schema.width])]
    graph = helper.make_graph(nodes, "lightgbm", takes, outputs, constants)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    made: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    return made


def _compare(booster: Any, onnx: bytes, schema: Schema) -> None:
    """Both answer alike, near the trees' own thresholds and with holes."""
    rng = np.random.default_rng(0)
    X = rng.normal(0.0, 1.0, (ROWS, schema.width))
    for place, bounds in enumerate(_bounds(booster, schema.width)):
        if bounds:  # beside them, not on them: a dump's last digit may be another
            X[:, place] = rng.choice(bounds, ROWS) + rng.choice([-1e-9, 1e-9], ROWS)
    X[rng.random(X.shape) < 0.1] = np.nan
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    wanted = np.asarray(booster.predict(X))
    got = session.run(None, {"X": X})[-1]
    got = got[:, 1] if wanted.ndim == 1 and got.ndim == 2 else got
    worst = float(np.abs(wanted - got).max() / max(1.0, float(np.abs(wanted).max())))
    if not worst <= TOLERANCE:
        got_text = f"answers that differ by {worst:.2g}"
        raise not_servable("model", got_text, f"{TOLERANCE:g} at most", _WAY_OUT)


def _bounds(booster: Any, width: int) -> list[list[float]]:
    found: list[list[float]] = [[] for _ in range(width)]
    waiting = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    while waiting:
        node = waiting.pop()
        if "split_feature" in node:
            found[int(node["split_feature"])].append(float(node["threshold"]))
            waiting += [node["left_child"], node["right_child"]]
    return found

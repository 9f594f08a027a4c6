"""From the outputs of a foreign graph to ours: ``y``, or ``label`` and ``probabilities``.

What an output is, is seen from what it gives for two rows: a number each, a class each, scores by
class, or a dictionary of them. Scores that are no probabilities take a softmax (two classes in
one number: a sigmoid), which a person has to say.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from everloop.data.schema import Task
from everloop.train.foreign._base import Hints, Label, not_servable
from everloop.train.foreign.limits import all_nodes
from everloop.train.foreign.wires import Around

TASKS: tuple[Task, ...] = ("regression", "ranking", "binary", "multiclass")
_CLASSES = ("classlabels_int64s", "classlabels_ints", "classlabels_strings")


class Told(NamedTuple):
    """What the outputs say."""

    task: Task
    classes: tuple[Label, ...]


class Seen(NamedTuple):
    """Outputs by what they are: the names of values, None when there is none."""

    number: str | None
    label: str | None
    scores: str | None
    mapped: str | None


def answer(around: Around, hints: Hints) -> Told:
    """Connect the outputs; returns the task and the classes."""
    around.before = False
    width = next(
        i.type.tensor_type.shape.dim[1].dim_value for i in around.graph.input if i.name == "X"
    )
    values = around.probed(width)
    seen = _seen(values, hints)
    task = hints.schema.task if hints.schema is not None else hints.task
    if task is not None and task not in TASKS:
        raise not_servable("task", task, "one of " + ", ".join(TASKS))
    if seen.number is not None and task not in ("binary", "multiclass"):
        value = around.cast(seen.number, TensorProto.DOUBLE)
        around.reshape(value, [-1], "y")
        around.gives("y", TensorProto.DOUBLE, ["rows"])
        return Told(task or "regression", ())
    if task in ("regression", "ranking"):
        raise not_servable("model.outputs", _shown(values), "one number a row")
    return _classes(around, seen, values, hints)


def _seen(values: dict[str, Any], hints: Hints) -> Seen:
    kinds: dict[str, list[str]] = {"number": [], "label": [], "scores": [], "mapped": []}
    for name, value in values.items():
        kinds.setdefault(_kind(value), []).append(name)
    if hints.output is not None:
        wanted = f"model.{hints.output}"
        if wanted not in values:
            names = ", ".join(name.partition(".")[2] for name in values)
            raise not_servable("output", hints.output, f"one of {names}")
        kind = _kind(values[wanted])
        labels = kinds["label"] if kind in ("scores", "mapped") else []
        kinds = {**{key: [] for key in kinds}, "label": labels, kind: [wanted]}
    number, label, scores, mapped = (
        kinds[k][0] if len(kinds[k]) == 1 else None for k in ("number", "label", "scores", "mapped")
    )
    several = any(len(kinds[k]) > 1 for k in kinds)
    answers = sum(v is not None for v in (number, scores, mapped))
    if several or answers != 1 or kinds.get("unknown"):
        raise not_servable(
            "model.outputs", _shown(values), "a number a row, or probabilities and perhaps a label",
            "Name the one that answers with --output.",
        )  # fmt: skip
    return Seen(number, label, scores, mapped)


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "mapped" if len(value) == 2 and isinstance(value[0], dict) else "unknown"
    array = np.asarray(value)
    if len(array.shape) not in (1, 2) or array.shape[0] != 2:
        return "unknown"
    one = array.size == 2
    if array.dtype.kind == "f":
        return "number" if one else "scores"
    return "label" if one and array.dtype.kind in "iubOU" else "unknown"


def _shown(values: dict[str, Any]) -> str:
    told = []
    for name, value in values.items():
        shape = "a dictionary a row" if isinstance(value, list) else f"{np.shape(value)[1:]} a row"
        told.append(f"{name.partition('.')[2]} ({shape})")
    return ", ".join(told)


def _classes(around: Around, seen: Seen, values: dict[str, Any], hints: Hints) -> Told:
    given = hints.schema.classes if hints.schema is not None else hints.classes
    if seen.number is not None:
        return _from_number(around, seen.number, values[seen.number], hints, given)
    found: tuple[Label, ...] | None = None
    if seen.mapped is not None:
        found = tuple(values[seen.mapped][0])
        scores, array = _unmapped(around, seen.mapped), None
        count = len(found)
    else:
        assert seen.scores is not None
        scores, array = seen.scores, np.asarray(values[seen.scores])
        count = array.shape[1]
        found = _own_classes(around, count) if seen.label is not None else None
    found = found or tuple(range(count))
    classes = tuple(given) or found
    if len(classes) != count:
        raise not_servable("classes", list(classes), f"{count} of them")
    logits = _logits(array, hints) if array is not None else False
    value = around.cast(scores, TensorProto.DOUBLE)
    if logits:
        value = around.node("Softmax", [value], axis=1)
    around.node("Identity", [value], "probabilities")
    _label(around, seen.label, values, found, classes)
    around.gives("probabilities", TensorProto.DOUBLE, ["rows", count])
    return Told("binary" if count == 2 else "multiclass", classes)


def _from_number(
    around: Around, name: str, array: Any, hints: Hints, given: tuple[Label, ...]
) -> Told:
    """Two classes in one number: the probability of the second, or its logit."""
    value = around.reshape(around.cast(name, TensorProto.DOUBLE), [-1, 1])
    outside = bool(np.any((np.asarray(array) < 0) | (np.asarray(array) > 1)))
    if hints.logits or (hints.logits is None and outside):
        value = around.node("Sigmoid", [value])
    other = around.node("Sub", [around.constant(np.float64(1.0)), value])
    around.node("Concat", [other, value], "probabilities", axis=1)
    around.node("ArgMax", ["probabilities"], "label", axis=1, keepdims=0)
    around.gives("label", TensorProto.INT64, ["rows"])
    around.gives("probabilities", TensorProto.DOUBLE, ["rows", 2])
    if given and len(given) != 2:
        raise not_servable("classes", list(given), "2 of them")
    return Told("binary", tuple(given) or (0, 1))


def _logits(array: Any, hints: Hints) -> bool:
    """Whether scores still need their softmax."""
    if hints.logits is not None:
        return hints.logits
    certain = bool(np.all(array >= -1e-6) and np.allclose(array.sum(axis=1), 1.0, atol=1e-4))
    if not certain:
        raise not_servable(
            "model.outputs", "scores that are no probabilities", "probabilities",
            "Say --logits if a softmax is still to be taken.",
        )  # fmt: skip
    return False


def _unmapped(around: Around, name: str) -> str:
    """What a dictionary a row was made from; the node that made it goes."""
    for place, node in enumerate(around.graph.node):
        if name in node.output and node.op_type == "ZipMap":
            source = str(node.input[0])
            del around.graph.node[place]
            return source
    raise not_servable("model.outputs", name, "a tensor, or a ZipMap of one")


def _own_classes(around: Around, count: int) -> tuple[Label, ...] | None:
    """The classes as the graph tells them, in the order of its scores."""
    for node in all_nodes(around.model):
        for attribute in node.attribute:
            if attribute.name in _CLASSES:
                found = helper.get_attribute_value(attribute)
                if len(found) == count:
                    return tuple(v.decode() if isinstance(v, bytes) else int(v) for v in found)
    for tensor in around.graph.initializer:
        if tensor.name.rpartition(".")[2].startswith("classes") and tensor.dims == [count]:
            values = numpy_helper.to_array(tensor).tolist()
            return tuple(v.decode() if isinstance(v, bytes) else v for v in values)
    return None


def _label(
    around: Around,
    name: str | None,
    values: dict[str, Any],
    found: tuple[Label, ...],
    classes: tuple[Label, ...],
) -> None:
    """``label``: a code into the classes, or the class itself where that is text."""
    if name is None:
        around.node("ArgMax", ["probabilities"], "label", axis=1, keepdims=0)
        around.gives("label", TensorProto.INT64, ["rows"])
        return
    array = np.asarray(values[name])
    if not set(array.ravel().tolist()) <= set(found):
        raise not_servable(
            "classes", list(found), f"{array.ravel().tolist()} among them",
            "Name the classes in the order of the probabilities with --classes.",
        )  # fmt: skip
    if array.dtype.kind in "OU":
        if set(classes) != set(found):
            raise not_servable("classes", list(classes), f"those of the model: {list(found)}")
        around.reshape(name, [-1], "label")
        around.gives("label", TensorProto.STRING, ["rows"])
        return
    code = around.reshape(around.cast(name, TensorProto.INT64), [-1])
    if found != tuple(range(len(found))):
        column = around.reshape(code, [-1, 1])
        table = around.constant(np.array([[int(v) for v in found]], dtype=np.int64))
        same = around.cast(around.node("Equal", [column, table]), TensorProto.INT64)
        code = around.node("ArgMax", [same], axis=1, keepdims=0)
    around.node("Identity", [code], "label")
    around.gives("label", TensorProto.INT64, ["rows"])

"""From a fitted pipeline to ONNX, and the proof that both answer alike.

The graph takes ``X`` (double, n by width). It answers ``y`` (double, n) for regression, ``label``
(int64, n; a code into ``schema.classes``) and ``probabilities`` (double, n by k in the order of
``schema.classes``) for classification; of several labels a row both are n by k. Linear models are
computed in double precision; trees compare in the precision they were trained in and sum their
leaves in single precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnxruntime
from onnx import (
    ModelProto,
    TensorProto,
    compose,
    helper,
    load_model_from_string,
    numpy_helper,
)
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.pipeline import Pipeline

from everloop.data.quantiles import values_and_levels
from everloop.data.schema import Schema
from everloop.errors import EverloopError, InvalidInput
from everloop.train.loading import load
from everloop.train.predictions import predict
from everloop.train.preparation._base import Transform
from everloop.train.preparation._wires import Wires
from everloop.train.session import session_of

OPSET = {"": 18, "ai.onnx.ml": 3}
TOLERANCE = 1e-5  # of a probability; of a regression, times the largest answer
CHECKED_ROWS = 512
OTHER_ACTIONS = 0.02  # share of the rows where rounding may prefer another action
CHECKED_TEXTS = 32  # the same of rows that a language model reads, which takes its time
WAY_OUT = "Use a built-in candidate, or an estimator that skl2onnx converts."


def to_onnx(estimator: Any, schema: Schema, sample: np.ndarray | None = None) -> bytes:
    """The ONNX model of a fitted pipeline, checked to answer what the pipeline answers.

    Parameters
    ----------
    estimator : a fitted pipeline over ``X``, as :func:`everloop.train.fit.fit_candidates` returns.
    sample : rows of ``X`` to compare both on, float64; at most ``CHECKED_ROWS`` are used, once as
        they are and once with missing values and unseen levels put in. Without it, random rows.

    Raises :class:`~everloop.errors.InvalidInput` when the estimator cannot be converted, or when
    the converted model differs by more than ``TOLERANCE`` or in a label that is no tie.
    """
    data, session = _loaded(estimator, schema)
    for rows in _check_rows(schema, sample):
        _compare(_name(estimator), estimator, session, rows, schema)
    return data


def check_exportable(estimator: Any, schema: Schema) -> None:
    """Refuse a fitted pipeline that cannot be converted, whatever the converted one would answer.

    Raises :class:`~everloop.errors.InvalidInput`.
    """
    _loaded(estimator, schema)


def _loaded(estimator: Any, schema: Schema) -> tuple[bytes, onnxruntime.InferenceSession]:
    """The model, and what answers by it."""
    try:
        data = exported(estimator, schema)
        return data, session_of(data)
    except EverloopError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else ""
        raise _refused(_name(estimator), f"{type(error).__name__}: {reason}") from error


def exported(estimator: Any, schema: Schema) -> bytes:
    """The graph of a fitted estimator, not compared with anything."""
    if hasattr(estimator, "export_onnx"):
        own: bytes = estimator.export_onnx(schema)
        return own
    model = _convert(estimator, schema)
    # skl2onnx lists them in the order of a set: the same model shall be the same bytes.
    model.opset_import.sort(key=lambda one: one.domain)
    converted: bytes = model.SerializeToString()
    return converted


def exported_behind(stage: Transform, estimator: Any, schema: Schema) -> bytes:
    """The graph of an estimator that exports itself, with ``stage`` in front as one graph.

    ``schema`` is that of the stage's input; the estimator gets that of its output.
    """
    own = load_model_from_string(estimator.export_onnx(getattr(stage, "schema_", schema)))
    return joined(transform_graph(stage, schema.width), own)


def joined(front: ModelProto, own: ModelProto) -> bytes:
    """Two graphs as one: the only answer of ``front`` is what ``own`` reads."""
    front.ir_version = own.ir_version = max(front.ir_version, own.ir_version)
    same_opsets(front, own)
    first = compose.add_prefix(front, "prepare.", rename_inputs=False)
    second = compose.add_prefix(own, "model.", rename_outputs=False)
    wires = [(first.graph.output[0].name, second.graph.input[0].name)]
    return bytes(compose.merge_models(first, second, wires).SerializeToString())


def transform_graph(transform: Transform, width: int | None) -> ModelProto:
    """The graph of a transform alone, from ``X`` of ``width`` columns (None for any number)."""
    register_converters(transform)
    model: ModelProto = convert_sklearn(
        transform, initial_types=[("X", DoubleTensorType([None, width]))], target_opset=OPSET
    )
    return model


def same_opsets(front: ModelProto, own: ModelProto) -> None:
    """Say the later version of both; our steps' operators mean the same in all later ones."""
    versions: dict[str, int] = {}
    for one in (*front.opset_import, *own.opset_import):
        versions[one.domain] = max(versions.get(one.domain, 1), one.version)
    for model in (front, own):
        del model.opset_import[:]
        model.opset_import.extend(helper.make_opsetid(d, v) for d, v in versions.items())


def _convert(estimator: Any, schema: Schema) -> ModelProto:
    register_converters(estimator)
    classifier = not schema.numeric and schema.task != "multilabel"
    model: ModelProto = convert_sklearn(
        estimator,
        name="everloop",
        initial_types=[("X", DoubleTensorType([None, schema.width]))],
        options={id(estimator): {"zipmap": False}} if classifier else None,
        target_opset=OPSET,
    )
    outputs = [f"model.{output.name}" for output in model.graph.output]
    _rename(model, {output.name: f"model.{output.name}" for output in model.graph.output})
    del model.graph.output[:]
    if schema.task == "multilabel":
        _add(model, "Cast", [outputs[0]], "probabilities", to=TensorProto.DOUBLE)
        add_labels(model, np.full(len(schema.classes), 0.5))
        _output(model, "probabilities", TensorProto.DOUBLE, ["rows", len(schema.classes)])
    elif classifier:
        _classifier_outputs(model, outputs, np.asarray(estimator.classes_), len(schema.classes))
    else:
        _add(model, "Cast", [outputs[0]], "y.double", to=TensorProto.DOUBLE)
        _constant(model, "y.shape", np.array([-1], dtype=np.int64))
        _add(model, "Reshape", ["y.double", "y.shape"], "y")
        _output(model, "y", TensorProto.DOUBLE, ["rows"])
    return model


def _classifier_outputs(
    model: ModelProto, outputs: list[str], classes: np.ndarray, count: int
) -> None:
    _add(model, "Cast", [outputs[0]], "label", to=TensorProto.INT64)
    _output(model, "label", TensorProto.INT64, ["rows"])
    complete = len(classes) == count
    known = "probabilities" if complete else "probabilities.known"
    _add(model, "Cast", [outputs[1]], known, to=TensorProto.DOUBLE)
    if not complete:  # a class that was not in the training rows has probability 0
        place = np.zeros((len(classes), count))
        place[np.arange(len(classes)), classes.astype(int)] = 1.0
        _constant(model, "probabilities.place", place)
        _add(model, "MatMul", [known, "probabilities.place"], "probabilities")
    _output(model, "probabilities", TensorProto.DOUBLE, ["rows", count])


def add_labels(model: ModelProto, thresholds: np.ndarray) -> None:
    """``label`` n by k: 1 where ``probabilities`` reach each label's threshold."""
    _constant(model, "label.threshold", np.asarray(thresholds, dtype=np.float64)[None, :])
    _add(model, "Less", ["probabilities", "label.threshold"], "label.below")
    _add(model, "Not", ["label.below"], "label.reached")
    _add(model, "Cast", ["label.reached"], "label", to=TensorProto.INT64)
    _output(model, "label", TensorProto.INT64, ["rows", len(thresholds)])


def _add(model: ModelProto, kind: str, inputs: list[str], output: str, **attrs: Any) -> None:
    model.graph.node.append(
        helper.make_node(kind, inputs, [output], name=f"{kind}.{output}", **attrs)
    )


def _rename(model: ModelProto, names: dict[str, str]) -> None:
    for node in model.graph.node:
        for wires in (node.input, node.output):
            wires[:] = [names.get(wire, wire) for wire in wires]


def _constant(model: ModelProto, name: str, value: np.ndarray) -> None:
    model.graph.initializer.append(numpy_helper.from_array(value, name))


def _output(model: ModelProto, name: str, kind: int, shape: list[str | int]) -> None:
    model.graph.output.append(helper.make_tensor_value_info(name, kind, shape))


def register_converters(estimator: Any) -> None:
    """Teach skl2onnx our own steps, and what of others it has no converter for."""
    for transform in _subclasses(Transform):
        update_registered_converter(
            transform,
            f"Everloop{transform.__name__}",
            _transform_shape,
            _convert_transform,
            parser=_parse_transform,
        )
    load("everloop.train.estimators._base:register")()
    steps = list(_parts(estimator))
    if any(type(s).__module__.startswith("sklearn.ensemble._hist") for s in steps):
        load("everloop.train.hist_onnx:register")()
    if any(base.__module__.startswith("lightgbm.") for s in steps for base in type(s).__mro__):
        load("everloop.train.lightgbm_onnx:register")()
    if any(type(s).__name__ == "SimpleImputer" for s in steps):
        load("everloop.train.imputer_onnx:register")()


def _parts(whole: Any) -> Iterator[Any]:
    """An estimator and all that is inside it: steps, branches, members."""
    yield whole
    for name in ("steps", "transformers", "transformer_list", "estimators"):
        held = getattr(whole, name, None)
        for entry in held if isinstance(held, list) else ():
            yield from _parts(entry[1] if isinstance(entry, tuple) else entry)
    if hasattr(whole, "estimator"):
        yield from _parts(whole.estimator)


def _subclasses(cls: type[Any]) -> list[type[Any]]:
    found: list[type[Any]] = []
    direct: type[Any]
    for direct in cls.__subclasses__():
        found += [direct, *_subclasses(direct)]
    return found


def _parse_transform(scope: Any, model: Any, inputs: list[Any], custom_parsers: Any = None) -> Any:
    """Say the width at once: what selects columns of the result is parsed before any shape."""
    operator = scope.declare_local_operator(f"Everloop{type(model).__name__}", model)
    operator.inputs = inputs
    kind = FloatTensorType if model.float32 else DoubleTensorType
    operator.outputs.append(scope.declare_local_variable("prepared", kind([None, model.width_])))
    return operator.outputs


def _transform_shape(operator: Any) -> None:
    transform = operator.raw_operator
    kind = FloatTensorType if transform.float32 else DoubleTensorType
    operator.outputs[0].type = kind([None, transform.width_])


def _convert_transform(scope: Any, operator: Any, container: Any) -> None:
    wires = Wires(scope, container)
    last = operator.raw_operator.graph(operator.inputs[0].full_name, wires)
    container.add_node(
        "Identity",
        [last],
        operator.outputs[0].full_name,
        name=scope.get_unique_operator_name("end"),
    )


def _check_rows(schema: Schema, sample: np.ndarray | None) -> list[np.ndarray]:
    """Rows as they come, and rows with holes."""
    rng = np.random.default_rng(0)
    levels = np.array(
        [
            f.vocabulary if f.kind in ("category", "text") else 0
            for f in schema.features
            for _ in range(f.width)
        ]
    )
    count = CHECKED_TEXTS if any(f.tokens == "pieces" for f in schema.features) else CHECKED_ROWS
    if sample is None:
        rows = rng.normal(0.0, 3.0, (count, schema.width))
        drawn = rng.integers(-1, np.maximum(levels, 1), (count, schema.width))
        rows = np.where(levels > 0, drawn, rows)
    else:
        chosen = rng.choice(len(sample), min(count, len(sample)), replace=False)
        rows = np.asarray(sample, dtype=np.float64)[chosen]
    holes = np.where(levels > 0, -1.0, np.nan)
    return [rows, np.where(rng.random(rows.shape) < 0.2, holes, rows)]


def _compare(name: str, estimator: Any, session: Any, rows: np.ndarray, schema: Schema) -> None:
    pred, proba = predict(estimator, rows, schema)
    answers = session.run(None, {"X": rows})
    if schema.numeric:
        scale = max(1e-300, float(np.abs(pred).max()))
        told = [pred] if proba is None else [pred, values_and_levels(proba)[0]]
        worst = max(float(np.abs(a - b).max()) for a, b in zip(answers, told, strict=False)) / scale
    else:
        assert proba is not None
        if answers[1].shape != proba.shape or answers[0].shape != pred.shape:
            raise _refused(name, "the converted model answers in another shape")
        same = _compared(answers[0], pred, schema)
        if np.mean(same) < 1.0 - OTHER_ACTIONS:
            raise _refused(name, "the converted model prefers other actions")
        worst = float(np.abs(answers[1] - proba)[same].max())
        if schema.task != "bandit" and np.any(
            (answers[0] != pred) & ~_ties(estimator, proba, schema)
        ):
            raise _refused(name, "the converted model gives other labels")
    if not worst <= TOLERANCE:
        raise _refused(name, f"the converted model differs by {worst:.2g} (at most {TOLERANCE:g})")


def _compared(label: np.ndarray, pred: np.ndarray, schema: Schema) -> np.ndarray:
    """The rows whose probabilities are compared: of a bandit those with the same best action.

    Of two actions that promise the same but for rounding either is best; what is served is what is
    logged and judged.
    """
    if schema.task != "bandit":
        return np.ones(len(label), dtype=bool)
    return np.asarray(label == pred)


def _ties(estimator: Any, proba: np.ndarray, schema: Schema) -> np.ndarray:
    """Where rounding may decide the label: n rows, or n by k of several labels."""
    if schema.task == "multilabel":
        cuts = np.asarray(getattr(estimator, "thresholds", 0.5))
        return np.asarray(np.abs(proba - cuts) <= 2 * TOLERANCE)
    if hasattr(estimator, "threshold"):
        return np.asarray(np.abs(proba[:, 1] - estimator.threshold) <= 2 * TOLERANCE)
    ranked = np.sort(proba, axis=1)
    return np.asarray(ranked[:, -1] - ranked[:, -2] <= 2 * TOLERANCE)


def _name(estimator: Any) -> str:
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    return type(last).__name__


def _refused(name: str, reason: str) -> InvalidInput:
    return InvalidInput(
        f"train.candidates: got {name}, which cannot be exported to ONNX ({reason}). {WAY_OUT}",
        code="not_exportable",
        path="train.candidates",
        got=name,
        expected="an estimator that can be exported to ONNX",
        fix=WAY_OUT,
    )

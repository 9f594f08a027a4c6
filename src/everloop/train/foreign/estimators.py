"""A fitted estimator of scikit-learn, turned into ONNX and adapted like any foreign graph."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnxruntime
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from everloop.data.schema import Feature, Schema, Task
from everloop.errors import EverloopError
from everloop.train.foreign._base import Brought, Hints, Label, feature_names, not_servable, numbers
from everloop.train.foreign.onnx import adapted
from everloop.train.onnx import OPSET, register_converters

ROWS = 200
TOLERANCE = 1e-5  # as of our own models: some converters compute in single precision
_WAY_OUT = "Convert it to ONNX where it was trained, and register that."


def from_estimator(estimator: Any, hints: Hints) -> Brought:
    """The estimator as it is served.

    Columns of text that an encoder has learnt are categories with its levels. Raises
    :class:`~everloop.errors.InvalidInput` when skl2onnx cannot convert it, or when the result
    answers otherwise.
    """
    name = type(_last(estimator)).__name__
    features = _features(estimator, hints)
    classes = tuple(_plain(c) for c in getattr(estimator, "classes_", ()))
    schema = hints.schema or Schema(
        features=features,
        target=hints.target,
        task=hints.task or _task(estimator, classes),
        classes=hints.classes or classes,
    )
    found: Exception | None = None
    for kind in (DoubleTensorType, FloatTensorType):
        try:
            brought = _convert(estimator, schema, kind, name.lower())
            _compare(estimator, brought, features)
            return brought
        except EverloopError as error:
            found = error
        except Exception as error:  # skl2onnx raises many types
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            found = not_servable("model", f"{name} ({reason})", "what skl2onnx converts", _WAY_OUT)
    assert found is not None
    raise found from None


def _convert(estimator: Any, schema: Schema, kind: Any, name: str) -> Brought:
    register_converters(estimator)
    if _columns(estimator) is None:
        types = [("input", kind([None, schema.width]))]
    else:
        types = [
            (f.name, StringTensorType([None, 1]) if f.kind == "category" else kind([None, 1]))
            for f in schema.features
        ]
    options = {id(estimator): {"zipmap": False}} if hasattr(estimator, "classes_") else None
    model = convert_sklearn(estimator, initial_types=types, options=options, target_opset=OPSET)
    return adapted(model, Hints(schema=schema), name)


def _task(estimator: Any, classes: tuple[Label, ...]) -> Task:
    if not hasattr(estimator, "classes_"):
        return "regression"
    if not hasattr(estimator, "predict_proba"):
        raise not_servable(
            "model", type(_last(estimator)).__name__, "a classifier that has predict_proba",
            "Wrap it into CalibratedClassifierCV.",
        )  # fmt: skip
    return "binary" if len(classes) == 2 else "multiclass"


def _last(estimator: Any) -> Any:
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator


def _columns(estimator: Any) -> ColumnTransformer | None:
    first = estimator.steps[0][1] if isinstance(estimator, Pipeline) else estimator
    return first if isinstance(first, ColumnTransformer) else None


def _features(estimator: Any, hints: Hints) -> tuple[Feature, ...]:
    if hints.schema is not None:
        return hints.schema.features
    width = getattr(estimator, "n_features_in_", None)
    if width is None:
        raise not_servable("model", type(estimator).__name__, "a fitted estimator of columns")
    found = [str(name) for name in getattr(estimator, "feature_names_in_", ())]
    names = feature_names(hints, int(width), found)
    columns = _columns(estimator)
    levels = {} if columns is None else dict(_levels(columns, names))
    return tuple(
        Feature(name, "category", levels[name], nullable=True)
        if name in levels
        else numbers([name])[0]
        for name in names
    )


def _levels(
    columns: ColumnTransformer, names: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The columns of text, with the levels that an encoder has learnt."""
    for _, fitted, chosen in columns.transformers_:
        steps = fitted.steps if isinstance(fitted, Pipeline) else [("", fitted)]
        for _, step in steps:
            if not hasattr(step, "categories_"):
                continue
            for column, found in zip(chosen, step.categories_, strict=True):
                values = [v for v in np.asarray(found).tolist() if isinstance(v, str)]
                if values:
                    name = names[column] if isinstance(column, int | np.integer) else str(column)
                    yield name, tuple(values)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _compare(estimator: Any, brought: Brought, features: tuple[Feature, ...]) -> None:
    """Both answer alike on random rows."""
    rng = np.random.default_rng(0)
    columns = [
        rng.integers(0, len(f.levels), ROWS) if f.kind == "category" else rng.normal(0, 2, ROWS)
        for f in features
    ]
    X = np.column_stack(columns).astype(np.float64)
    session = onnxruntime.InferenceSession(brought.onnx, providers=["CPUExecutionProvider"])
    got = session.run(None, {"X": X})[-1]
    rows = _as_asked(estimator, X, features)
    wanted = (
        estimator.predict_proba(rows)
        if hasattr(estimator, "predict_proba")
        else np.ravel(estimator.predict(rows))
    )
    worst = float(np.abs(wanted - got).max() / max(1.0, float(np.abs(wanted).max())))
    if not worst <= TOLERANCE:
        raise not_servable(
            "model", f"converted answers that differ by {worst:.2g}", f"{TOLERANCE:g} at most",
            _WAY_OUT,
        )  # fmt: skip


def _as_asked(estimator: Any, X: np.ndarray, features: tuple[Feature, ...]) -> Any:
    """The rows as the estimator takes them: a frame where it was fitted on one."""
    if not hasattr(estimator, "feature_names_in_"):
        return X
    columns = {
        f.name: [f.levels[int(v)] for v in column] if f.kind == "category" else column
        for f, column in zip(features, X.T, strict=True)
    }
    return importlib.import_module("pandas").DataFrame(columns)

"""What an estimator of ours is.

It follows scikit-learn and, as :class:`~everloop.train.preparation._base.Transform` does, says
itself as an ONNX graph, so that what is served is what was trained. To add one, write a class in
a file of its own; the exporter finds every subclass by itself.

Obligations. ``fit`` learns attributes that end in ``_`` and returns self. ``graph`` takes a wire
of double values (n rows) and returns one, built of ``skl2onnx.algebra`` operators with
``op_version=opset``: the answers n by 1 of a regressor, the probabilities n by k in the order of
``classes_`` of a classifier, or those of the k labels, which ``n_labels_`` counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx import update_registered_converter
from skl2onnx.algebra.onnx_ops import OnnxArgMax, OnnxGather, OnnxIdentity
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin


class GraphRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Answers a number for each row, in Python and as an ONNX graph."""

    def graph(self, X: Any, opset: int) -> Any:
        """The operator that answers what ``predict`` does, n by 1."""
        raise NotImplementedError


class GraphClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Answers probabilities of ``classes_``, in Python and as an ONNX graph."""

    classes_: np.ndarray

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities, n by k."""
        raise NotImplementedError

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def graph(self, X: Any, opset: int) -> Any:
        """The operator that answers what :meth:`predict_proba` does."""
        raise NotImplementedError


class GraphLabels(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Answers each label's own probability, n by k; fitted on n by k of 0 and 1.

    A subclass brings ``predict_proba``, its own or scikit-learn's.
    """

    n_labels_: int

    def predict(self, X: Any) -> np.ndarray:
        """The labels that are more likely than not, n by k of 0 and 1."""
        return np.asarray(self.predict_proba(X) >= 0.5).astype(np.int64)

    def graph(self, X: Any, opset: int) -> Any:
        """The operator that answers what :meth:`predict_proba` does."""
        raise NotImplementedError


def register() -> None:
    """Make skl2onnx convert every subclass that was imported."""
    for cls in _subclasses(GraphRegressor):
        update_registered_converter(cls, f"Everloop{cls.__name__}", _number_shape, _convert_number)
    for cls in _subclasses(GraphLabels):
        update_registered_converter(cls, f"Everloop{cls.__name__}", _labels_shape, _convert_number)
    for cls in _subclasses(GraphClassifier):
        update_registered_converter(
            cls,
            f"Everloop{cls.__name__}",
            class_shape,
            _convert_class,
            options={"zipmap": [True, False, "columns"], "nocl": [True, False]},
        )


def class_shape(operator: Any) -> None:
    """Outputs of a classifier: a label, and the probabilities of its classes."""
    operator.outputs[0].type = Int64TensorType([None])
    operator.outputs[1].type = DoubleTensorType([None, len(operator.raw_operator.classes_)])


def _labels_shape(operator: Any) -> None:
    operator.outputs[0].type = DoubleTensorType([None, operator.raw_operator.n_labels_])


def _number_shape(operator: Any) -> None:
    operator.outputs[0].type = DoubleTensorType([None, 1])


def _convert_number(scope: Any, operator: Any, container: Any) -> None:
    opset = container.target_opset
    last = operator.raw_operator.graph(operator.inputs[0], opset)
    OnnxIdentity(last, op_version=opset, output_names=operator.outputs[:1]).add_to(scope, container)


def _convert_class(scope: Any, operator: Any, container: Any) -> None:
    model, opset = operator.raw_operator, container.target_opset
    probabilities = OnnxIdentity(
        model.graph(operator.inputs[0], opset),
        op_version=opset,
        output_names=operator.outputs[1:2],
    )
    place = OnnxArgMax(probabilities, axis=1, keepdims=0, op_version=opset)
    label = OnnxGather(
        np.asarray(model.classes_, dtype=np.int64),
        place,
        op_version=opset,
        output_names=operator.outputs[:1],
    )
    label.add_to(scope, container)
    probabilities.add_to(scope, container)


def _subclasses(cls: type[Any]) -> list[type[Any]]:
    found: list[type[Any]] = []
    for direct in cls.__subclasses__():
        found += [direct, *_subclasses(direct)]
    return found


DOUBLE = TensorProto.DOUBLE

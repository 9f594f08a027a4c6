"""scikit-learn's ``SimpleImputer`` in an ONNX graph of doubles.

skl2onnx writes the operator ``Imputer``, which onnxruntime has for single precision alone, and it
says nothing of columns that are dropped for want of any value, or of the indicator's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType
from skl2onnx.operator_converters.common import concatenate_variables
from skl2onnx.operator_converters.imputer_op import convert_sklearn_imputer
from skl2onnx.shape_calculators.imputer import calculate_sklearn_imputer_output_shapes
from sklearn.impute import SimpleImputer

from everloop.train.preparation._wires import Wires


def register() -> None:
    """Make skl2onnx convert the imputer with this module."""
    update_registered_converter(SimpleImputer, "EverloopSimpleImputer", _shape, _convert)


def _doubles(operator: Any) -> bool:
    return all(isinstance(one.type, DoubleTensorType) for one in operator.inputs)


def _shape(operator: Any) -> None:
    calculate_sklearn_imputer_output_shapes(operator)
    if _doubles(operator):
        imputer = operator.raw_operator
        added = len(imputer.indicator_.features_) if imputer.add_indicator else 0
        operator.outputs[0].type = DoubleTensorType([None, len(_kept(imputer)) + added])


def _kept(imputer: SimpleImputer) -> np.ndarray:
    """The columns that had a value, or are kept without one."""
    return np.flatnonzero(~np.isnan(imputer.statistics_.astype(np.float64)))


def _convert(scope: Any, operator: Any, container: Any) -> None:
    if not _doubles(operator):
        convert_sklearn_imputer(scope, operator, container)
        return
    imputer, wires = operator.raw_operator, Wires(scope, container)
    rows = concatenate_variables(scope, operator.inputs, container)
    marked = imputer.missing_values
    if isinstance(marked, float) and np.isnan(marked):
        missing = wires.add("IsNaN", rows)
    else:
        missing = wires.add("Equal", rows, np.array([marked], dtype=np.float64))
    kept = _kept(imputer)
    values = imputer.statistics_.astype(np.float64)[kept][None, :]
    parts = [
        wires.add("Where", wires.columns(missing, kept), values, wires.columns(rows, kept)),
    ]
    if imputer.add_indicator:
        parts.append(wires.double(wires.columns(missing, imputer.indicator_.features_)))
    container.add_node(
        "Identity",
        [wires.beside(parts)],
        operator.outputs[0].full_name,
        name=scope.get_unique_operator_name("imputed"),
    )

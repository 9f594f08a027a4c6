"""A model package, loaded and ready to answer: ONNX in, labels or numbers out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from everloop.data.schema import Schema
from everloop.deploy.package import MODEL, Package
from everloop.errors import EverloopError, Integrity, InvalidInput, invalid

INPUT = "X"
LARGEST = 1e15  # a number in a row; what is larger may overflow on its way through a model
AT_ONCE = 256  # rows of texts, images or sequences, which widen to many numbers on their way


class ModelFailure(EverloopError):
    """The model itself failed on an input that its schema allows.

    ``raised`` : the name of the exception that code of one's own raised, "" where it did not.
    """

    code = "model_failed"
    raised = ""


class Output(NamedTuple):
    """``y``: a class or a float per row; ``probabilities``: (n, classes), None for regression.

    Of several labels a row ``y`` is a list of them per row. Of a model of quantiles,
    ``probabilities`` are those, (n, quantiles).
    """

    y: list[Any]
    probabilities: npt.NDArray[np.floating[Any]] | None


class Predictor:
    """The ONNX model of a package folder that was verified before.

    The model takes ``X`` (float64, ``schema.width`` columns) and gives ``y``, or ``label``
    (indices into ``schema.classes``, or text) and ``probabilities``. ``threads`` is how many
    cores one prediction may use. Safe to call from several threads.

    Raises :class:`~everloop.errors.Integrity` when the model cannot be loaded or has other inputs
    or outputs.

    Attributes
    ----------
    outputs : the names of what the model is asked for.
    wide : whether a row is many numbers, so that not many go at once.
    run : onnxruntime's own: the names of outputs, arrays by the names of inputs, and None.
    """

    waits = False

    def __init__(self, folder: Path, package: Package, threads: int = 1) -> None:
        self.package = package
        self.schema = package.schema
        try:
            self._session = session_of(str(folder / MODEL), threads)
        except Exception as error:  # onnxruntime raises bare types of its own
            raise Integrity(f"{MODEL} cannot be loaded: {error}.", path=MODEL) from error
        self.outputs = self._check_signature()
        self.run = run_of(self._session)
        self._numeric = self.schema.numeric
        self._classes: Sequence[Any] = self.schema.classes
        self.wide = any(feature.shape for feature in self.schema.features)
        self._several = self.schema.task == "multilabel"

    def predict(self, X: npt.NDArray[np.float64]) -> Output:
        """Answer for each row of ``X``; raises what :meth:`arrays` does."""
        return self._output(*self.arrays(X))

    def answered(self, X: npt.NDArray[np.float64], found: list[Any]) -> Output:
        """The same where the model was run on ``X`` by somebody else and gave ``found``."""
        return self._output(*self._checked(X, found))

    def _output(
        self, first: npt.NDArray[Any], numbers: npt.NDArray[np.floating[Any]] | None
    ) -> Output:
        y = first.tolist()
        if self._several:
            return Output(self._listed(y), numbers)
        return Output(y if self._numeric else self._named(y), numbers)

    def arrays(
        self, X: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.floating[Any]] | None]:
        """The same as arrays; a class is its code into ``schema.classes``, or its text.

        Of several labels a row, 0 or 1 for each of the classes.

        Raises :class:`ModelFailure`, and :class:`~everloop.errors.InvalidInput` for a row with a
        number so large that the answer to it overflows, and for one with a missing value that the
        model has no answer to.
        """
        try:
            if self.wide and len(X) > AT_ONCE:
                found = self._in_parts(X)
            else:
                found = self.run(self.outputs, {INPUT: X}, None)
        except Exception as error:  # onnxruntime raises bare types of its own
            _check_missing(X, self.schema)
            raise ModelFailure(f"the model failed: {error}") from error
        return self._checked(X, found)

    def _checked(
        self, X: npt.NDArray[np.float64], found: list[Any]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.floating[Any]] | None]:
        first, *rest = found
        numbers = rest[0] if rest else first
        if not _all_finite(numbers):
            _check_size(X)
            if len(numbers) == len(X):
                wrong = ~np.isfinite(numbers.reshape(len(X), -1)).all(axis=1)
                _check_missing(np.where(wrong[:, None], X, 0.0), self.schema)
            raise ModelFailure("the model answered a number that is not finite")
        count = len(first) if self._several else first.size
        if count != len(X):
            raise ModelFailure(f"the model gave {count} answers for {len(X)} rows")
        return first if self._several else first.ravel(), rest[0] if rest else None

    def _in_parts(self, X: npt.NDArray[np.float64]) -> list[Any]:
        starts = range(0, len(X), AT_ONCE)
        parts = [self._session.run(self.outputs, {INPUT: X[i : i + AT_ONCE]}) for i in starts]
        return [np.concatenate(same) for same in zip(*parts, strict=True)]

    def warm_up(self, rows: int = 1) -> None:
        """Answer rows of missing values once, so that the first caller does not pay for it."""
        X = np.full((rows, self.schema.width), np.nan)
        self._session.run(self.outputs, {INPUT: X})

    def _named(self, labels: list[Any]) -> list[Any]:
        if not labels or not isinstance(labels[0], int):
            return labels
        try:
            classes = self._classes
            return [classes[label] for label in labels]
        except IndexError:
            raise ModelFailure(f"the model answered a class beyond {len(self._classes)}") from None

    def _listed(self, labels: list[list[int]]) -> list[Any]:
        """The labels that each row has, in the order of the schema."""
        return [list(compress(self._classes, row)) for row in labels]

    def _check_signature(self) -> list[str]:
        (*inputs,) = self._session.get_inputs()
        width = self.schema.width
        if [i.name for i in inputs] != [INPUT] or inputs[0].type != "tensor(double)":
            got = [(i.name, i.type) for i in inputs]
            raise Integrity(f'{MODEL} takes {got}, expected one double tensor "{INPUT}".')
        shape = inputs[0].shape  # a free dimension is a name or None
        if len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != width):
            raise Integrity(f"{MODEL} takes {shape}, the schema says width {width}.")
        wanted = ["y"] if self.schema.numeric else ["label", "probabilities"]
        if self.schema.quantiles:
            wanted.append("quantiles")
        given = [o.name for o in self._session.get_outputs()]
        if not set(wanted) <= set(given):
            raise Integrity(f"{MODEL} gives {given}, expected {wanted}.")
        return wanted


def session_of(model: str | bytes, threads: int = 1) -> ort.InferenceSession:
    """A model's file or its bytes, ready to run; raises bare types of onnxruntime."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False  # as fast, and a large batch's memory comes back
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_of(session: ort.InferenceSession) -> Callable[..., list[Any]]:
    """Runs it: onnxruntime's own object, where it is, since to check names that never change costs
    each request as much as a small model's first operators."""
    run: Callable[..., list[Any]] = getattr(session, "_sess", session).run
    return run


def _check_size(X: npt.NDArray[np.float64]) -> None:
    """No number may be so large that sums and products of it leave what a float holds."""
    large = np.abs(np.nan_to_num(X)).max(axis=1) > LARGEST
    if large.any():
        row = int(large.argmax())
        raise InvalidInput(
            f"$[{row}]: the model has no answer to a number beyond {LARGEST:g}.",
            code="too_large_a_number", path=f"$[{row}]", expected=f"numbers up to {LARGEST:g}",
        )  # fmt: skip


def _check_missing(X: npt.NDArray[np.float64], schema: Schema) -> None:
    """A model that never saw a missing value may have no answer to one."""
    rows, columns = np.nonzero(np.isnan(X))
    if not len(rows):
        return
    row, column = int(rows[0]), int(columns[0])
    names = [name for name, span in schema.spans.items() if span.start <= column < span.stop]
    path = f"$[{row}].{names[0]}"
    raise invalid(
        path, None, "a value: the model has no answer where it is missing",
        code="missing_value", path=path,
    )  # fmt: skip


def check_never_missing(X: npt.NDArray[np.float64], schema: Schema) -> None:
    """Raise InvalidInput for a missing value where the schema says that none was in training.

    Asked once a model has failed. A level that was never seen is a missing value to it.
    """
    for feature in schema.features:
        if feature.nullable:
            continue
        first = X[:, schema.spans[feature.name].start]
        category = feature.kind == "category"
        missing = first < 0 if category else np.isnan(first)
        if missing.any():
            path = f"$[{int(missing.argmax())}].{feature.name}"
            levels = ", ".join(map(repr, feature.levels[:10]))
            raise invalid(
                path, "<none of its levels>" if category else None,
                (f"one of {levels}" if category else "a value")
                + ": the model failed, and its schema has no missing value here",
                code="missing_value", path=path,
            )  # fmt: skip


def _all_finite(numbers: npt.NDArray[np.floating[Any]]) -> bool:
    """Whether no value is NaN or infinite."""
    # A sum of a few Python floats is told from the array's own test by a microsecond.
    if numbers.size <= 64 and isfinite(sum(numbers.ravel().tolist())):
        return True
    return bool(np.isfinite(numbers).all())

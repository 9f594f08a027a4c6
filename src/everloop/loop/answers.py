"""What a packaged model answers on a table: the one way that test, gate and demo ask it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from everloop.data.encode import encode
from everloop.data.quantiles import with_levels
from everloop.data.schema import Schema
from everloop.deploy.package import MODEL, ONNX, Package, place_of_tested
from everloop.deploy.predictor import ModelFailure
from everloop.deploy.runtimes import load_runtime
from everloop.evaluate.answers import Answers
from everloop.train.state.names import FOLDER

BATCH = 16_384  # rows at a time, so that memory stays bounded
LATENCY_CALLS = 300


class PackagedModel:
    """A model package that answers for polars frames.

    Classes are those of ``schema`` (the one the comparison is made in), so that two versions with
    different classes can be compared on the same rows.
    """

    def __init__(self, folder: Path, package: Package) -> None:
        self.folder, self.package = folder, package
        self.predictor = load_runtime(folder, package)

    @classmethod
    def tested(cls, folder: Path, package: Package) -> PackagedModel:
        """The model that has not seen the rows that tested the version; most often the served one.

        To be asked wherever rows of the version's own snapshot judge it.
        """
        return cls(place_of_tested(folder), package)

    def answers(self, frame: pl.DataFrame, schema: Schema | None = None) -> Answers:
        """Predictions of every row: class codes into ``schema.classes``, or numbers."""
        own = self.package.schema
        schema = schema or own
        parts = [
            self.predictor.arrays(encode(frame[i : i + BATCH], own))
            for i in range(0, frame.height, BATCH)
        ]
        if not parts:
            return Answers(np.empty(0))
        y = np.concatenate([first for first, _ in parts])
        beside = [numbers for _, numbers in parts if numbers is not None]
        return _answers(y, np.concatenate(beside) if beside else None, own, schema)

    def ask(self, X: npt.NDArray[np.float64]) -> Answers:
        """Predictions of rows of ``X``, in the model's own classes."""
        own = self.package.schema
        return _answers(*self.predictor.arrays(np.ascontiguousarray(X)), own, own)

    @property
    def size(self) -> int:
        """Bytes of what is loaded to answer, the same before it is a package and after.

        Of ONNX it is the graph: report, profile and what training goes on from answer nothing.
        """
        if self.package.runtime == ONNX:
            return (self.folder / MODEL).stat().st_size
        files = [p for p in self.folder.rglob("*") if p.is_file()]
        return sum(p.stat().st_size for p in files if p.parent.name != FOLDER)

    def latency_ms(self, frame: pl.DataFrame) -> float | None:
        """99th percentile of the time to answer one row, in milliseconds."""
        if frame.height == 0:
            return None
        rows = encode(frame.head(LATENCY_CALLS), self.package.schema)
        spent: list[float] = []
        for call in range(LATENCY_CALLS):
            row = rows[call % len(rows)][None, :]
            start = time.perf_counter()
            self.predictor.predict(row)
            spent.append((time.perf_counter() - start) * 1000)
        return float(np.percentile(spent[10:], 99))


def _answers(
    y: npt.NDArray[Any], beside: npt.NDArray[Any] | None, own: Schema, schema: Schema
) -> Answers:
    if schema.numeric:
        quantiles = None if beside is None else with_levels(beside, schema)
        return Answers(y.astype(np.float64), quantiles)
    proba = None if beside is None else _in_classes(beside, own, schema)
    if schema.task == "multilabel":
        return Answers(_in_classes(y.astype(np.float64), own, schema).astype(np.int64), proba)
    return Answers(_codes(y, own, schema), proba)


def _codes(y: npt.NDArray[Any], own: Schema, schema: Schema) -> npt.NDArray[np.int64]:
    """Answers as codes into the classes of ``schema``; what is none of them is -1, always wrong."""
    code = {label: index for index, label in enumerate(schema.classes)}
    if y.dtype.kind not in "iu":
        return np.asarray([code.get(label, -1) for label in y.tolist()], dtype=np.int64)
    if y.size and y.max() >= len(own.classes):
        raise ModelFailure(f"the model answered a class beyond {len(own.classes)}")
    known = np.asarray([code.get(label, -1) for label in own.classes], dtype=np.int64)
    codes: npt.NDArray[np.int64] = known[y]
    return codes


def _in_classes(
    proba: npt.NDArray[np.float64], own: Schema, schema: Schema
) -> npt.NDArray[np.float64]:
    if own.classes == schema.classes:
        return proba
    out = np.zeros((len(proba), len(schema.classes)))
    for index, label in enumerate(own.classes):
        if label in schema.classes:
            out[:, schema.classes.index(label)] = proba[:, index]
    return out

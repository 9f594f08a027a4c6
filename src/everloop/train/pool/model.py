"""The pool as an estimator: it answers codes and probabilities, and exports itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from everloop.data.schema import Schema
from everloop.errors import invalid
from everloop.train.pool.front import Front
from everloop.train.pool.links import Numbers, link_of
from everloop.train.pool.pool import Pool
from everloop.train.preparation import one_hot


class PoolModel(BaseEstimator):  # type: ignore[misc]
    """A pool over ``X`` of a schema.

    Attributes
    ----------
    pool : it. codes : of the classes that it tells apart, ascending; empty for numbers.
    """

    def __init__(self, pool: Pool, codes: np.ndarray) -> None:
        self.pool, self.codes = pool, codes

    @classmethod
    def begun(cls, pipeline: Any, X: np.ndarray, y: np.ndarray, schema: Schema) -> PoolModel:
        """From a fitted pipeline that ends in LightGBM, and the rows it was fitted on."""
        model = _last(pipeline)
        codes = np.asarray(getattr(model, "classes_", np.empty(0))).astype(np.int64)
        made = cls(Pool(link_of(schema.task, len(codes), y)), codes)
        made.renew(pipeline, len(X), schema)
        line = Front.of(one_hot(schema).fit(X), schema.width)
        made.pool.draw(line, X, made._coded(y))
        return made

    def renew(self, pipeline: Any, rows: int, schema: Schema) -> None:
        """Take a full fit of the same classes in."""
        front = Front.of(pipeline[:-1], schema.width)
        self.pool.renew(front, _last(pipeline), rows)

    def freshen(self, pipeline: Any, rows: int, schema: Schema) -> None:
        """Take a fit of the same classes on the newest rows in."""
        front = Front.of(pipeline[:-1], schema.width)
        self.pool.freshen(front, _last(pipeline), rows)

    def update(self, X: np.ndarray, y: np.ndarray) -> None:
        """Learn from a window. Raises InvalidInput for a class that the pool does not know."""
        self.pool.update(X, self._coded(y))

    def _coded(self, y: np.ndarray) -> np.ndarray:
        """Targets as the pool reads them: numbers, or the places of codes."""
        if isinstance(self.pool.link, Numbers):
            return y
        told = np.asarray(y, dtype=np.float64)
        strange = told[~np.isin(told, self.codes)]
        if len(strange):
            raise invalid(
                "y", float(strange[0]), f"one of the classes {self.codes.tolist()}",
                fix="A new class needs a full fit.",
            )  # fmt: skip
        return np.searchsorted(self.codes, told)

    @property
    def classes_(self) -> np.ndarray:
        return self.codes

    def __sklearn_is_fitted__(self) -> bool:
        return bool(self.pool.families)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities in the order of ``classes_``, n by k."""
        return self.pool.predict_proba(X)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Numbers, or codes of the most probable classes."""
        found = self.pool.predict(X)
        return found if isinstance(self.pool.link, Numbers) else self.codes[found]

    def export_onnx(self, schema: Schema) -> bytes:
        """One graph of all families."""
        # Exporting is heavy to import and needed once.
        from everloop.train.pool.graph import exported_pool  # noqa: PLC0415

        return exported_pool(self.pool, self.codes, schema)


def _last(pipeline: Any) -> Any:
    """LightGBM's estimator at the end."""
    last = pipeline[-1] if isinstance(pipeline, Pipeline) else None
    if not hasattr(last, "booster_"):
        name = type(pipeline if last is None else last).__name__
        raise invalid("model", name, "a pipeline that ends in LightGBM's trees")
    return last

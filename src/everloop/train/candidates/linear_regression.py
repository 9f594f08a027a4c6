"""Ordinary least squares."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Schema, Task
from everloop.extensions import candidates
from everloop.train.candidates._base import ALIKE
from everloop.train.candidates._by_reward import ByReward


@candidates.register("linear_regression")
class LinearRegression(ByReward):
    """``min_w ||y - Xw - b||²`` (Legendre, 1805), scikit-learn's ``LinearRegression``.

    On complete numbers it predicts what ``LinearRegression().fit(X, y)`` predicts.
    """

    estimators: ClassVar[dict[Task, str]] = {"regression": "sklearn.linear_model:LinearRegression"}
    weighted = ALIKE
    preparation = "everloop.train.preparation:one_hot_unscaled"
    seeded = False

    def fixed(self, schema: Schema, params: dict[str, Any]) -> dict[str, Any]:
        return {"tol": 1e-10}  # of the iterative solver on sparse input; its default is 1e-6

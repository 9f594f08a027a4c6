"""What candidates for quantiles share: the same algorithm once for each quantile."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Schema, Task
from everloop.train.candidates._base import Candidate
from everloop.train.loading import load


class ByQuantile(Candidate):
    """Builds one estimator a quantile where the task is quantile; otherwise as ever.

    ``quantile_arguments`` are what makes the estimator answer a quantile, ``quantile_name`` the
    parameter that says which.
    """

    quantile_name: ClassVar[str] = "quantile"
    quantile_arguments: ClassVar[dict[str, Any]] = {}

    def build(self, schema: Schema, task: Task, seed: int, params: dict[str, Any]) -> Any:
        if task != "quantile":
            return super().build(schema, task, seed, params)
        parts = [
            super(ByQuantile, self).build(
                schema, task, seed, params | self.quantile_arguments | {self.quantile_name: q}
            )
            for q in schema.quantiles
        ]
        return load("everloop.train.estimators.quantiles:Quantiles")(tuple(parts))

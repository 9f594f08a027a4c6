"""What candidates for two classes share with those for many labels: the same once for each."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.data.schema import Schema, Task
from everloop.train.candidates._base import Candidate
from everloop.train.loading import load


class ByLabel(Candidate):
    """Builds a classifier a label where the task is multilabel; otherwise as ever."""

    @property
    def tasks(self) -> frozenset[Task]:
        return super().tasks | {"multilabel"}

    def build(self, schema: Schema, task: Task, seed: int, params: dict[str, Any]) -> Any:
        if task != "multilabel":
            return super().build(schema, task, seed, params)
        two = msgspec.structs.replace(schema, task="binary", classes=(0, 1))
        parts = [super(ByLabel, self).build(two, "binary", seed, params) for _ in schema.classes]
        return load("everloop.train.estimators.one_vs_rest:OneVsRest")(tuple(parts))

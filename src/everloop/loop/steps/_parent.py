"""The rows that trained the version which a model is made from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from everloop.data.encode import encode, encode_target
from everloop.errors import EverloopError
from everloop.loop.steps._base import StepContext
from everloop.registry.models import ModelVersion

MOST = 100_000  # the newest


def rows_of(
    context: StepContext, version: ModelVersion
) -> Callable[[], tuple[np.ndarray, np.ndarray] | None]:
    """Reads ``X`` and targets in the version's own schema; None where they are no longer kept."""

    def read() -> tuple[np.ndarray, np.ndarray] | None:
        project = context.project
        step = project.cycles.step(version.cycle or "", "snapshot")
        rows = int(((step.result if step else None) or {}).get("train_rows", 0))
        if not rows or version.dataset is None:
            return None
        first = max(0, rows - MOST)
        try:
            frame = project.datasets.load(version.dataset, first, rows - first)
            schema = project.package(version)[1].schema
            return encode(frame, schema), encode_target(frame, schema)
        except EverloopError:
            return None

    return read

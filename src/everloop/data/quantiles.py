"""Quantiles beside their levels: what metrics of quantiles read, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from everloop.data.schema import Schema


def with_levels(quantiles: NDArray[Any], schema: Schema) -> NDArray[np.float64]:
    """n by 2q: the quantiles of each row, then the levels they stand for."""
    levels = np.broadcast_to(np.asarray(schema.quantiles, dtype=np.float64), quantiles.shape)
    return np.hstack([quantiles, levels])


def values_and_levels(both: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The quantiles, n by q, and their levels, n by q."""
    values, levels = np.hsplit(both, 2)
    return values, levels

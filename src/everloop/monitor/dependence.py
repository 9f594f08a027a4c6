"""Rows that follow each other in time are alike; what that does to the strength of evidence.

Flights of one hour share their weather, so counting them as independent makes every difference
look significant. Two answers to it live here: how many rows are worth one independent row, and
the standard error of any score from leaving out one block of consecutive rows at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCKS = 56  # per stretch
BLOCK_ROWS = 500  # at most; dependence beyond eight such blocks counts as change, not as noise
LAGS = 10  # 1.3 times the root of the blocks: Lazarus, Lewis, Stock & Watson (JBES 2018)
CHUNK = 1 << 15  # codes counted together
JACKKNIFE_BLOCKS = 20
JACKKNIFE_LAGS = 2


class BlockEstimate(NamedTuple):
    """A statistic of ordered rows, its standard error, and the error's degrees of freedom."""

    value: float
    error: float
    freedom: int


def rows_per_draw(codes: NDArray[np.signedinteger[Any]], levels: int) -> float:
    """Design effect of the shares of ``codes`` (0 … levels-1, rows in time order), at least 1.

    The variance of the shares over blocks of consecutive rows, with the covariance of
    neighbouring blocks (Bartlett weights: Newey & West, Econometrica 1987), over what independent
    rows would give, summed over the levels: the first-order correction of Rao & Scott (JASA
    1981). It is taken within stretches of 56 blocks of at most 500 rows, so that a season counts
    as change and not as noise.
    """
    size = min(len(codes) // BLOCKS, BLOCK_ROWS)
    if size < 5 or levels < 2:
        return 1.0
    stretches = len(codes) // (size * BLOCKS)
    blocks = stretches * BLOCKS
    counts = _counted(codes[: size * blocks].reshape(blocks, size), levels)
    shares = counts.reshape(stretches, BLOCKS, levels) / size
    mean = shares.mean(axis=1, keepdims=True)
    independent = float((mean * (1 - mean)).sum()) / size
    if independent <= 0:
        return 1.0
    away = shares - mean
    variance = float((away**2).sum())
    for lag in range(1, LAGS + 1):
        weight = 2 * (1 - lag / (LAGS + 1))
        variance += weight * float((away[:, lag:] * away[:, :-lag]).sum())
    return max(1.0, variance / (BLOCKS - 1) / independent)


def _counted(blocks: NDArray[np.signedinteger[Any]], levels: int) -> NDArray[np.float64]:
    """How often each level comes in each block; some blocks at a time, which stay in the cache."""
    counts = np.empty((len(blocks), levels))
    step = max(1, CHUNK // blocks.shape[1])
    apart = np.arange(step)[:, None] * levels
    for first in range(0, len(blocks), step):
        part = blocks[first : first + step]
        cells = np.ravel(part + apart[: len(part)])
        found = np.bincount(cells, minlength=len(part) * levels)
        counts[first : first + step] = found.reshape(len(part), levels)
    return counts


def block_estimate(statistic: Callable[[NDArray[np.intp]], float], rows: int) -> BlockEstimate:
    """A statistic of ``rows`` ordered rows with its error by the delete-a-block jackknife.

    ``statistic`` gets the indices to use. Pseudo-values of neighbouring blocks may be correlated,
    which the error allows for (Künsch, Annals of Statistics 1989). The error is NaN when there
    are fewer than 60 rows or the statistic is undefined without some block.
    """
    every = np.arange(rows)
    value = float(statistic(every))
    blocks = min(JACKKNIFE_BLOCKS, rows // 30)
    if blocks < 2:
        return BlockEstimate(value, float("nan"), 0)
    edges = np.linspace(0, rows, blocks + 1).astype(np.intp)
    without = np.array(
        [
            statistic(np.concatenate([every[:start], every[stop:]]))
            for start, stop in pairwise(edges)
        ]
    )
    away = (blocks - 1) * (without.mean() - without)
    variance = float((away**2).sum())
    for lag in range(1, min(JACKKNIFE_LAGS, blocks // 3) + 1):
        weight = 2 * (1 - lag / (JACKKNIFE_LAGS + 1))
        variance += weight * max(0.0, float((away[lag:] * away[:-lag]).sum()))
    return BlockEstimate(value, float(np.sqrt(variance / (blocks * (blocks - 1)))), blocks - 1)

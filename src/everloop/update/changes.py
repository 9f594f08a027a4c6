"""Where a stream of losses changed its level: the exact best division into stretches.

Losses are replaced by their ranks, so that neither heavy tails nor a spread that grows with the
level look like changes (as in Pettitt's test, Applied Statistics 1979). The means of blocks of
consecutive rows are then divided into stretches of one level each so that

    Σ over stretches of Σ (xᵢ - mean)²  +  β · (number of changes)

is least: optimal partitioning (Jackson et al., IEEE Signal Processing Letters 2005), the problem
that PELT (Killick, Fearnhead and Eckley, JASA 2012) prunes for longer series than these at most
400 blocks. The price of a change is ``β = 3 σ² log n`` (the modified BIC of Zhang and
Siegmund, Biometrics 2007); σ comes from differences of neighbours, which a change of level hardly
moves, and is raised by the correlation of neighbouring blocks, since a bad afternoon is not a new
world.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCKS = 400  # at most
BLOCK_ROWS = 25  # at least
LEAST = 4  # blocks of a stretch
_NORMAL = 0.6745  # median of |z|


def changes(losses: NDArray[np.float64]) -> list[int]:
    """First rows of the stretches after the first, in order; empty where nothing changed.

    ``losses`` are n finite numbers in order of time.
    """
    size = max(BLOCK_ROWS, -(-len(losses) // BLOCKS))
    count = len(losses) // size
    if count < 2 * LEAST:
        return []
    kept = losses[len(losses) - count * size :]  # the oldest rows of an odd rest say least
    means = _ranks(kept).reshape(count, size).mean(axis=1)
    price = 3.0 * _variance(means) * np.log(count)
    first = len(losses) - count * size
    return [first + block * size for block in _partition(means, price)]


def _ranks(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks over their number; those of ties are shared."""
    _, place, counts = np.unique(losses, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray(((last - (counts - 1) / 2) / len(losses))[place])


def _variance(means: NDArray[np.float64]) -> float:
    """Of the noise around the level, times what the correlation of neighbours adds to a mean."""
    steps = np.diff(means)
    spread = float(np.median(np.abs(steps))) / _NORMAL / np.sqrt(2.0)
    deviation = max(spread, 1e-12 + 1e-6 * float(np.abs(means).mean()))
    away = means - _running_level(means)
    square = float((away**2).mean())
    alike = float((away[1:] * away[:-1]).mean()) / square if square > 0 else 0.0
    alike = min(max(alike, 0.0), 0.9)
    # Neighbours that are alike differ less: both the spread and the sum are corrected.
    return float(deviation**2 / (1 - alike) * (1 + alike) / (1 - alike))


def _running_level(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """A running median, which follows steps."""
    reach = max(2, min(10, len(means) // 8))
    padded = np.pad(means, reach, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), axis=1)


def _partition(x: NDArray[np.float64], price: float) -> list[int]:
    """First positions of all stretches but the first."""
    n = len(x)
    total = np.concatenate([[0.0], np.cumsum(x)])
    square = np.concatenate([[0.0], np.cumsum(x**2)])
    best = np.full(n + 1, np.inf)
    best[0], before = -price, np.zeros(n + 1, dtype=np.intp)
    for end in range(LEAST, n + 1):
        start = np.arange(end - LEAST + 1)
        sums = total[end] - total[start]
        cost = square[end] - square[start] - sums**2 / (end - start)
        whole = best[start] + cost + price
        before[end] = int(whole.argmin())
        best[end] = whole[before[end]]
    found: list[int] = []
    end = n
    while before[end] > 0:
        end = int(before[end])
        found.append(end)
    return found[::-1]

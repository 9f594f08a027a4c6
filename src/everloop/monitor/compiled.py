"""The two loops that counting spends its time in, compiled (``pip install "everloop[fast]"``).

They see a value once where NumPy passes over it a dozen times. Counts are the same to the bit;
the two sums are of the same terms in another order, and differ as those of merged counts do, by
rounding alone. All else, before and after a loop, is one code for both.

numba and the loops cost a process .6 s, so that they are loaded (:func:`load`) once NumPy has spent
about as much on what they would have saved: whoever looks at a few windows never pays, and whoever
counts a long stream pays at most twice. numba keeps machine code beside this file, in the user's
cache folder or where NUMBA_CACHE_DIR says; where none can be written each process compiles anew.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

PAYS = 200_000_000  # values counted by NumPy that cost as much more as loading does
BLOCK = 1 << 10  # values whose places are kept at hand
MARK = -(1 << 31)  # what the count of a shared cell begins at, so that its sign tells
LANES = 1 << 5  # sums that are added to in turns, as one waits for the addition before

_counted = 0  # values so far, of this process


class Loops(NamedTuple):
    """:func:`by_place` and :func:`by_hash` in machine code."""

    by_place: Callable[..., tuple[int, float, float, float, float]]
    by_hash: Callable[..., None]


def by_place(
    values: NDArray[np.float64],
    base: float,
    scale: float,
    shared: NDArray[np.bool_],
    first: NDArray[np.float64],
    exact: bool,
    cells: NDArray[np.int64],
    others: NDArray[np.int64],
    apart: NDArray[np.float64],
) -> tuple[int, float, float, float, float]:
    """Count values by cell as :class:`~everloop.monitor.cuts.Cuts` does, into ``cells``.

    What lies in a ``shared`` cell goes to ``apart``, which has room for one more than there are
    values; where ``exact``, only what is not the cell's ``first`` point, and ``others`` counts it.
    Returns how many those are, the sums of all places and of their squares, and the least and
    the largest value between the outer cells.
    """
    last, outer, inner = len(cells) - 1.0, np.int32(len(cells) - 1), np.int32(1)
    counts = np.zeros(len(cells), np.int32)  # of fewer than 2^31 values
    for cell in range(len(cells)):
        counts[cell] = MARK if shared[cell] and not exact else 0
    places, at = np.empty(BLOCK), np.empty(BLOCK, np.int32)
    far, sums, squares = 0, np.zeros(LANES), np.zeros(LANES)
    lowest, highest, least, largest = outer, inner, np.inf, -np.inf
    for begin in range(0, len(values), BLOCK):
        part = values[begin : begin + BLOCK]
        size = len(part)
        for i in range(size):  # without a branch, so that several are computed at once
            place = (part[i] - base) * scale
            place = place if place > 1.0 else (1.0 if place == place else 0.0)  # 0: NaN
            place = place if place < last else last
            places[i], at[i] = place, np.int32(place)
        low, high = outer, inner
        for i in range(size):
            above, below = at[i] if at[i] > inner else outer, at[i] if at[i] < outer else inner
            low, high = above if above < low else low, below if below > high else high
        if low <= lowest and low < outer:
            lowest = low
            for i in range(size):
                if at[i] == low and part[i] < least:
                    least = part[i]
        if high >= highest and high > inner:
            highest = high
            for i in range(size):
                if at[i] == high and part[i] > largest:
                    largest = part[i]
        places[size:] = 0.0
        for i in range(0, BLOCK, LANES):
            for j in range(LANES):
                place = places[i + j]
                sums[j] += place
                squares[j] += place * place
        if exact:
            for i in range(size):
                cell, value = at[i], part[i]
                counts[cell] += 1
                if shared[cell] and first[cell] != value:
                    others[cell] += 1
                    apart[far] = value
                    far += 1
        else:
            for i in range(size):
                count = counts[at[i]] + np.int32(1)
                counts[at[i]] = count
                apart[far] = part[i]
                far += count < 0
    for cell in range(len(cells)):
        cells[cell] += counts[cell] - (MARK if shared[cell] and not exact else 0)
    return far, sums.sum(), squares.sum(), least, largest


def by_hash(
    hashes: NDArray[np.uint64], shift: int, known: NDArray[np.uint64], cells: NDArray[np.int64]
) -> None:
    """Count into ``cells`` the hashes that are those ``known`` of their cells, which are their
    bits from ``shift``."""
    for value in hashes:
        cell = value >> shift
        cells[cell] += known[cell] == value


_loops: Loops | str | None = "not loaded"


def loops(values: int) -> Loops | None:
    """The compiled loops to count ``values`` with; None where NumPy is to be used."""
    global _counted
    _counted += values
    return load() if _counted >= PAYS else None


def load() -> Loops | None:
    """Have the loops ready, and used from now on; None without numba."""
    global _counted, _loops
    _counted = max(_counted, PAYS)
    if isinstance(_loops, str):
        _loops = _load()
    return _loops


def _load() -> Loops | None:
    try:
        numba: Any = import_module("numba")
    except ImportError:  # not installed, or not for this NumPy
        return None
    if numba.config.DISABLE_JIT:
        return None
    whole, real, natural = numba.int64, numba.float64, numba.uint64

    def read(kind: Any) -> Any:
        return numba.types.Array(kind, 1, "C", readonly=True)

    def compiled(loop: Callable[..., Any], signature: Any) -> Any:
        try:
            return numba.njit(signature, cache=True, nogil=True)(loop)
        except (RuntimeError, OSError):  # no folder to keep it in, or none with room
            return numba.njit(signature, nogil=True)(loop)

    count = whole[::1]
    told = numba.types.Tuple((whole, real, real, real, real))
    kept = read(numba.boolean), read(real), numba.boolean
    place = told(read(real), real, real, *kept, count, count, real[::1])
    hashed = numba.void(read(natural), natural, read(natural), count)
    return Loops(compiled(by_place, place), compiled(by_hash, hashed))

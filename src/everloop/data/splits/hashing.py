"""A number for each row that depends on nothing but what the row says.

Neither the rows around it, nor the order of the file, nor the version of a library move it, so a
row that is drawn to test stays there when others come.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.columns import as_instant, as_text, is_text
from everloop.data.schema import Schema

Hashes = NDArray[np.uint64]
_GOLDEN = 0x9E3779B97F4A7C15
_CHUNK = 1 << 15  # rows mixed at a time, which stay in the processor's cache
_THREADS = 2  # NumPy mixes without holding the interpreter
_MANY = 8 * _CHUNK  # rows from which on it pays to begin threads


def row_hash(df: pl.DataFrame, schema: Schema, seed: int, group_by: str | None = None) -> Hashes:
    """64 bits for each row, by the finaliser of splitmix64 (Steele et al., 2014).

    Of its group where ``group_by`` names a column, else of its id, else of the values of its
    features: then equal rows have equal hashes and stay on one side.
    """
    names: Sequence[str] = [group_by] if group_by else [schema.id] if schema.id else schema.names
    return hash_columns([df[name] for name in names], len(df), seed)


def hash_columns(columns: Sequence[pl.Series], rows: int, seed: int) -> Hashes:
    """64 bits for each row of ``columns``."""
    values = [_values(series) for series in columns]
    out = np.empty(rows, dtype=np.uint64)

    def mix(first: int) -> None:
        span = slice(first, first + _CHUNK)
        state = np.full(len(out[span]), (seed * _GOLDEN + 1) % 2**64, dtype=np.uint64)
        for column in values:
            state = _mix(state ^ _bits(column[span]))
        out[span] = state

    if rows < _MANY:
        for first in range(0, rows, _CHUNK):
            mix(first)
        return out
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(mix, range(0, rows, _CHUNK)))
    return out


def salted(hashes: Hashes, salt: int) -> Hashes:
    """Other hashes of the same rows, independent of the given ones."""
    return _mix(hashes ^ np.uint64(salt * _GOLDEN % 2**64))


def fraction(hashes: Hashes) -> NDArray[np.float64]:
    """The hashes as numbers from 0 to 1."""
    return np.asarray((hashes >> np.uint64(11)) * 2.0**-53, dtype=np.float64)


def _mix(state: Hashes) -> Hashes:
    state = state + np.uint64(_GOLDEN)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = state ^ (state >> np.uint64(31))
    return mixed


def _bits(values: NDArray[np.float64] | Hashes) -> Hashes:
    """64 bits for each value: of numbers, one form of zero and of what is missing."""
    if values.dtype == np.uint64:
        return values.view(np.uint64)
    plain = values + 0.0  # -0.0 is 0.0
    missing = np.isnan(plain)
    if missing.any():
        plain[missing] = np.nan
    return plain.view(np.uint64)


def _values(series: pl.Series) -> NDArray[np.float64] | Hashes:
    """A column as numbers, so that 1, 1.0 and true are one value, or text as hashes."""
    if series.dtype.is_temporal() and series.dtype not in (pl.Duration, pl.Time):
        series = as_instant(series).dt.epoch("ms")
    if series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null):
        return series.cast(pl.Float64).to_numpy()
    if is_text(series):
        return _of_distinct(as_text(series))
    return np.fromiter((_digest(repr(value)) for value in series), np.uint64, len(series))


def _of_distinct(text: pl.Series) -> Hashes:
    """Each different text is hashed once."""
    words = text.drop_nulls().unique().sort()
    known = np.zeros(len(words) + 1, dtype=np.uint64)  # the last is of a missing value
    known[:-1] = np.fromiter((_digest(word) for word in words), np.uint64, len(words))
    codes = text.cast(pl.Enum(words)).to_physical().cast(pl.Int64)
    found: Hashes = known[codes.fill_null(len(words)).to_numpy()]
    return found


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")

"""Categories as codes of known levels: what counting them costs most is to find each.

A column that is encoded already (Categorical or Enum) only has its few distinct codes looked up.
Of plain text a hash of 64 bits is taken, whose first bits say in which cell of a small table the
level must be, and all of which say that it is. Seeds are drawn until no two levels share a cell,
new ones in each process; that another text has the hash of a level in all of its bits has a
chance of 1 in 10^19 for each pair of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.columns import is_text
from everloop.monitor.compiled import loops

Codes = NDArray[np.int32]

UNSEEN, MISSING = -1, -2  # codes of what is no level, and of nothing
FEW = 1 << 12  # texts that are looked up one by one
BITS = 13  # of a cell of the table
_SHIFT = np.uint64(64 - BITS)
_TRIES = 32
_SAMPLE = 1 << 14  # rows whose values are looked up rather than searched for, unless they are many
_KNOWN = 256
_CHUNK = 1 << 15  # values looked at together
_SEED = secrets.randbits(60)


class _Table(NamedTuple):
    """By cell: the hash and the code of the level that is there."""

    seed: int
    hashes: NDArray[np.uint64]
    codes: Codes


def level_codes(column: pl.Series, levels: tuple[str, ...]) -> Codes:
    """The place of each value among ``levels``, :data:`UNSEEN` or :data:`MISSING`.

    ``column`` holds text, plain, categorical or enumerated.
    """
    if isinstance(column.dtype, pl.Categorical | pl.Enum):
        return _of_encoded(column, levels)
    table = _table(levels) if len(column) > FEW else None
    if table is None:
        codes = _looked_up(column, levels)
    else:
        codes = _hashed(column.hash(table.seed).to_numpy(), table)
    if column.null_count():
        codes[column.is_null().to_numpy()] = MISSING
    return codes


def count_levels(column: pl.Series, levels: tuple[str, ...]) -> tuple[int, int, tuple[int, ...]]:
    """As :func:`tally` of :func:`level_codes`, and without them where the table tells all."""
    encoded = isinstance(column.dtype, pl.Categorical | pl.Enum)
    table = _table(levels) if len(column) > FEW and not encoded else None
    if table is None:
        return tally(level_codes(column, levels), len(levels))
    hashes = column.hash(table.seed).to_numpy()
    cells = np.zeros(1 << BITS, dtype=np.int64)
    if compiled := loops(len(hashes)):
        compiled.by_hash(hashes, _SHIFT, table.hashes, cells)
    else:
        _by_hash(hashes, table, cells)
    counts = np.zeros(len(levels), dtype=np.int64)
    filled = np.flatnonzero(table.codes >= 0)
    counts[table.codes[filled]] = cells[filled]
    missing = column.null_count()
    return missing, len(column) - missing - int(counts.sum()), tuple(counts.tolist())


def tally(codes: NDArray[np.signedinteger[Any]], levels: int) -> tuple[int, int, tuple[int, ...]]:
    """How many are missing, how many unseen, and how many are of each level."""
    counts = np.zeros(levels - MISSING, dtype=np.int64)
    places = np.empty(min(_CHUNK, len(codes)), dtype=np.int64)
    for first in range(0, len(codes), _CHUNK):
        part = codes[first : first + _CHUNK]
        place = np.subtract(part, MISSING, out=places[: len(part)])
        counts += np.bincount(place, minlength=len(counts))
    missing, unseen, *known = counts.tolist()
    return missing, unseen, tuple(known)


def spelled(column: pl.Series) -> pl.Series:
    """The column as text, whatever it holds: records as JSON, maps as Python writes them."""
    if is_text(column):
        return column
    if column.dtype == pl.Struct:
        text = column.struct.json_encode()
        return text.set(column.is_null(), None)
    try:
        return column.cast(pl.String, strict=False)
    except pl.exceptions.PolarsError:  # of maps and of Python's objects
        values = [None if value is None else str(value) for value in column.to_list()]
        return pl.Series(column.name, values, dtype=pl.String)


def count_values(column: pl.Series) -> pl.DataFrame:
    """The different values of a text column with how often each comes, ``value`` and ``n``, most
    frequent first.

    The values of the first rows are counted by their codes, and only the others are searched for.
    """
    text = column.alias("value")
    known = text.head(_SAMPLE).drop_nulls().unique().cast(pl.String)
    if len(text) <= _SAMPLE or len(known) > _KNOWN:
        counts = text.drop_nulls().cast(pl.String).value_counts(name="n")
    else:
        codes = level_codes(text, tuple(known.to_list()))
        found = pl.DataFrame({"value": known, "n": tally(codes, len(known))[2]})
        rest = text.gather(np.flatnonzero(codes == UNSEEN)).cast(pl.String).value_counts(name="n")
        counts = pl.concat([found, rest.cast(found.schema)])
    return counts.sort("n", "value", descending=[True, False])


def _looked_up(column: pl.Series, levels: tuple[str, ...]) -> Codes:
    found = column.cast(pl.Enum(levels), strict=False).to_physical()
    codes = found.cast(pl.Int32).fill_null(UNSEEN).to_numpy()
    return np.array(codes, dtype=np.int32)  # a copy, which may be written to


def _of_encoded(column: pl.Series, levels: tuple[str, ...]) -> Codes:
    """By the level of each code that occurs, found at one row that has it."""
    codes = column.to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    rows = np.full(int(codes.max(initial=-1)) + 2, -1)  # the last place is of the missing
    rows[codes] = np.arange(len(codes))
    rows[-1] = -1
    seen = np.flatnonzero(rows >= 0)
    known = np.full(len(rows), MISSING, dtype=np.int32)
    known[seen] = _looked_up(column.gather(rows[seen]).cast(pl.String), levels)
    return np.take(known, codes)


def _hashed(hashes: NDArray[np.uint64], table: _Table) -> Codes:
    found = np.empty(len(hashes), dtype=np.int32)
    for first, cells, right in _chunks(hashes, table):
        codes = found[first : first + len(cells)]
        table.codes.take(cells, mode="clip", out=codes)
        if not right.all():
            codes[~right] = UNSEEN
    return found


def _by_hash(hashes: NDArray[np.uint64], table: _Table, counts: NDArray[np.int64]) -> None:
    """How often the hash of each cell comes."""
    for _, cells, right in _chunks(hashes, table):
        counts += np.bincount(cells if right.all() else cells[right], minlength=len(counts))


def _chunks(
    hashes: NDArray[np.uint64], table: _Table
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.bool_]]]:
    """Where each chunk begins, the cells of its hashes, and which are those of their cells; both
    are overwritten by the next."""
    size = min(_CHUNK, len(hashes))
    places, expected = np.empty(size, dtype=np.uint64), np.empty(size, dtype=np.uint64)
    same = np.empty(size, dtype=np.bool_)
    for first in range(0, len(hashes), _CHUNK):
        part = hashes[first : first + _CHUNK]
        cell, want, right = (each[: len(part)] for each in (places, expected, same))
        np.right_shift(part, _SHIFT, out=cell)
        cells = cell.view(np.int64)
        table.hashes.take(cells, mode="clip", out=want)
        yield first, cells, np.equal(want, part, out=right)


@lru_cache(256)
def _table(levels: tuple[str, ...]) -> _Table | None:
    """None where the levels are so many that some always share a cell."""
    names = pl.Series(levels, dtype=pl.String)
    for seed in range(_SEED, _SEED + _TRIES):
        hashes = names.hash(seed).to_numpy()
        cells = (hashes >> _SHIFT).astype(np.int64)
        if len(np.unique(cells)) == len(levels):
            table = _Table(
                seed, np.zeros(1 << BITS, dtype=np.uint64), np.full(1 << BITS, UNSEEN, np.int32)
            )
            table.hashes[cells], table.codes[cells] = hashes, np.arange(len(levels))
            return table
    return None

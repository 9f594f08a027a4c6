"""A category or a text in constant memory: its frequent values, how many differ, how long."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import polars as pl
from datasketches import frequent_items_error_type, frequent_strings_sketch

from everloop.data.splits.hashing import hash_columns
from everloop.data.streams.distinct import KEPT, Distinct
from everloop.data.unstructured import is_prose
from everloop.monitor.profile import CategorySketch
from everloop.monitor.summaries.numbers import FULL, NumberState, NumberSummary, Size

LG_ITEMS = 11  # values whose counts are kept: three quarters of 2^11
LEVELS = 128  # most frequent values that count as levels
_LONGEST = 200  # characters of a value that are kept


class LevelState(msgspec.Struct, frozen=True, tag="category", tag_field="kind"):
    """A :class:`LevelSummary` as it is kept; ``items`` is None where names are left out."""

    n: int
    missing: int
    items: bytes | None
    hashes: bytes
    distinct: int
    lengths: NumberState
    prose: bool
    numeric: int = 0
    kept: int = KEPT


class LevelSummary:
    """Text values seen so far; merging two is as good as seeing both in one pass.

    Frequent items are those of Misra & Gries (1982) as Apache DataSketches keeps them: counts are
    exact up to 1,500 different values, and too low by little beyond that.
    """

    def __init__(self, size: Size = FULL) -> None:
        self.n = self.missing = 0
        self.numeric = 0  # values that spell a number
        self.items: frequent_strings_sketch | None = frequent_strings_sketch(LG_ITEMS)
        self._distinct = Distinct(kept=size.hashes)
        self.lengths = NumberSummary(size)
        self.prose = False
        self._least = 0  # different values of parts whose hashes are left out

    @property
    def rows(self) -> int:
        return self.n + self.missing

    @property
    def distinct(self) -> int:
        """How many values differ, exact up to 1,024, beyond that within some 3 %."""
        return min(self.n, max(self._distinct.count, self._least))

    def add(self, text: pl.Series) -> None:
        """Look at the next values; null is missing."""
        present = text.drop_nulls().alias("value")
        self.missing += len(text) - len(present)
        if not len(present):
            return
        counts = present.value_counts(name="n")
        values = counts[present.name]
        if not self.n:
            self.read_as_prose(self.prose or is_prose(present, len(values)))
        self.n += len(present)
        if self.items is not None:
            shown = values.str.slice(0, _LONGEST)
            for value, count in zip(shown.to_list(), counts["n"].to_list(), strict=True):
                self.items.update(value, count)
        spelled = values.cast(pl.Float64, strict=False).is_not_null()
        self.numeric += int(counts["n"].filter(spelled).sum())
        self._distinct.add_hashes(hash_columns([values], len(values), 0))
        self.lengths.add(present.str.len_chars().cast(pl.Float64).to_numpy())

    def read_as_prose(self, prose: bool = True) -> None:
        """Whether the values are sentences: these are told by their aspects, and none is kept."""
        self.prose = prose
        self.items = None if prose else self.items

    def merge(self, other: LevelSummary) -> None:
        """Take in what ``other`` saw, which stays as it is."""
        self.prose = self.prose or other.prose
        self.n += other.n
        self.numeric += other.numeric
        self.missing += other.missing
        self._least = max(self._least, other._least)
        self._distinct.merge(other._distinct)
        self.lengths.merge(other.lengths)
        if self.items is None or other.items is None:
            self.items = None
        else:
            self.items.merge(other.items)

    def frequent(self, most: int = LEVELS) -> list[tuple[str, int]]:
        """The most frequent values with their counts; none where names are left out."""
        if self.items is None:
            return []
        found = self.items.get_frequent_items(frequent_items_error_type.NO_FALSE_NEGATIVES, 0)
        counts = [(value, low) for value, _, low, _ in found if low > 0]
        return sorted(counts, key=lambda item: (-item[1], item[0]))[:most]

    def sketch(self, levels: Sequence[str] | None = None) -> CategorySketch:
        """The same as drift tests and checks take it, against ``levels``, by default its own."""
        found = self.frequent(LEVELS if levels is None else 1 << LG_ITEMS)
        counts = dict(found)
        names = tuple(counts) if levels is None else tuple(levels)
        known = tuple(counts.get(name, 0) for name in names)
        strange = [value[:80] for value, _ in found if value not in set(names)]
        return CategorySketch(
            n=self.n,
            missing=self.missing,
            levels=names,
            counts=known,
            unseen=max(0, self.n - sum(known)),
            examples=tuple(strange[:5]),
            rows_per_draw=self.lengths.rows_per_draw,
        )

    def state(self, private: bool = False) -> LevelState:
        """As it is kept; ``private`` leaves out what values say."""
        kept = self.items is not None and not private
        return LevelState(
            n=self.n,
            missing=self.missing,
            items=self.items.serialize() if kept and self.items is not None else None,
            hashes=b"" if private else self._distinct.hashes.tobytes(),
            distinct=self.distinct,
            lengths=self.lengths.state(private),
            prose=self.prose,
            numeric=self.numeric,
            kept=self._distinct.kept,
        )

    @classmethod
    def of(cls, state: LevelState) -> LevelSummary:
        """What :meth:`state` told."""
        made = cls()
        made.n, made.missing, made.prose = state.n, state.missing, state.prose
        made.numeric = state.numeric
        made.items = None
        if state.items is not None:
            made.items = frequent_strings_sketch.deserialize(state.items)
        made._distinct = Distinct(np.frombuffer(state.hashes, np.uint64).tolist(), state.kept)
        made._least = state.distinct
        made.lengths = NumberSummary.of(state.lengths)
        return made

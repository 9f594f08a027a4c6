"""The answer to a query, asked again for each pass."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import polars as pl

from everloop.data.addresses import scheme
from everloop.data.references import BLOCK, Part
from everloop.data.sources.databases import answered
from everloop.data.sources.duck import duck_answered
from everloop.data.splits.hashing import hash_columns
from everloop.data.streams._base import Table, changed
from everloop.passwords import without_passwords


class Query(Table):
    """SQL of a database. Its rows may come in any order, so their sum is what they are known by."""

    def __init__(self, address: str, query: str, base: Path) -> None:
        self._address, self._query, self._base = address, query, base

    def parts(self) -> list[Part]:
        rows, digest = 0, RowSum()
        for batch in self._answer(BLOCK):
            rows += batch.height
            digest.add(batch)
        return [Part(without_passwords(self._address), rows, "", digest.hexdigest())]

    def names(self) -> list[Part]:
        return [Part(without_passwords(self._address), 0, "", "")]

    def opened(self, part: Part) -> AbstractContextManager[Path]:
        raise NotImplementedError("an answer is no file")

    def marks(self) -> list[Part]:
        return self.names()

    def placed(
        self, parts: Sequence[Part], begin: int = 0, rows: int = BLOCK
    ) -> Iterator[tuple[int, pl.DataFrame]]:
        [part] = parts
        count, digest = 0, RowSum()
        for batch in self._answer(rows):
            count += batch.height
            if part.sha256:
                digest.add(batch)
            yield 0, batch
        if not part.sha256:
            return
        if count != part.bytes:
            raise changed(part, f"{part.bytes:,} rows then, {count:,} now")
        if digest.hexdigest() != part.sha256:
            raise changed(part, f"it still has {count:,} rows, but others")

    def _answer(self, rows: int) -> Iterator[pl.DataFrame]:
        if scheme(self._address) == "duckdb":
            return duck_answered(self._address, self._query, self._base, rows)
        return answered(self._address, self._query, self._base, rows)


class RowSum:
    """Of the hashes of rows: the same whatever their order."""

    def __init__(self) -> None:
        self._total = 0

    def add(self, batch: pl.DataFrame) -> None:
        hashes = hash_columns(batch.get_columns(), batch.height, 0)
        self._total = (self._total + int(hashes.sum(dtype=np.uint64))) % 2**64

    def hexdigest(self) -> str:
        return hashlib.sha256(str(self._total).encode()).hexdigest()

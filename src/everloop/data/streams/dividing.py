"""One pass that divides a table: how many rows train and test, and a fair sample of either."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from everloop.data.encode import encode_target
from everloop.data.references import BLOCK
from everloop.data.schema import Schema
from everloop.data.splits.rule import Rule
from everloop.data.streams.sampling import Sampler
from everloop.errors import InvalidInput, invalid

APART = 0.5  # standard deviations of the target between a block and all rows: then it is ordered
TELLING = 1_000  # rows of a block whose mean says something


@dataclass(frozen=True)
class Divided:
    """Rows of either side, and what :class:`~everloop.data.references.Reference` wants to know."""

    train: pl.DataFrame
    test: pl.DataFrame
    train_rows: int
    test_rows: int
    blocks: list[int]
    ordered: bool


def divide_stream(
    batches: Iterable[pl.DataFrame],
    schema: Schema,
    rule: Rule,
    columns: list[str],
    kept_train: int,
    kept_test: int,
    seed: int,
) -> Divided:
    """Look at each batch once and keep at most so many rows of either side.

    Of a class at least one row is kept on each side that has it. Raises
    :class:`~everloop.errors.InvalidInput` for a row without a label, and when a side is empty.
    """
    every = schema.target if schema.classes else None
    train, test = Sampler(kept_train, seed, every), Sampler(kept_test, seed + 1, every)
    blocks, means = Blocks(), _Means()
    at = 0
    for batch in batches:
        y = _labels(batch, schema, at)
        training, testing = rule.sides(batch, schema, at)
        wanted = batch.select([c for c in columns if c in batch.columns])
        train.add(wanted.filter(pl.Series(training)))
        test.add(wanted.filter(pl.Series(testing)))
        blocks.add(training)
        means.add(y)
        at += batch.height
    if not train.rows or not test.rows:
        side = "train" if test.rows else "test"
        raise invalid("evaluate.holdout", f"<no row to {side}>", f"some of the {at:,} rows")
    return Divided(train.frame(), test.frame(), train.rows, test.rows, blocks.counts, means.ordered)


class Blocks:
    """How many rows of each block are marked; a block is of :data:`BLOCK` rows, however read."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self._at = 0

    def add(self, marked: np.ndarray) -> None:
        for first, last in cut_at_blocks(self._at, len(marked)):
            block = (self._at + first) // BLOCK
            self.counts += [0] * (block + 1 - len(self.counts))
            self.counts[block] += int(marked[first:last].sum())
        self._at += len(marked)


def cut_at_blocks(at: int, rows: int) -> list[tuple[int, int]]:
    """Where a batch whose first row is number ``at`` is cut so that no piece lies in two blocks."""
    edges = [0, *range(BLOCK - at % BLOCK, rows, BLOCK), rows]
    return [(a, b) for a, b in pairwise(edges) if b > a]


class _Means:
    """Means of the target by batch, which tell whether the rows are sorted by it."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, float, float]] = []

    def add(self, y: np.ndarray) -> None:
        if len(y):
            self._parts.append((len(y), float(y.mean()), float((y.astype(np.float64) ** 2).mean())))

    @property
    def ordered(self) -> bool:
        n, mean, square = (np.asarray(part) for part in zip(*self._parts, strict=True))
        middle = float(np.average(mean, weights=n))
        spread = np.sqrt(max(float(np.average(square, weights=n)) - middle**2, 0.0))
        away = np.abs(mean - middle)[n >= TELLING]
        return bool(len(away) and away.max() > APART * spread)


def _labels(batch: pl.DataFrame, schema: Schema, at: int) -> np.ndarray:
    try:
        return np.asarray(encode_target(batch, schema))
    except InvalidInput as error:
        where = f"Rows are counted from row {at + 1:,} of the whole."
        raise invalid_batch(error, where) from None


def invalid_batch(error: InvalidInput, where: str) -> InvalidInput:
    """The same refusal, saying where the batch begins that its rows are counted in."""
    fix = where if error.fix is None else f"{error.fix} {where}"
    return InvalidInput(
        f"{error.message} {where}",
        code=error.code,
        path=error.path,
        got=error.got,
        expected=error.expected,
        fix=fix,
    )

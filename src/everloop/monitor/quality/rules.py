"""Rules between two features that held in every training row, and that chance would break.

Three kinds, all of them simple enough to be read: one number is never above another, two features
are missing together, one level of a feature comes with one level of another only. A rule is
learned when it holds in each of many rows, while the same rows shuffled would break it often.
"""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Literal

import msgspec
import numpy as np
import polars as pl

LEAST = 500  # rows that a rule must have held in
CHANCE = 0.05  # share of shuffled rows that must break it
MOST = 50  # rules
MOST_COLUMNS = 40  # of a kind; what is beyond is not paired
MOST_LEVELS = 20


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """``a`` and ``b`` are features; ``if_a`` and ``then_b`` the levels of an implication."""

    kind: Literal["at_most", "missing_together", "implies"]
    a: str
    b: str
    if_a: str = ""
    then_b: str = ""

    def sentence(self) -> str:
        if self.kind == "at_most":
            return f"{self.a} <= {self.b}"
        if self.kind == "missing_together":
            return f"{self.a} is missing where {self.b} is"
        return f"{self.a} = {self.if_a!r} comes with {self.b} = {self.then_b!r}"


def broken_by(rule: Rule, rows: pl.DataFrame) -> pl.Series:
    """Which rows break the rule; null where it says nothing."""
    a, b = rows[rule.a], rows[rule.b]
    if rule.kind == "at_most":
        return a.cast(pl.Float64, strict=False) > b.cast(pl.Float64, strict=False)
    if rule.kind == "missing_together":
        return a.is_null() != b.is_null()
    applies = a.cast(pl.String).str.to_lowercase() == rule.if_a.lower()
    other = b.cast(pl.String).str.to_lowercase() != rule.then_b.lower()
    return other.set(~applies.fill_null(False), None)


def learn_rules(sample: pl.DataFrame) -> tuple[Rule, ...]:
    """The rules of a sample of training rows, ``sample``; at most :data:`MOST`."""
    if sample.height < LEAST:
        return ()
    numbers = [c for c in sample if c.dtype.is_numeric()][:MOST_COLUMNS]
    texts = [c for c in sample if c.dtype in (pl.String, pl.Boolean)][:MOST_COLUMNS]
    found = [*_together(sample), *_ordered(numbers), *_implied(texts)]
    return tuple(found[:MOST])


def _ordered(columns: list[pl.Series]) -> list[Rule]:
    rng = np.random.default_rng(0)
    found = []
    values = {c.name: c.cast(pl.Float64).to_numpy() for c in columns}
    for (one, a), (other, b) in permutations(values.items(), 2):
        both = np.isfinite(a) & np.isfinite(b)
        if both.sum() < LEAST or (a[both] > b[both]).any() or not (a[both] < b[both]).any():
            continue
        if (rng.permutation(a[both]) > b[both]).mean() >= CHANCE:
            found.append(Rule("at_most", one, other))
    return found


def _together(sample: pl.DataFrame) -> list[Rule]:
    """Of features with the same pattern of missing values each follows the first."""
    first: dict[bytes, str] = {}
    found = []
    for column in sample:
        gone = column.is_null() | (column.is_nan() if column.dtype.is_float() else False)
        share = float(gone.mean() or 0.0)  # type: ignore[arg-type]
        if not CHANCE <= share <= 1 - CHANCE:
            continue
        pattern = np.packbits(gone.to_numpy()).tobytes()
        if pattern in first:
            found.append(Rule("missing_together", column.name, first[pattern]))
        first.setdefault(pattern, column.name)
    return found


def _implied(columns: list[pl.Series]) -> list[Rule]:
    few = [c.cast(pl.String) for c in columns if 2 <= c.n_unique() <= MOST_LEVELS]
    found = []
    for one, other in combinations(few, 2):
        for a, b in ((one, other), (other, one)):
            both = pl.DataFrame({"a": a, "b": b}).drop_nulls()
            usual = both["b"].value_counts(normalize=True)
            counts = both.group_by("a").agg(
                pl.len().alias("n"), pl.col("b").n_unique().alias("kinds"), pl.col("b").first()
            )
            for level, n, kinds, then in counts.sort("a").iter_rows():
                share = usual.filter(pl.col("b") == then)["proportion"].sum()
                if kinds == 1 and n >= LEAST and share <= 1 - CHANCE:
                    found.append(Rule("implies", a.name, b.name, level, then))
    return found

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
import pytest

from everloop.monitor.encoding import FEW, MISSING, UNSEEN, count_values, level_codes, tally
from everloop.monitor.profile import sketch_category

LEVELS = ("a", "", "a level of more than twelve letters", "ß")


def drawn(rows: int, others: int) -> list[str | None]:
    rng = np.random.default_rng(rows)
    values = [*LEVELS, None, *(f"other {i}" for i in range(others))]
    return [values[i] for i in rng.integers(0, len(values), rows)]


@pytest.mark.parametrize("rows", [0, 1, 50, FEW + 1, 70_000])
@pytest.mark.parametrize("encoded", ["plain", "categorical", "enum"])
def test_codes_are_the_places_among_the_levels(rows: int, encoded: str) -> None:
    values = drawn(rows, 3)
    column = pl.Series("c", values, dtype=pl.String)
    if encoded == "categorical":
        column = column.cast(pl.Categorical)
    elif encoded == "enum":
        column = column.cast(pl.Enum(sorted({v for v in values if v is not None})))
    places = {level: place for place, level in enumerate(LEVELS)} | {None: MISSING}
    assert level_codes(column, LEVELS).tolist() == [places.get(v, UNSEEN) for v in values]


def test_so_many_levels_that_cells_are_shared_are_found_all_the_same() -> None:
    levels = tuple(f"level {i}" for i in range(5_000))
    column = pl.Series("c", [*levels, "none"] * 2)
    assert level_codes(column, levels).tolist() == [*range(5_000), UNSEEN] * 2


def test_slices_and_chunks_of_an_encoded_column_are_told_apart() -> None:
    whole = pl.Series("c", ["x", "y", "z", None], dtype=pl.Categorical)
    parts = whole[1:].append(pl.Series("c", ["y"], dtype=pl.Categorical))
    assert level_codes(parts, ("y", "x")).tolist() == [0, UNSEEN, MISSING, 0]
    assert level_codes(whole[3:], ("y",)).tolist() == [MISSING]


def test_a_tally_counts_what_is_missing_unseen_and_known() -> None:
    values = drawn(70_000, 1)
    counts = Counter(values)
    codes = level_codes(pl.Series("c", values), LEVELS)
    known = tuple(counts[level] for level in LEVELS)
    assert tally(codes, len(LEVELS)) == (counts[None], counts["other 0"], known)


@pytest.mark.parametrize("others", [3, 2_000])
def test_values_are_counted_as_one_search_of_all_finds_them(others: int) -> None:
    values = drawn(30_000, others) + ["late"] * 7
    found = count_values(pl.Series("c", values))
    assert dict(found.iter_rows()) == {v: n for v, n in Counter(values).items() if v is not None}
    assert found["n"].to_list() == sorted(found["n"].to_list(), reverse=True)


def test_a_sketch_names_what_is_unseen_most_frequent_first() -> None:
    column = pl.Series("c", ["a"] * 9_000 + ["new"] * 3 + ["rare"] + [None] * 2)
    sketch = sketch_category(column, ("a",))
    assert (sketch.n, sketch.missing, sketch.counts) == (9_004, 2, (9_000,))
    assert (sketch.unseen, sketch.examples) == (4, ("new", "rare"))

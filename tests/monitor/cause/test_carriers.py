"""Which segments carry a change, on worlds where one does or none does."""

from __future__ import annotations

import numpy as np
import polars as pl
from cause_worlds import AUC, world

from everloop.monitor.cause.attribution import score_of
from everloop.monitor.cause.carriers import Carrier, carriers
from everloop.monitor.cause.levels import Levels, text_levels
from everloop.monitor.cause.rows import Rows


def named(before: Rows, after: Rows, column: str, values: pl.DataFrame) -> list[Carrier]:
    levels = text_levels(values[column], column)
    n = len(before)
    sides = Levels(levels.codes[:n], levels.names), Levels(levels.codes[n:], levels.names)
    return carriers(
        lambda old, new: score_of(before, old, AUC) - score_of(after, new, AUC),
        n,
        len(after),
        {column: sides},
    )


def test_a_broken_client_is_named() -> None:
    before, after = world(1), world(2, broken="c2")
    found = named(before, after, "client", pl.concat([before.sources, after.sources]))
    assert [one.segment for one in found] == ["client = c2"]
    assert found[0].part > 0.6
    assert 0.2 < found[0].share < 0.3


def test_no_client_is_named_for_what_all_have() -> None:
    for seed in range(3):
        before, after = world(10 + seed), world(20 + seed, scale=0.4)
        assert named(before, after, "client", pl.concat([before.sources, after.sources])) == []


def test_what_cannot_be_left_out_is_no_segment() -> None:
    before, after = world(1), world(2, scale=0.4)
    alone = pl.concat([before.sources, after.sources]).with_columns(client=pl.lit("one"))
    assert named(before, after, "client", alone) == []
    assert carriers(lambda old, new: np.nan, 10, 10, {}) == []

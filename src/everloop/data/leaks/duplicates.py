"""Rows that train and test at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl

from everloop.data.leaks._base import Leak, LeakCheck, Sides
from everloop.extensions import leak_checks

_SHARE = 0.01  # of the test rows
_FIRST = 3  # columns
_TELLING = 0.5  # of all rows differ: then two that are equal are no accident


@leak_checks.register("duplicates")
class Duplicates(LeakCheck):
    """Test rows that are in the training rows too, features and target alike.

    Where most rows have few different values anyway (three booleans, say) equal rows mean nothing
    and nothing is said: at least half of the rows must differ, or one column alone must take a
    fifth as many values as there are different rows.
    """

    def find(self, sides: Sides) -> Iterator[Leak]:
        names = [n for n in (*sides.schema.names, sides.schema.target) if n in sides.frame.columns]
        least = _SHARE * max(len(sides.test), 1)
        # Rows that are alike are so in their first columns too, which most tables end it with.
        if _twice(sides, names[:_FIRST])[0] < least:
            return
        twice, distinct = _twice(sides, names)
        tested = len(sides.test)
        share = twice / max(tested, 1)
        if twice < least or not _telling(sides.frame.select(names), distinct()):
            return
        yield Leak(
            "duplicates",
            "leak",
            f"{twice:,} of {tested:,} test rows ({share:.1%}) are training rows too: the test "
            "rewards remembering. Remove the duplicates, or keep them on one side with "
            "evaluate.group_by.",
            None,
            round(share, 6),
        )


def _twice(sides: Sides, names: list[str]) -> tuple[int, Callable[[], int]]:
    """How many test rows a training row is like in those columns, and how many rows differ."""
    hashes = sides.frame.select(names).hash_rows(seed=0)
    train, test = hashes[sides.train], hashes[sides.test]
    # Of the two sides the smaller one is looked up in: its table stays in the processor's cache.
    both = train.filter(train.is_in(test.implode())).unique()
    return int(test.is_in(both.implode()).sum()), hashes.n_unique


def _telling(frame: pl.DataFrame, distinct: int) -> bool:
    if distinct >= _TELLING * frame.height:
        return True
    flat = [s for s in frame if not s.dtype.is_nested()]
    return any(s.n_unique() >= 0.2 * distinct and distinct > 200 for s in flat)

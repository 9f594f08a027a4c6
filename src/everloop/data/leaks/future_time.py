"""Times that had not come yet."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from everloop.data.columns import as_instant
from everloop.data.leaks._base import Leak, LeakCheck, Sides
from everloop.extensions import leak_checks

_DAY_MS = 86_400_000
_MOSTLY = 0.5  # of the rows


@leak_checks.register("future_time")
class FutureTime(LeakCheck):
    """Rows from the future, training rows later than what tests, and features later than the row.

    The last is a suspicion: a planned time may well be later and known.
    """

    def find(self, sides: Sides) -> Iterator[Leak]:
        if sides.schema.time is None:
            return
        yield from _not_yet(sides, sides.schema.time)
        yield from _trained_later(sides, sides.schema.time)
        yield from _later_features(sides, sides.schema.time)


def _not_yet(sides: Sides, time: str) -> Iterator[Leak]:
    later = as_instant(sides.frame[time]).dt.epoch("ms") > sides.now + _DAY_MS
    count = int(later.sum())
    if count:
        share = count / sides.frame.height
        yield Leak(
            "future_time",
            "leak",
            f'{count:,} rows ({share:.1%}) have a "{time}" later than now, the first '
            f"{sides.frame[time][later.arg_max() or 0]}: what happened then cannot be known.",
            time,
            round(share, 6),
        )


def _trained_later(sides: Sides, time: str) -> Iterator[Leak]:
    fitted, held = as_instant(sides.fitted[time]), as_instant(sides.held[time])
    later = _share(fitted > held.min())
    if later > 0:
        yield Leak(
            "future_time",
            "leak",
            f"{later:.0%} of the training rows are later than the first test row: the model is "
            'tested on a past whose future it has seen. Let evaluate.split be "auto".',
            time,
            round(later, 4),
        )


def _later_features(sides: Sides, time: str) -> Iterator[Leak]:
    at = as_instant(sides.fitted[time])
    for feature in sides.schema.features:
        if feature.kind != "datetime":
            continue
        later = _share(as_instant(sides.fitted[feature.name]) > at)
        if later > _MOSTLY:
            yield Leak(
                "future_time",
                "suspect",
                f'Column "{feature.name}" is later than "{time}" in {later:.0%} of the rows: '
                "ignore it unless it is a plan that is known by then.",
                feature.name,
                round(later, 4),
            )


def _share(flags: pl.Series) -> float:
    """Of the rows in which it can be said."""
    known = flags.drop_nulls()
    return int(known.sum()) / max(len(known), 1)

"""Putting newer rows on top of older ones."""

from __future__ import annotations

import polars as pl

from everloop.data.columns import as_image, as_instant, as_sequence, as_text


def newer_over(old: pl.DataFrame, new: pl.DataFrame, id: str | None) -> pl.DataFrame:
    """``old`` without the rows whose ``id`` is in ``new``, then ``new``, which is not copied.

    Columns that one of them lacks are null there; types that differ widen, to text in the end.
    """
    if id is not None and id in old.columns:
        old = old.filter(~as_text(old[id]).is_in(as_text(new[id]).implode()))
    return pl.concat([_like(old, new), new], how="diagonal_relaxed")


def _like(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """``old`` with images, sequences and instants of the types that checked rows have.

    Instants have no zone there (they are UTC), and one that has a zone goes with none that has not.
    """
    both = [name for name in old.columns if name in new.columns]
    changed = [as_image(old[n]) for n in both if new.schema[n] == pl.Binary]
    changed += [as_sequence(old[n]) for n in both if isinstance(new.schema[n], pl.List)]
    changed += [
        as_instant(old[n])
        for n in both
        if isinstance(new.schema[n], pl.Datetime) and old.schema[n] != new.schema[n]
    ]
    return old.with_columns(changed) if changed else old


def by_time(frame: pl.DataFrame, time: str | None) -> pl.DataFrame:
    """The rows in the order of the column ``time``; the frame itself when they are already."""
    if time is None or time not in frame.columns or frame[time].is_sorted():
        return frame
    return frame.sort(time, maintain_order=True)

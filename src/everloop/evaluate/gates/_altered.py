"""The held-out rows, changed on purpose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from everloop.data.schema import Feature, Schema
from everloop.errors import did_you_mean, invalid
from everloop.evaluate.gates._base import FIELD, Evidence, Gate

NOISE = 0.1  # standard deviations of the column
MOST_ROWS = 5_000  # asked again for each change


def thinned(evidence: Evidence) -> Evidence:
    """At most 5,000 of the rows, drawn at random with the evidence's seed."""
    n = len(evidence.y)
    if n <= MOST_ROWS:
        return evidence
    rows = np.zeros(n, dtype=bool)
    rows[np.random.default_rng(evidence.seed).choice(n, MOST_ROWS, replace=False)] = True
    return replace(evidence.on(rows), champion=None)


def feature_of(gate: Gate, schema: Schema, name: str, kinds: tuple[str, ...] = ()) -> Feature:
    """The feature called ``name``, of one of ``kinds``. Raises InvalidInput."""
    known = {f.name: f for f in schema.features}
    if name not in known:
        raise invalid(
            FIELD,
            gate.text,
            f"a feature of the model, not {name}",
            code="unknown_column",
            fix=did_you_mean(name, known),
        )
    if kinds and known[name].kind not in kinds:
        raise invalid(FIELD, gate.text, f"a {' or '.join(kinds)}; {name} is a {known[name].kind}")
    return known[name]


def noisy(evidence: Evidence) -> pl.DataFrame:
    """Every number with a tenth of its standard deviation of noise."""
    rng = np.random.default_rng(evidence.seed)
    frame = evidence.frame
    for feature in evidence.schema.features:
        if feature.kind != "number" or feature.name not in frame.columns:
            continue
        values = frame[feature.name].cast(pl.Float64, strict=False)
        spread = values.std()
        noise = rng.normal(scale=NOISE * float(spread or 0.0), size=len(values))  # type: ignore[arg-type]
        frame = frame.with_columns((values + pl.Series(noise)).alias(feature.name))
    return frame


def without(evidence: Evidence, name: str) -> pl.DataFrame:
    """The column missing in every row."""
    kind = evidence.frame[name].dtype
    return evidence.frame.with_columns(pl.lit(None, dtype=kind).alias(name))


def swapped(evidence: Evidence, name: str) -> pl.DataFrame:
    """Another value of the column in each row that has one, at random among those that occur."""
    rng = np.random.default_rng(evidence.seed)
    values = evidence.frame[name]
    levels = values.drop_nulls().unique(maintain_order=True).sort()
    if len(levels) < 2:
        return evidence.frame
    own = {level: i for i, level in enumerate(levels.to_list())}
    codes = np.array([own.get(v, -1) for v in values.to_list()])
    other = (codes + rng.integers(1, len(levels), len(codes))) % len(levels)
    changed = levels.gather(pl.Series(other)).to_frame(name)[name]
    kept = pl.Series(codes < 0)
    return evidence.frame.with_columns(
        pl.select(pl.when(kept).then(values).otherwise(changed).alias(name))[name]
    )


def raised(evidence: Evidence, name: str) -> pl.DataFrame:
    """The column larger by one standard deviation in every row."""
    values = evidence.frame[name].cast(pl.Float64, strict=False)
    return evidence.frame.with_columns((values + float(values.std() or 0.0)).alias(name))  # type: ignore[arg-type]

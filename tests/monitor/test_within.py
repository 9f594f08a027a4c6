"""A change in a part of the rows is found there, and told with the part."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl

from everloop.data.schema import Feature, Schema
from everloop.monitor.inputs import Chain, Inputs, inspect
from everloop.monitor.likeness import Likeness
from everloop.monitor.profile import profile
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.windows import Alert

NAMES = ("x0", "x1", "x2")
SCHEMA = Schema(
    features=(*(Feature(n, "number") for n in NAMES), Feature("g", "category", ("a", "b", "c"))),
    target="y",
    task="regression",
)
SPEC = MonitorSpec(quality=False)


def rows(seed: int, n: int, inside: float = 0.0, everywhere: float = 0.0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    g = rng.choice(["a", "b", "c"], n, p=[0.6, 0.25, 0.15])
    columns = {name: rng.normal(size=n) for name in NAMES}
    columns["x1"] = columns["x1"] + inside * (g == "b") + everywhere
    return pl.DataFrame({**columns, "g": g})


def windows(count: int, spec: MonitorSpec = SPEC, **change: float) -> list[Alert]:
    """What is told in so many windows of 1,000 rows that all changed alike."""
    training = rows(0, 8_000)
    known = profile(training, SCHEMA)
    chain, told = Chain(), []
    for at in range(1, count + 1):
        frame = rows(at, 1_000, **change).with_columns(
            y=pl.lit(None, dtype=pl.Float64), p=pl.lit(None, dtype=pl.List(pl.Float64))
        )
        found: Inputs = inspect(
            "e", at, frame, SCHEMA, known, spec, chain, lambda: None, Likeness(known, training)
        )
        chain = msgspec.convert(found.checks["chain"], Chain)
        told += found.alerts
    return told


def test_a_change_in_one_segment_is_told_with_it_and_once() -> None:
    alert, *more = windows(3, inside=0.6)
    assert (alert.window, alert.kind, alert.feature) == (1, "drift", "x1")
    assert alert.evidence["segment"] == "g 'b'" and "rows where g 'b'" in alert.summary
    assert all(later.window > 1 for later in more)  # once it is sure over all rows
    alone = windows(1, msgspec.structs.replace(SPEC, within=False), inside=0.6)
    assert alone == []  # over all rows it is not seen so soon


def test_what_changed_everywhere_is_told_of_the_feature_alone() -> None:
    (alert,) = windows(2, everywhere=0.6)
    assert alert.feature == "x1" and "segment" not in alert.evidence


def test_quiet_rows_tell_nothing_of_any_segment() -> None:
    assert windows(12) == []

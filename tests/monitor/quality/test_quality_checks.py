from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from everloop.extensions import quality_checks
from everloop.monitor.profile import Sketch, sketch_category, sketch_number
from everloop.monitor.quality._base import Fault
from everloop.monitor.quality._rows import RowsCheck

RNG = np.random.default_rng(0)


def check(name: str, before: Sketch, now: Sketch) -> Fault | None:
    fault: Fault | None = quality_checks.get(name)().check("f", before, now, lambda: None)
    return fault


def with_missing(share: float, n: int = 2_000) -> Sketch:
    return sketch_number(np.where(RNG.random(n) < share, np.nan, RNG.normal(size=n)))


@pytest.mark.parametrize(
    ("before", "now", "found", "quarantine"),
    [
        (0.01, 0.03, False, False),
        (0.01, 0.30, True, False),
        (0.01, 0.90, True, True),
        (0.01, 1.00, True, True),
        (0.60, 0.65, False, False),
        (1.00, 0.00, False, False),
    ],
)
def test_missing(before: float, now: float, found: bool, quarantine: bool) -> None:
    fault = check("missing", with_missing(before), with_missing(now))
    assert (fault is not None) == found
    assert fault is None or fault.quarantine == quarantine


def test_missing_values_that_come_in_long_runs_are_no_surprise() -> None:
    gaps = np.repeat(RNG.random(56) < 0.5, 100)
    before = sketch_number(np.where(gaps, np.nan, RNG.normal(size=5_600)))
    assert check("missing", before, with_missing(0.75, 500)) is None


@pytest.mark.parametrize(
    ("new", "found", "quarantine"), [(0.02, False, False), (0.1, True, False), (0.9, True, True)]
)
def test_new_categories(new: float, found: bool, quarantine: bool) -> None:
    levels = ("JFK", "EWR")
    before = sketch_category(pl.Series(RNG.choice(levels, 2_000)), levels)
    now = np.where(RNG.random(2_000) < new, "jfk", RNG.choice(levels, 2_000))
    fault = check("new_categories", before, sketch_category(pl.Series(now), levels))
    assert (fault is not None) == found
    assert fault is None or (fault.quarantine == quarantine and "'jfk'" in fault.summary)


def test_out_of_range() -> None:
    before = sketch_number(RNG.normal(50, 10, 5_000))
    sentinel = np.where(RNG.random(2_000) < 0.05, -999.0, RNG.normal(50, 10, 2_000))
    fault = check("out_of_range", before, sketch_number(sentinel))
    assert fault is not None and fault.quarantine
    assert "-999" in fault.summary
    infinite = np.where(RNG.random(2_000) < 0.05, np.inf, RNG.normal(50, 10, 2_000))
    found = check("out_of_range", before, sketch_number(infinite))
    assert found is not None and "is infinite in" in found.summary
    assert check("out_of_range", before, sketch_number(np.full(50, np.inf))) is not None
    assert check("out_of_range", before, sketch_number(RNG.normal(120, 20, 2_000))) is None


def test_stuck() -> None:
    before = sketch_number(RNG.normal(50, 10, 5_000))
    fault = check("stuck", before, sketch_number(np.full(500, 49.0)))
    assert fault is not None and fault.quarantine
    assert fault.summary == "f is 49 in every row"
    rain = sketch_number(np.where(RNG.random(5_000) < 0.05, RNG.random(5_000), 0.0))
    assert check("stuck", rain, sketch_number(np.zeros(100))) is None  # a dry hour


OF_ROWS = [name for name, check in quality_checks if issubclass(check, RowsCheck)]


@pytest.mark.parametrize("name", sorted(set(quality_checks.names()) - set(OF_ROWS)))
def test_every_check_keeps_its_promises(name: str) -> None:
    test = quality_checks.get(name)()
    assert test.kinds
    sketches: list[Sketch] = [
        sketch_number(np.array(values, dtype=np.float64))
        for values in ([], [1.0], [2.0] * 500, [np.nan] * 500, [np.inf] * 500)
    ]
    sketches += [
        sketch_category(pl.Series(v, dtype=pl.String), ("a",)) for v in ([], [None], ["a"])
    ]
    for before in sketches:
        for now in sketches:
            fault = test.check("f", before, now, lambda: None)
            assert fault is None or fault.check == name
        assert test.check("f", before, before, lambda: None) is None or name == "out_of_range"

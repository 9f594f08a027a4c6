"""The real data sets: downloaded once, into the user's own cache folder."""

from __future__ import annotations

import polars as pl
import pytest

from everloop.datasets.departures import flights
from everloop.datasets.employment import census


@pytest.fixture(scope="session")
def departures() -> pl.DataFrame:
    return flights()


@pytest.fixture(scope="session")
def persons() -> pl.DataFrame:
    return census()

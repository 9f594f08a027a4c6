"""Each row is given the past that was known in time, and nothing newer."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from everloop.data.forecast import ForecastSpec, check_forecast, lagged
from everloop.errors import InvalidInput

DAYS = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 1, 10), eager=True)
ROWS = pl.DataFrame({"day": DAYS, "sold": range(10), "rain": [True, False] * 5})


def test_lags_and_means_end_at_the_horizon() -> None:
    made = lagged(ROWS, "sold", "day", ForecastSpec(horizon=2, lags=(2, 4), means=(3,)))
    assert made.columns == ["day", "sold", "rain", "sold_lag_2", "sold_lag_4", "sold_mean_3"]
    assert made["sold"].to_list() == [4, 5, 6, 7, 8, 9]
    assert made["sold_lag_2"].to_list() == [2, 3, 4, 5, 6, 7]
    assert made["sold_lag_4"].to_list() == [0, 1, 2, 3, 4, 5]
    assert made["sold_mean_3"].to_list() == [1, 2, 3, 4, 5, 6]


def test_rows_are_taken_by_time_whatever_their_order() -> None:
    shuffled = ROWS.sample(fraction=1.0, shuffle=True, seed=1)
    spec = ForecastSpec()
    assert lagged(shuffled, "sold", "day", spec).equals(lagged(ROWS, "sold", "day", spec))


def test_series_do_not_look_at_each_other() -> None:
    two = pl.concat(
        [ROWS.with_columns(shop=pl.lit(name), sold=pl.col("sold") + add) for name, add in
         (("a", 0), ("b", 100))]
    )  # fmt: skip
    made = lagged(two, "sold", "day", ForecastSpec(lags=(1, 3), series="shop"))
    assert made.height == 14
    assert ((made["sold"] - made["sold_lag_1"]) == 1).all()
    assert made["day"].is_sorted()


def test_a_gap_is_a_step() -> None:
    holes = ROWS.with_columns(sold=pl.when(pl.col("sold") == 5).then(None).otherwise("sold"))
    made = lagged(holes, "sold", "day", ForecastSpec(lags=(1,)))
    assert made.filter(pl.col("sold") == 6)["sold_lag_1"].to_list() == [None]


@pytest.mark.parametrize(
    ("spec", "time", "says"),
    [
        (ForecastSpec(horizon=0), "day", "data.forecast.horizon"),
        (ForecastSpec(horizon=3, lags=(1, 3)), "day", "is not known in time"),
        (ForecastSpec(lags=(2, 2)), "day", "rising numbers"),
        (ForecastSpec(means=(1,)), "day", "data.forecast.means"),
        (ForecastSpec(), None, "data.time"),
    ],
)
def test_what_cannot_be_known_is_refused(spec: ForecastSpec, time: str | None, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_forecast(spec, time)
    assert says in str(refused.value)


def test_too_short_a_series_is_refused() -> None:
    with pytest.raises(InvalidInput, match="series of more than 40 steps"):
        lagged(ROWS, "sold", "day", ForecastSpec(lags=(1, 40)))
    with pytest.raises(InvalidInput, match='Did you mean "sold"'):
        lagged(ROWS, "sol", "day", ForecastSpec())
    assert np.isfinite(lagged(ROWS, "sold", "day", ForecastSpec())["sold_lag_7"].to_numpy()).all()

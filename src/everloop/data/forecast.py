"""Forecasting as regression: each row is given what was known ``horizon`` steps before it.

Lags make a forecast a plain regression (the direct strategy, Ben Taieb et al., 2012), so every
candidate, gate and monitor for regression serves it. A validation on later rows, which a loop with
a time does anyway, is the backtest; persistence is its baseline.
"""

from __future__ import annotations

from itertools import pairwise

import msgspec
import polars as pl

from everloop.data.columns import as_number
from everloop.errors import invalid, no_column

MOST_LAGS = 400
FIELD = "data.forecast"


class ForecastSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How far ahead, and what of the past each row is given."""

    horizon: int = 1  # steps ahead; nothing newer than that is known
    lags: tuple[int, ...] = ()  # steps back, horizon or more; the seven newest known without it
    means: tuple[int, ...] = ()  # of so many values, up to the newest known
    series: str | None = None  # the column that tells several series apart

    @property
    def used_lags(self) -> tuple[int, ...]:
        """The lags, or the seven newest that are known."""
        return self.lags or tuple(range(self.horizon, self.horizon + 7))

    def newest(self, target: str) -> str:
        """The feature that repeats the newest known value: what persistence answers."""
        return f"{target}_lag_{self.used_lags[0]}"


def check_forecast(spec: ForecastSpec, time: str | None) -> None:
    """Raises :class:`~everloop.errors.InvalidInput` for what cannot be known in time."""
    if spec.horizon < 1:
        raise invalid(f"{FIELD}.horizon", spec.horizon, "1 or more")
    lags = spec.used_lags
    rising = all(a < b for a, b in pairwise(lags))
    if not rising or lags[0] < spec.horizon or len(lags) > MOST_LAGS:
        raise invalid(
            f"{FIELD}.lags",
            list(lags),
            f"rising numbers from {spec.horizon} on, at most {MOST_LAGS} of them",
            fix=f"What is nearer than the horizon of {spec.horizon} is not known in time.",
        )
    if any(width < 2 for width in spec.means):
        raise invalid(f"{FIELD}.means", list(spec.means), "numbers of 2 or more")
    if time is None:
        raise invalid("data.time", "<nothing>", f"the column that {FIELD} follows")


def lagged(frame: pl.DataFrame, target: str, time: str, spec: ForecastSpec) -> pl.DataFrame:
    """``frame`` by time with columns ``TARGET_lag_K`` and ``TARGET_mean_W``.

    Rows at the beginning of a series, whose past is not known far enough back, are left out; a row
    without a target keeps its place, so it still counts as a step.

    Raises :class:`~everloop.errors.InvalidInput` for a missing column, and when no row has a past.
    """
    wanted = [target, time] + ([spec.series] if spec.series else [])
    for name in wanted:
        if name not in frame.columns:
            raise no_column(FIELD, name, frame.columns, code="missing_column")
    ordered = frame.sort([spec.series, time] if spec.series else [time], maintain_order=True)
    ordered = ordered.with_columns(as_number(ordered[target]))
    value = pl.col(target)
    past = {f"{target}_lag_{lag}": value.shift(lag) for lag in spec.used_lags}
    past |= {
        f"{target}_mean_{width}": value.shift(spec.horizon).rolling_mean(width)
        for width in spec.means
    }
    made = ordered.with_columns(
        (step.over(spec.series) if spec.series else step).alias(name) for name, step in past.items()
    )
    oldest = max([*spec.used_lags, *(spec.horizon + width - 1 for width in spec.means)])
    step = pl.int_range(pl.len())
    known = made.filter((step.over(spec.series) if spec.series else step) >= oldest)
    if known.is_empty():
        raise invalid(
            FIELD,
            f"<{frame.height} rows>",
            f"series of more than {oldest} steps",
            code="too_few_rows",
        )
    return known.sort(time, maintain_order=True)

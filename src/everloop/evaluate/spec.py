"""The ``[evaluate]`` section of a loop file."""

from __future__ import annotations

from typing import Literal

import msgspec


class EvaluateSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What good means. ``metric`` empty takes the task's default; ``gates`` are sentences."""

    metric: str = ""  # what decides; the default of the task unless given
    gates: tuple[str, ...] | None = None  # what must hold; default: "METRIC beats champion"
    holdout: str | float = 0.2  # share of the rows, or a duration such as "7d" when there is a time
    split: Literal["auto", "last", "random", "stratified"] = "auto"  # auto: by time if any
    group_by: str | None = None  # a column; rows with one value of it stay on one side
    gap: str | None = None  # such as "1d": left out before the first test row by time
    episodes: int = 500  # that a policy plays to be judged
    sensitive: tuple[str, ...] = ()  # columns whose groups fairness is looked at by
    train_rows: int | None = None  # the first N rows train and the rest test, instead of a share

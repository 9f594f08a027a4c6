"""The ``[evaluate]`` section of a loop file."""

from __future__ import annotations

from typing import Literal

import msgspec

Word = Literal["refuse", "ask", "pass"]


class CostSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What an answer costs in money, ``[evaluate.cost]``; what it earns is below 0.

    With two classes the four names, else ``matrix``: a row for each true class and in it a number
    for each answered one, in the order in which ``everloop check`` shows the classes.
    """

    true_positive: float = 0.0  # the second class, found
    false_positive: float = 0.0  # answered with the second class, and it was the first
    false_negative: float = 0.0  # the second class, missed
    true_negative: float = 0.0  # the first class, left alone
    matrix: tuple[tuple[float, ...], ...] = ()  # instead of the four, for any number of classes
    currency: str = ""  # for people


class EvaluateSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What good means. ``metric`` empty takes the task's default; ``gates`` are sentences."""

    metric: str = ""  # what decides; the default of the task unless given
    gates: tuple[str, ...] | None = None  # what must hold; default: "METRIC beats champion"
    on_fail: Word = "refuse"  # a gate fails: refuse, ask a person, or pass all the same
    on_not_enough_evidence: Word = "refuse"  # a gate cannot tell: refuse, ask, or pass
    cost: CostSpec | None = None  # in money, for the metric cost
    holdout: str | float = 0.2  # share of the rows, or a duration such as "7d" when there is a time
    split: Literal["auto", "last", "random", "stratified"] = "auto"  # auto: by time if any
    group_by: str | None = None  # a column; rows with one value of it stay on one side
    gap: str | None = None  # such as "1d": left out before the first test row by time
    episodes: int = 500  # that a policy plays to be judged
    sensitive: tuple[str, ...] = ()  # columns whose groups fairness is looked at by
    explain: Literal["sampled", "shap"] = "sampled"  # Shapley values in the report: ours, or shap's
    train_rows: int | None = None  # the first N rows train and the rest test, instead of a share

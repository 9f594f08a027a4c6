"""The actions of a bandit in the log: ``y`` is what was done, ``p`` how probable it was.

Of an action that the data plane drew, ``p`` is its propensity alone. An answer that was not drawn
(of a table that was answered at once, say) has other probabilities beside it, and teaches nothing.
"""

from __future__ import annotations

import polars as pl

from everloop.data.schema import Schema
from everloop.monitor.labels import answer_codes, class_column


def keys_of(schema: Schema) -> tuple[str, ...]:
    """What names a row of training; of a bandit also what was done, and how probable it was."""
    return ("id", "time", "y", "p") if schema.task == "bandit" else ("id", "time")


def was_drawn(rows: pl.DataFrame, schema: Schema) -> pl.Series:
    """Which of the log's rows a bandit can learn from; of other tasks all."""
    if schema.task != "bandit":
        return pl.repeat(True, rows.height, eager=True)
    known = pl.Series(answer_codes(rows["y"], schema)).is_not_nan()
    return known & (rows["p"].list.len() == 1).fill_null(False)


def actions_of(rows: pl.DataFrame, schema: Schema) -> list[pl.Series]:
    """The columns ``action`` and ``propensity`` of a training frame; none of other tasks."""
    if schema.action is None or schema.propensity is None:
        return []
    action = class_column(answer_codes(rows["y"], schema), schema)
    return [action.alias(schema.action), rows["p"].list.first().alias(schema.propensity)]

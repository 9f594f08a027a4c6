"""What a bandit learns from: an action, how probable it was, and the reward that it earned.

One context, one action, one reward (a contextual bandit: Langford and Zhang, 2007). Only the
action that was done has a reward; what the others would have earned nobody knows, and the
*propensity*, the probability with which it was chosen, is what makes up for that.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.columns import as_kind, as_number, as_text, refuse
from everloop.data.schema import Schema
from everloop.data.spec import DataSpec
from everloop.errors import invalid

ACTION, REWARD, PROPENSITY, COLUMNS = 0, 1, 2, 3  # of the matrix; what follows is estimated
UNIFORM = "propensity"  # the column that is added where all actions were equally probable


def logged(df: pl.DataFrame, reward: pl.Series, schema: Schema) -> NDArray[np.float64]:
    """Code of the action, reward and propensity, n by 3.

    Raises :class:`~everloop.errors.InvalidInput` for an action that is none of the classes and a
    propensity that is no probability above 0.
    """
    assert schema.action is not None and schema.propensity is not None, "a bandit has both"
    for name in (schema.action, schema.propensity):
        if name not in df.columns:
            raise invalid("columns", df.columns, f'a column "{name}"', code="missing_column")
    codes = action_codes(df[schema.action], schema)
    propensity = checked_propensity(df[schema.propensity])
    return np.column_stack([codes, reward.to_numpy(), propensity.to_numpy()]).astype(np.float64)


def action_codes(actions: pl.Series, schema: Schema) -> NDArray[np.int64]:
    """The actions as codes into ``schema.classes``."""
    labels = list(schema.classes)
    if isinstance(labels[0], bool):
        given = as_kind(actions, "boolean")
    elif isinstance(labels[0], str):
        given = as_text(actions)
    else:
        given = as_number(actions)
    wanted = f"one of the actions ({', '.join(map(repr, labels[:10]))})"
    found = given.replace_strict(
        labels, list(range(len(labels))), default=None, return_dtype=pl.Int64
    )
    refuse(actions, found.is_null(), wanted)
    return found.to_numpy()


def checked_propensity(column: pl.Series) -> pl.Series:
    """Probabilities above 0 and up to 1. Raises InvalidInput."""
    found = as_number(column)
    wrong = found.is_null() | (found <= 0) | (found > 1)
    fix = "It is the probability with which the logged action was chosen."
    refuse(column, wrong, "a probability above 0 and up to 1", fix=fix)
    return found


def with_propensity(frame: pl.DataFrame, spec: DataSpec) -> pl.DataFrame:
    """The rows with a column of propensities: where none is named, all actions were alike."""
    if spec.action is None or spec.action not in frame.columns:
        return frame
    if spec.propensity is not None or UNIFORM in frame.columns:
        return frame
    share = 1.0 / max(1, frame[spec.action].drop_nulls().n_unique())
    return frame.with_columns(pl.lit(share).alias(UNIFORM))


def uniform_note(spec: DataSpec, actions: int) -> list[str]:
    """What is assumed where no column says how probable actions were."""
    if spec.propensity is not None:
        return []
    return [
        f"No data.propensity is named: each of the {actions} actions counts as chosen with "
        f"probability 1/{actions}."
    ]

"""What a packaged model is judged by: its answers to held-out rows, or what its actions earn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from everloop.data.declared import environment_of
from everloop.data.encode import encode, encode_target
from everloop.data.episodes import JUDGING, returns, seeds
from everloop.data.schema import Schema
from everloop.data.splits import group_codes
from everloop.evaluate.answers import Answers
from everloop.evaluate.rewards import with_expected
from everloop.loop.declaration import Declaration

if TYPE_CHECKING:
    from everloop.loop.answers import PackagedModel


def truth(holdout: pl.DataFrame, schema: Schema, declaration: Declaration) -> npt.NDArray[Any]:
    """The targets that answers are held against; of a policy one 0 for each episode, of a
    bandit what was done and earned, and what each action is expected to."""
    if schema.task == "policy":
        return np.zeros(declaration.evaluate.episodes)
    y = encode_target(holdout, schema)
    if schema.task == "bandit":
        return with_expected(y, encode(holdout, schema), schema)
    return y


def ranked_together(holdout: pl.DataFrame, schema: Schema) -> npt.NDArray[np.int64] | None:
    """Codes of the rows that are ranked together; None where nothing is ranked."""
    if schema.group is None or schema.group not in holdout.columns:
        return None
    return group_codes(holdout[schema.group])


def judged_answers(
    model: PackagedModel, holdout: pl.DataFrame, schema: Schema, declaration: Declaration
) -> Answers:
    """Answers of ``model`` to the rows of ``holdout``; of a policy the return of each episode.

    Every policy plays the same episodes, which were met neither in learning nor in choosing.
    """
    environment = environment_of(declaration.data) if schema.task == "policy" else None
    if environment is None:
        return model.answers(holdout, schema)
    codes = {label: code for code, label in enumerate(schema.classes)}

    def act(X: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        return np.array([codes[label] for label in model.predictor.predict(X).y])

    episodes = seeds(JUDGING, declaration.evaluate.episodes, declaration.loop.seed)
    return Answers(returns(environment, act, episodes))

"""What a probe of a bandit stands on: what the newest windows earned, judged off policy.

The rewards that came are those of the actions that some policy drew. So champion and challenger
are both asked for the probabilities of all actions in the newest rewarded rows, and their values
are estimated from the same rows, by the metric that the gates use. Where these rows say too little
about one of them (see :class:`everloop.evaluate.metrics._off_policy.Overlap`), nothing is told.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from everloop.data.encode import encode, encode_target
from everloop.data.merge import newer_over
from everloop.data.schema import Schema
from everloop.errors import EverloopError
from everloop.evaluate.answers import Answers
from everloop.evaluate.metrics import Metric
from everloop.evaluate.rewards import with_expected
from everloop.monitor.answers import ScoredRows
from everloop.update.probe import MAX_ROWS, WINDOWS, Grounds, History, Sources
from everloop.update.worth import Ask


def rewarded_grounds(sources: Sources, champion: Ask) -> Grounds:
    """The rows of a bandit's probe; ``champion`` answers with probabilities."""
    schema = sources.schema
    spans = sources.new_spans()[-WINDOWS:]
    until = spans[0][0] if spans else sources.situation.now
    earlier = sources.labelled(until, newest=MAX_ROWS)
    rows = newer_over(sources.known.select(earlier.columns), earlier, schema.id)
    X, y = _rewards(rows.tail(MAX_ROWS), schema)
    judge = None
    if spans:
        newest = sources.labelled(spans[-1][1], since=until)
        if newest.height:
            said = champion(newest)
            judge = ScoredRows(newest, _rewards(newest, schema)[1], said.pred, said.proba)
    return Grounds(History(X, y), judge)


def told_off_policy(
    fit: Callable[[History], Ask], judge: ScoredRows | None, metric: Metric
) -> Callable[[History], Ask]:
    """``fit``, whose model is refused where the rows that judge say too little about its policy."""

    def checked(history: History) -> Ask:
        ask = fit(history)

        def answer(frame: pl.DataFrame) -> Answers:
            found = ask(frame)
            if judge is not None and (why := metric.unsupported(judge.y, found)):
                raise EverloopError(why)
            return found

        return answer

    return checked


def _rewards(rows: pl.DataFrame, schema: Schema) -> tuple[np.ndarray, np.ndarray]:
    """The features, and what was done, earned and is expected of each action."""
    X = encode(rows, schema)
    return X, with_expected(encode_target(rows, schema), X, schema)

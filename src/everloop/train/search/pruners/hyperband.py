"""Many trials for a short while, few for long."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator

from optuna import Study
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState

from everloop.extensions import pruners

REDUCTION = 3  # one of so many goes on at each rung, and the next rung is so many times as far


class Hyperband(BasePruner):
    """Asynchronous successive halving at rungs ``3^(s + k)``, trials divided over brackets ``s``.

    At each rung a trial goes on when it is among the best third of those of its bracket that came
    so far (Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020). There are
    ``⌊log₃ R⌋ + 1`` brackets, ``R`` the steps of the first whole trial, and each gets the share of
    the trials that gives it about the same share of the steps (Li et al., 2018).

    Unlike Optuna's, it keeps nothing beside the scores that trials reported, so a study that is
    taken up again stops the trials that it would have stopped.
    """

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        before, last = [0, 0, *sorted(trial.intermediate_values)][-2:]
        reached = [rung for rung in _rungs(last) if before < rung]
        if not reached:  # as after most steps, and the others need not be looked at
            return False
        known = [t for t in study.get_trials(deepcopy=False) if t.state != TrialState.FAIL]
        whole = (t.last_step for t in known if t.state == TrialState.COMPLETE)
        longest = next((step for step in whole if step), None)
        if longest is None:
            return False
        bracket = _bracket(trial, longest)
        rivals = [t for t in known if t.number != trial.number and _bracket(t, longest) == bracket]
        first = REDUCTION**bracket
        return not all(_among_best(trial, rivals, rung) for rung in reached if rung >= first)


@pruners.register("hyperband")
def hyperband() -> BasePruner:
    """Hyperband (Li et al., 2018): successive halving with several trade-offs at once."""
    return Hyperband()


def _bracket(trial: FrozenTrial, longest: int) -> int:
    """Drawn by the trial's own parameters, in proportion to the trials of each bracket."""
    count = 1
    while REDUCTION**count <= longest:
        count += 1
    shares = [math.ceil(count * REDUCTION ** (count - 1 - s) / (count - s)) for s in range(count)]
    drawn = zlib.crc32(repr(sorted(trial.params.items())).encode()) % sum(shares)
    for bracket, share in enumerate(shares):
        drawn -= share
        if drawn < 0:
            return bracket
    raise AssertionError("the shares add up")


def _rungs(last: int) -> Iterator[int]:
    """All up to a step; a bracket leaves out the first of them."""
    rung = 1
    while rung <= last:
        yield rung
        rung *= REDUCTION


def _first_from(trial: FrozenTrial, rung: int) -> int | None:
    """The first step that the trial reported at or beyond a rung."""
    return min((step for step in trial.intermediate_values if step >= rung), default=None)


def _among_best(trial: FrozenTrial, rivals: list[FrozenTrial], rung: int) -> bool:
    own = _score_at(trial, rung)
    if own is None or math.isnan(own):
        return False
    scores = [own, *(s for t in rivals if (s := _score_at(t, rung)) is not None)]
    better = sum(s > own for s in scores)
    return better < max(1, len(scores) // REDUCTION)


def _score_at(trial: FrozenTrial, rung: int) -> float | None:
    step = _first_from(trial, rung)
    return None if step is None else trial.intermediate_values[step]

"""Reading the ``[train]`` section: which candidates are meant, and whether they can do the task."""

from __future__ import annotations

from everloop.data.schema import Task
from everloop.durations import seconds
from everloop.errors import invalid
from everloop.extensions import candidates
from everloop.train.candidates._base import Candidate
from everloop.train.candidates.own import own_candidate
from everloop.train.loading import is_reference
from everloop.train.spec import TrainSpec

MAX_TRIALS = 100_000


def default_candidates(task: Task) -> tuple[str, ...]:
    """What is tried when the loop file names nothing."""
    if task == "policy":
        return ("q_learning",)
    linear = "linear_regression" if task == "regression" else "logistic_regression"
    return (linear, "lightgbm")


def find_candidate(name: str) -> Candidate:
    """The candidate called ``name``, a plain name or ``module:Class``.

    Raises :class:`~everloop.errors.InvalidInput` with the nearest valid name.
    """
    if ":" in name:
        return own_candidate(name)
    found: Candidate = candidates.get(name, "train.candidates")()
    return found


def chosen_candidates(spec: TrainSpec, task: Task) -> dict[str, Candidate]:
    """The candidates of ``spec`` by name, each checked to do ``task``.

    Raises :class:`~everloop.errors.InvalidInput` for an unknown name or a candidate of another
    task.
    """
    found = {}
    for name in spec.candidates or default_candidates(task):
        candidate = find_candidate(name)
        if task not in candidate.tasks:
            raise invalid(
                "train.candidates",
                name,
                f"a candidate for {task}: " + ", ".join(_names_for(task)),
                code="wrong_task",
                fix=None if ":" not in name else "A classifier of yours needs predict_proba.",
            )
        found[name] = candidate
    return found


def check_spec(spec: TrainSpec, task: Task | None = None) -> None:
    """Refuse what training would refuse, without importing a user's module or any data.

    Raises :class:`~everloop.errors.InvalidInput`.
    """
    for i, name in enumerate(spec.candidates):
        if ":" in name and not is_reference(name):
            raise invalid(f"train.candidates[{i}]", name, 'a plain name or "module:Class"')
        if ":" not in name:
            candidates.get(name, f"train.candidates[{i}]")
    if len(set(spec.candidates)) < len(spec.candidates):
        raise invalid("train.candidates", list(spec.candidates), "each candidate once")
    if task is not None:
        plain = tuple(name for name in spec.candidates if ":" not in name)
        chosen_candidates(TrainSpec(candidates=plain), task)
    if not 0 <= spec.search.trials <= MAX_TRIALS:
        raise invalid("train.search.trials", spec.search.trials, f"a number from 0 to {MAX_TRIALS}")
    if seconds(spec.search.timeout, "train.search.timeout") <= 0:
        raise invalid("train.search.timeout", spec.search.timeout, "a duration above 0")


def _names_for(task: Task) -> list[str]:
    return [name for name, candidate in candidates if task in candidate().tasks]

"""The numbers of ``[train.search]`` and the ranges of ``[train.space]``, without any import of
candidates."""

from __future__ import annotations

from everloop.durations import seconds
from everloop.errors import invalid
from everloop.train.search.space import check_declared
from everloop.train.spec import TrainSpec

MAX_TRIALS = 100_000


def check_search(spec: TrainSpec) -> None:
    """Refuse a budget of less than nothing and a space that contradicts itself.

    Raises :class:`~everloop.errors.InvalidInput`.
    """
    search = spec.search
    if search.trials is not None and not 0 <= search.trials <= MAX_TRIALS:
        expected = "0 or more" if search.trials < 0 else f"at most {MAX_TRIALS}"
        raise invalid("train.search.trials", search.trials, expected)
    if search.timeout is not None and seconds(search.timeout, "train.search.timeout") <= 0:
        raise invalid("train.search.timeout", search.timeout, "a duration above 0")
    if search.max_cost is not None and search.max_cost <= 0:
        raise invalid("train.search.max_cost", search.max_cost, "a number above 0")
    if search.cost_per_hour < 0:
        raise invalid("train.search.cost_per_hour", search.cost_per_hour, "0 or more")
    if search.workers < 0:
        raise invalid("train.search.workers", search.workers, "0 (one for each core) or more")
    for name, declared in spec.space.items():
        check_declared(name, declared)

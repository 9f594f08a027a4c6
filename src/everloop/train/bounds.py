"""The numbers of ``[train.search]`` and the ranges of ``[train.space]``, without any import of
candidates."""

from __future__ import annotations

from everloop.durations import seconds
from everloop.errors import invalid
from everloop.sizes import size
from everloop.train.search.space import check_declared
from everloop.train.spec import LimitSpec, TrainSpec, ValidationSpec

MAX_TRIALS = 100_000
MAX_ATTEMPTS = 100
BY_HASH = ("k_fold", "stratified", "grouped")  # kinds of validation that no time has a part in


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


def check_limits(limits: LimitSpec) -> None:
    """Refuse limits within which nothing can run. Raises InvalidInput."""
    if seconds(limits.time, "train.limits.time") <= 0:
        raise invalid("train.limits.time", limits.time, "a duration above 0")
    if limits.memory:
        size(limits.memory, "train.limits.memory")
    if not 1 <= limits.attempts <= MAX_ATTEMPTS:
        raise invalid("train.limits.attempts", limits.attempts, f"1 to {MAX_ATTEMPTS}")


def check_validation(spec: ValidationSpec, time: str | None, group_by: str | None) -> None:
    """Refuse parts that cannot be, as far as that is known without the data.

    Raises :class:`~everloop.errors.InvalidInput`.
    """
    field, kind = "train.validation", spec.kind
    for name, count in (("folds", spec.folds), ("outer", spec.outer)):
        if count < 2:
            raise invalid(f"{field}.{name}", count, "2 or more")
    if not 0 < spec.share < 1:
        raise invalid(f"{field}.share", spec.share, "a share in (0, 1)")
    if kind == "forward" and time is None:
        fix = "Name the column of time in data.time."
        raise invalid(f"{field}.kind", kind, "another kind where there is no data.time", fix=fix)
    if kind == "grouped" and group_by is None:
        fix = "Name the column of groups in evaluate.group_by."
        raise invalid(
            f"{field}.kind", kind, "another kind where there is no evaluate.group_by", fix=fix
        )
    if kind == "stratified" and group_by is not None:
        raise invalid(f"{field}.kind", kind, '"grouped", as groups stay whole')
    if spec.gap is None:
        return
    seconds(spec.gap, f"{field}.gap")
    if time is None or kind in BY_HASH:
        expected = "no gap where the rows that validate are not later ones"
        raise invalid(f"{field}.gap", spec.gap, expected, fix="Leave it out.")

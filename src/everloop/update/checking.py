"""Whether an ``[update]`` section can be kept at all."""

from __future__ import annotations

import math

from everloop.durations import milliseconds
from everloop.errors import InvalidInput, invalid
from everloop.update.approval import check_approvals
from everloop.update.budget import Limit, parse_limit
from everloop.update.quiet import DAYS, check_quiet
from everloop.update.sound import check_method
from everloop.update.spec import UpdateSpec, ValueSpec
from everloop.update.triggers import parse_trigger
from everloop.update.triggers.schedule import ScheduleTrigger


def check_update(spec: UpdateSpec, fingerprinted: bool = True) -> None:
    """Raise :class:`~everloop.errors.InvalidInput` for what is no policy, or contradicts itself.

    ``fingerprinted``: whether it can be known that the data source changed.
    """
    triggers = [parse_trigger(text) for text in spec.when]
    if "new data" in spec.when and not fingerprinted:
        wanted = "another trigger, as data.source names no files that could change"
        raise _contradiction("when", "new data", wanted, 'Write "every 1d", for example.')
    if not 0 <= spec.min_gain < 1:
        raise invalid("update.min_gain", spec.min_gain, "a share in [0, 1)")
    check_method(spec)
    if not 0 < spec.forget < math.inf:
        raise invalid("update.forget", spec.forget, "a margin above 0, in the metric")
    for field in ("hour", "review", "bad_hour"):
        if not 0 <= getattr(spec, field) < math.inf:
            raise invalid(f"update.{field}", getattr(spec, field), "0 or more")
    if spec.value is not None:
        _check_value(spec.value)
    check_quiet(spec.quiet, spec.timezone)
    check_approvals(spec)
    limits = [parse_limit(text) for text in spec.budget]
    if set(DAYS) <= set(spec.quiet):
        raise _contradiction("quiet", list(spec.quiet), "an hour in which an update may begin")
    for limit in limits:
        if limit.what == "money" and not spec.hour:
            raise invalid(
                "update.hour", spec.hour, f'what an hour costs, as the budget says "{limit.text}"'
            )
        if limit.most <= 0 and spec.when:
            wanted = "room for an update, as update.when asks for some"
            raise _contradiction("budget", limit.text, wanted, 'Write when = [] for "never".')
        for trigger in triggers:
            if isinstance(trigger, ScheduleTrigger):
                _check_pace(trigger, limit)


def _check_value(value: ValueSpec) -> None:
    for field in ("money", "per"):
        if not 0 < getattr(value, field) < math.inf:
            raise invalid(f"update.value.{field}", getattr(value, field), "more than 0")
    if not milliseconds(value.over, "update.value.over"):
        raise invalid("update.value.over", value.over, "a length of time")


def _check_pace(schedule: ScheduleTrigger, limit: Limit) -> None:
    """A calendar that asks for more cycles than the budget has."""
    if limit.what == "cycles" and limit.period / schedule.milliseconds > limit.most:
        wanted = f'room for "every {schedule.every}" of update.when'
        raise _contradiction("budget", limit.text, wanted)


def _contradiction(field: str, got: object, wanted: str, fix: str | None = None) -> InvalidInput:
    return invalid(f"update.{field}", got, wanted, code="contradiction", fix=fix)

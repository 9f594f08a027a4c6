"""Whether an ``[update]`` section can be kept at all."""

from __future__ import annotations

import math

from everloop.durations import milliseconds
from everloop.errors import InvalidInput, invalid
from everloop.update.approval import check_approvals
from everloop.update.budget import Limit, parse_limit
from everloop.update.quiet import always_quiet, check_quiet
from everloop.update.sound import check_method
from everloop.update.spec import UpdateSpec, ValueSpec
from everloop.update.triggers import parse_trigger
from everloop.update.triggers._base import Trigger
from everloop.update.triggers.cron import CronTrigger
from everloop.update.triggers.schedule import ScheduleTrigger

LEAP = 0.05  # by which a calendar's months and weeks may differ from their mean


def check_update(spec: UpdateSpec, fingerprinted: bool = True) -> None:
    """Raise :class:`~everloop.errors.InvalidInput` for what is no policy, or contradicts itself.

    ``fingerprinted``: whether it can be known that the data source changed.
    """
    triggers = {text: parse_trigger(text) for text in spec.when}
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
    if always_quiet(spec.quiet):
        raise _contradiction("quiet", list(spec.quiet), "an hour in which an update may begin")
    _check_prices(spec)
    for limit in limits:
        if limit.what == "money" and not spec.hour:
            raise invalid(
                "update.hour", spec.hour, f'what an hour costs, as the budget says "{limit.text}"'
            )
        if limit.most <= 0 and spec.when:
            wanted = "room for an update, as update.when asks for some"
            raise _contradiction("budget", limit.text, wanted, 'Write when = [] for "never".')
        for text, trigger in triggers.items():
            _check_pace(text, trigger, limit)
    for text, trigger in triggers.items():
        _check_rest(text, trigger, spec.cooldown)


def _check_value(value: ValueSpec) -> None:
    for field in ("money", "per"):
        if not 0 < getattr(value, field) < math.inf:
            raise invalid(f"update.value.{field}", getattr(value, field), "more than 0")
    if not milliseconds(value.over, "update.value.over"):
        raise invalid("update.value.over", value.over, "a length of time")


def _check_prices(spec: UpdateSpec) -> None:
    """What decides in money, where there is none; and the share that money takes the place of."""
    if spec.value is None:
        for field in ("review", "bad_hour"):
            if getattr(spec, field):
                wanted = "update.value beside it, which it is weighed against"
                raise _contradiction(field, getattr(spec, field), wanted)
    elif spec.min_gain != UpdateSpec().min_gain:
        wanted = "no min_gain beside update.value, which decides by what a gain is worth"
        raise _contradiction("min_gain", spec.min_gain, wanted)


def _check_pace(text: str, trigger: Trigger, limit: Limit) -> None:
    """A calendar that asks for more cycles than the budget has."""
    if limit.what != "cycles":
        return
    asked = 0.0
    if isinstance(trigger, ScheduleTrigger):
        asked = limit.period / trigger.milliseconds
    elif isinstance(trigger, CronTrigger):
        asked = limit.period / trigger.milliseconds() / (1 + LEAP)
    if asked > limit.most:
        wanted = f'room for "{text}" of update.when'
        raise _contradiction("budget", limit.text, wanted)


def _check_rest(text: str, trigger: Trigger, cooldown: str) -> None:
    """A cool-down that a calendar does not keep to: it holds back alerts alone."""
    if not isinstance(trigger, ScheduleTrigger):
        return
    if milliseconds(cooldown, "update.cooldown") > trigger.milliseconds:
        wanted = f'at most "{trigger.every}", as "{text}" of update.when begins one then'
        raise _contradiction("cooldown", cooldown, wanted)


def _contradiction(field: str, got: object, wanted: str, fix: str | None = None) -> InvalidInput:
    return invalid(f"update.{field}", got, wanted, code="contradiction", fix=fix)

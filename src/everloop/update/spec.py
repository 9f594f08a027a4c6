"""The ``[update]`` section of a loop file."""

from __future__ import annotations

from typing import Literal

import msgspec


class UpdateSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """When a new model is considered, and how it is made.

    ``when`` holds ``"drift"``, ``"performance"`` (by labels), ``"estimated performance"`` (before
    they come), schedules such as ``"every 30d"`` or ``"cron 0 3 * * mon"`` (UTC), volumes such as
    ``"every 20000 rows"``, ``"new data"`` (the source's files changed), ``"event NAME"`` (told from
    upstream), and rules over several: ``"drift and every 7d"``, ``"2 of drift, performance"``.
    """

    when: tuple[str, ...] = ("drift", "performance")  # what asks for an update
    method: str = "auto"  # how the new model is made: a method's name; auto lets a probe choose
    approval: Literal["auto", "human"] = "auto"  # human: a person decides before it serves
    cooldown: str = "0s"  # after a cycle, alerts start none for this long (event time)
    min_gain: float = 0.005  # share of the champion's score that an update must bring
    budget: tuple[str, ...] = ()  # what updates may use: "3 cycles per 7d", "2h of compute per 7d"
    hour: float = 0.0  # money that an hour of compute costs, for "50 of money per 30d"
    quiet: tuple[str, ...] = ()  # when none begins by itself: "sat", "22:00-06:00"
    timezone: str = "UTC"  # of the quiet hours

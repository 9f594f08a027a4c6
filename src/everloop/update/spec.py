"""The ``[update]`` section of a loop file."""

from __future__ import annotations

from typing import Literal

import msgspec


class ValueSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What better answers are worth: ``money`` for a gain of ``per``, had for as long as ``over``.

    With it an update must earn what it costs; ``min_gain`` has no say then.
    """

    money: float  # what such a gain is worth
    per: float = 0.01  # the gain, in the metric
    over: str = "30d"  # for how long it is had (event time)


class UpdateSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """When a new model is considered, and how it is made.

    ``when`` holds ``"drift"``, ``"performance"`` (by labels), ``"estimated performance"`` (before
    they come), schedules such as ``"every 30d"`` or ``"cron 0 3 * * mon"`` (UTC), volumes such as
    ``"every 20000 rows"``, ``"new data"`` (the source's files changed), ``"event NAME"`` (told from
    upstream), and rules over several: ``"drift and every 7d"``, ``"2 of drift, performance"``.
    """

    when: tuple[str, ...] = ("drift", "performance")  # what asks for an update
    method: str = "auto"  # how the new model is made: a method's name; auto lets a probe choose
    # rows that a new fit learns from: "all", "newest 90d", "newest 50000 rows", "decay 30d" (half
    # the weight with each 30 days of age), "change" (from where the champion's loss changed)
    window: str = "all"
    # of parameters: keep the champion's, warm (a short search that starts there), full
    search: Literal["keep", "warm", "full"] = "keep"
    # how much of the metric a model that learns on may lose on the rows that tested the champion
    forget: float = 0.01
    approval: Literal["auto", "human"] = "auto"  # human: a person decides before it serves
    approvals: int | dict[str, int] | None = None  # people who must agree, or how many of each role
    timeout: str = ""  # how long a cycle waits for them, as "3d"; empty: for ever
    on_timeout: Literal["decline", "approve", "remind"] = "decline"  # what then happens
    cooldown: str = "0s"  # after a cycle, alerts start none for this long (event time)
    min_gain: float = 0.005  # share of the champion's score that an update must bring
    budget: tuple[str, ...] = ()  # what updates may use: "3 cycles per 7d", "2h of compute per 7d"
    hour: float = 0.0  # money that an hour of compute costs
    value: ValueSpec | None = None  # what a gain is worth; min_gain decides without it
    review: float = 0.0  # money that a review costs, with approval = "human"
    bad_hour: float = 0.0  # money that an hour of a bad version on trial costs
    fallback: Literal["wait", "drop", "version"] = "wait"  # when a feature breaks: serve without it
    quiet: tuple[str, ...] = ()  # when none begins by itself: "sat", "22:00-06:00"
    timezone: str = "UTC"  # of the quiet hours

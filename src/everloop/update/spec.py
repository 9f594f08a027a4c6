"""The ``[update]`` section of a loop file."""

from __future__ import annotations

from typing import Literal

import msgspec


class UpdateSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """When a new model is considered, and how it is made.

    ``when`` holds ``"drift"``, ``"performance"`` (by labels), ``"estimated performance"`` (before
    they come), schedules such as ``"every 30d"`` and volumes such as ``"every 20000 rows"``.
    """

    when: tuple[str, ...] = ("drift", "performance")  # what asks for an update
    method: Literal["auto", "retrain"] = "auto"  # how the new model is made
    approval: Literal["auto", "human"] = "auto"  # human: a person decides before it serves
    cooldown: str = "0s"  # after a cycle, alerts start none for this long (event time)
    min_gain: float = 0.005  # share of the champion's score that an update must bring

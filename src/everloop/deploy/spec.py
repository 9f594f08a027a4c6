"""The ``[deploy]`` section of a loop file."""

from __future__ import annotations

from typing import Literal

import msgspec


class RolloutSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How a new version takes over the traffic."""

    kind: Literal["direct", "canary"] = "direct"  # at once, or in steps beside the champion
    steps: tuple[float, ...] = (0.05, 0.25, 1.0)  # share of the traffic at each step, rising
    guard: Literal["error_rate", "none"] = "error_rate"  # what can roll a canary back
    max_error_rate: float = 0.02  # above the champion's; more than this rolls back
    min_requests: int = 100  # requests answered by the canary that a step waits for
    hold: str = "60s"  # a step waits no longer than this for them


class DeploySpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where callers find the model. ``endpoint`` empty takes the loop's name."""

    endpoint: str = ""  # the name callers use; the loop's own unless given
    rollout: RolloutSpec = RolloutSpec()

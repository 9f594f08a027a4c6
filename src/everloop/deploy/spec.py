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


class ServingSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What one process of the data plane does for an endpoint at once."""

    concurrency: int = 256  # requests under way
    queue: int = 1024  # requests that wait for their turn; more are refused with 429
    deadline_ms: int = 30_000  # a request that waits longer is refused with 504; 0 waits for ever
    batch_ms: float = 10.0  # how long a batch of gathered requests may take a slow model; 0: none
    cache: int = 0  # different requests whose answers are kept and given again


class DeploySpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where callers find the model. ``endpoint`` empty takes the loop's name."""

    endpoint: str = ""  # the name callers use; the loop's own unless given
    rollout: RolloutSpec = RolloutSpec()
    serving: ServingSpec = ServingSpec()

"""The ``[deploy]`` section of a loop file."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["direct", "blue_green", "canary", "shadow", "ab", "bandit", "interleave"]


# What a request's values may fail, see everloop.deploy.serving.checks.
Check = Literal["missing", "out_of_range", "unknown_category"]


class RolloutSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How a new version takes over the traffic."""

    kind: Kind = "direct"  # how the new version meets the traffic, beside the champion or at once
    steps: tuple[float, ...] = (0.05, 0.25, 1.0)  # a canary's share at each step, rising
    share: float = 0.5  # of the traffic for the new versions together, in ab and bandit
    guard: Literal["error_rate", "none"] = "error_rate"  # what can roll back when guards is empty
    guards: tuple[str, ...] = ()  # what can roll back: error_rate, latency, shift, and others
    max_error_rate: float = 0.02  # failed requests above the champion's; more rolls back
    max_latency: float = 2.0  # times the champion's median and p99; more rolls back
    max_p99_ms: float = 0.0  # a bound of the p99 latency by itself; 0 for none
    max_shift: float = 0.1  # of the answers, as total variation from the champion's
    max_disagreement: float = 0.1  # rows that a shadow answers otherwise than the champion
    max_wrong: float = 0.02  # wrong answers by their labels, above the champion's
    tolerance: float = 0.0  # how far a number may lie from another and count as the same
    min_requests: int = 100  # requests answered by the new version that a step waits for
    hold: str = "60s"  # a step waits no longer than this for them
    keep: str = "10m"  # how long blue_green keeps the old version loaded

    @property
    def watch(self) -> tuple[str, ...]:
        """The guards that watch this rollout."""
        if self.guards:
            return self.guards
        return () if self.guard == "none" else (self.guard,)


class ServingSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What one process of the data plane does for an endpoint at once."""

    concurrency: int = 256  # requests under way
    queue: int = 1024  # requests that wait for their turn; more are refused with 429
    deadline_ms: int = 30_000  # a request that waits longer is refused with 504; 0 waits for ever
    batch_ms: float = 10.0  # how long a batch of gathered requests may take a slow model; 0: none
    cache: int = 0  # different requests whose answers are kept and given again
    # What a request is refused for with 422, and only counted otherwise.
    refuse: tuple[Check, ...] = ()  # some of missing, out_of_range, unknown_category


class DeploySpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where callers find the model. ``endpoint`` empty takes the loop's name."""

    endpoint: str = ""  # the name callers use; the loop's own unless given
    rollout: RolloutSpec = RolloutSpec()
    serving: ServingSpec = ServingSpec()

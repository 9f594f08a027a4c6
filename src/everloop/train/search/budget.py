"""How long a study may go on: trials, time and cost, whichever ends first."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from everloop.durations import seconds
from everloop.train.bounds import MAX_TRIALS
from everloop.train.spec import SearchSpec

UNBOUNDED = float("inf")


@dataclass
class Budget:
    """What may be spent, and what was spent already by an earlier session of the same study.

    Attributes
    ----------
    trials, timeout, cost : the most of each; timeout in seconds of the clock.
    price : of one worker's hour.
    spent : seconds that earlier sessions of the study took.
    """

    trials: int
    timeout: float
    cost: float = UNBOUNDED
    price: float = 1.0
    spent: float = 0.0
    began: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, spec: SearchSpec) -> Budget:
        """What ``[train.search]`` allows; ten minutes when it bounds nothing but trials."""
        bounded = spec.timeout or ("10m" if spec.max_cost is None else None)
        return cls(
            trials=MAX_TRIALS if spec.trials is None else spec.trials,
            timeout=UNBOUNDED if bounded is None else seconds(bounded, "train.search.timeout"),
            cost=UNBOUNDED if spec.max_cost is None else spec.max_cost,
            price=spec.cost_per_hour,
        )

    def left(self) -> float:
        """Seconds that remain."""
        return self.timeout - self.spent - (time.monotonic() - self.began)

    def allows(self, trials: int, worked: float) -> bool:
        """Whether another trial may begin after so many, which took ``worked`` seconds in all."""
        cost = worked / 3600 * self.price
        return trials < self.trials and self.left() > 0 and cost < self.cost

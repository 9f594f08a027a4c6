"""What stands for rows where a policy is searched for: episodes that choose."""

from __future__ import annotations

from typing import Any

import numpy as np

from everloop.data.environments import Environment
from everloop.data.episodes import CHOOSING, returns, seeds
from everloop.errors import invalid
from everloop.train.candidates._base import Candidate
from everloop.train.fitting import Fitting, Report, never, silent
from everloop.train.spec import SearchSpec
from everloop.train.training import Prune, Training, Validated

EPISODES = 200  # that choose between policies; none of them is met in learning or in the test
NOTHING = np.zeros((0, 0))


class Playing(Training):
    """Lets candidates learn in an environment and scores them by mean return over new episodes."""

    def __init__(self, environment: Environment, seed: int) -> None:
        super().__init__(NOTHING, NOTHING, environment.schema, _no_rows, seed)
        self.environment = environment

    def learn(self, candidate: Candidate, params: dict[str, Any], report: Report) -> Any:
        """A policy that has learned."""
        policy = candidate.build(self.schema, "policy", self.seed, dict(params))
        around = Fitting(environment=self.environment, report=report)
        candidate.fit(policy, NOTHING, NOTHING, around)
        return policy

    def earned(self, policy: Any) -> float:
        """The mean return of a policy, or of any other ``predict``, over the episodes."""
        chosen_by = seeds(CHOOSING, EPISODES, self.seed)
        return float(returns(self.environment, policy.predict, chosen_by).mean())

    def validate(
        self,
        candidate: Candidate,
        params: dict[str, Any],
        *,
        early_stopping: bool = False,
        prune: Prune = never,
        report: Report = silent,
    ) -> Validated:
        """Learns and plays; nothing is asked on the way."""
        return Validated(self.earned(self.learn(candidate, params, report)), {}, NOTHING)


def check_alone(search: SearchSpec) -> None:
    """Refuse workers: an environment lives in one process.

    Raises :class:`~everloop.errors.InvalidInput`.
    """
    if search.workers != 1:
        raise invalid("train.search.workers", search.workers, "1 where a policy learns")
    if search.executor not in ("", "inline"):
        raise invalid("train.search.executor", search.executor, '"" where a policy learns')


def _no_rows(*_: Any, **__: Any) -> float:
    raise AssertionError("episodes are played, not scored as rows")

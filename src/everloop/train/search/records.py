"""One trial of a study, as it is written down."""

from __future__ import annotations

import math
from typing import Any, Literal

import msgspec

State = Literal["complete", "pruned", "failed"]


class Trial(msgspec.Struct, frozen=True, omit_defaults=True):
    """A candidate with one set of parameters, and what came of it.

    Attributes
    ----------
    number : in the order of starting, over all candidates.
    point : what the sampler chose: by name the value and its distribution as JSON text.
    params : what the model was built with, those that the fit settled itself included.
    score : greater is better; None for a trial that failed.
    steps : validation scores on the way, ``(step, score)``.
    """

    number: int
    candidate: str
    state: State
    params: dict[str, Any]
    point: dict[str, tuple[Any, str]] = {}
    score: float | None = None
    seconds: float = 0.0
    error: str | None = None
    steps: tuple[tuple[int, float], ...] = ()
    default: bool = False  # the candidate's defaults, its first trial
    at: int = 0  # when it ended, ms
    loss: float | None = None  # of its answers to the validation rows; decides between equal scores

    @property
    def usable(self) -> bool:
        """Whether a model may be chosen by it."""
        return self.state == "complete" and self.score is not None

    @property
    def worth(self) -> tuple[float, float, int]:
        """Greater is better: the score, then the loss, then who came first."""
        return *worth(self.score, self.loss), -self.number


def worth(score: float | None, loss: float | None) -> tuple[float, float]:
    """To compare by: the score, and what decides between equal ones; unknown is less than any."""
    gained = [score, None if loss is None else -loss]
    first, second = (-math.inf if v is None or math.isnan(v) else v for v in gained)
    return first, second

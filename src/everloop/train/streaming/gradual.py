"""Models with ``partial_fit``: one pass over all rows."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.base import clone

from everloop.train.streaming.fit import Refit
from everloop.train.streaming.progress import Progress


def continue_fit(part: Refit) -> tuple[Any | None, str]:
    """One pass of ``partial_fit``.

    A model that learns step by step (it has ``warm_start``) goes on from where the sample has
    brought it; others, which add up, begin anew. The former, and those that say so (``forgets``),
    forget what they saw first, so where the rows are sorted by the target they are left as the
    sample, a mixed one, made them. After
    a crash the pass goes on from the last checkpoint, where the model is made of what
    :mod:`.plain` can write.
    """
    stepwise = "warm_start" in part.model.get_params()
    if (stepwise or getattr(part.model, "forgets", False)) and part.rows.ordered:
        return None, "its rows are sorted by the target, and it would forget the first of them"
    middle, spread = _unit(part)
    progress = Progress(part)
    model = progress.found(_ready(part.model))
    if model is None:
        model = _begun(part, stepwise, middle, spread)
    fresh = not stepwise and not progress.blocks
    seen = getattr(part.model, "classes_", None)
    for number, X, y in part.whole_blocks(progress.blocks):
        if seen is None:
            model.partial_fit(X, (y - middle) / spread)
        elif fresh:
            model.partial_fit(X, seen[y], classes=seen)
        else:
            model.partial_fit(X, seen[y])
        fresh = False
        progress.keep(number + 1, model)
    if stepwise and spread != 1.0:
        _rescale(model, spread, middle)
    return model, "one pass of partial_fit"


def _begun(part: Refit, stepwise: bool, middle: float, spread: float) -> Any:
    """The model before its first block."""
    if not stepwise:
        return clone(part.model)
    model = _ready(part.model)
    if spread != 1.0:
        _rescale(model, 1 / spread, -middle / spread)
    return model


def _ready(model: Any) -> Any:
    """A copy that may go on; scikit-learn refuses to while it would stop early."""
    going = copy.deepcopy(model)
    if "early_stopping" in going.get_params():
        going.set_params(early_stopping=False)
        going.best_loss_ = np.inf  # stopping early kept none
    return going


def _unit(part: Refit) -> tuple[float, float]:
    """Middle and spread of the target, for a network of numbers, which learns it scaled."""
    if not part.scaled or hasattr(part.model, "classes_"):
        return 0.0, 1.0
    return float(part.sample.y.mean()), float(part.sample.y.std()) or 1.0


def _rescale(model: Any, factor: float, shift: float) -> None:
    """A network whose answers are ``factor`` times what they were, plus ``shift``."""
    model.coefs_[-1] = model.coefs_[-1] * factor
    model.intercepts_[-1] = np.asarray(model.intercepts_[-1]) * factor + shift

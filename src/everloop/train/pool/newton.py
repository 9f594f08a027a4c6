"""Damped Newton steps, for the few coefficients that a pool fits each window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def descend(
    at: np.ndarray,
    loss: Callable[[np.ndarray], float],
    step: Callable[[np.ndarray], np.ndarray],
    most: int,
    *,
    smallest: float,
    enough: float,
) -> np.ndarray:
    """Where at most ``most`` steps from ``at`` lead, each of which makes the loss smaller.

    A step that does not is halved, down to ``smallest`` of it; one that gains less than ``enough``
    of the loss is the last.
    """
    before = loss(at)
    for _ in range(most):
        whole, size = step(at), 1.0
        after = loss(at - whole)
        while not after < before and size > smallest:
            size /= 2
            after = loss(at - size * whole)
        if not after < before:
            break
        at, gained, before = at - size * whole, before - after, after
        if gained < enough * abs(before):
            break
    return at

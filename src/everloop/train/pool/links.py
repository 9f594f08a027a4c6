"""From raw scores of trees to answers, and the loss that both trees and mixture are judged by.

Scores are n by ``outputs``; targets are codes 0 … k-1 of classes, or numbers. ``longest_step``
bounds one leaf's Newton step, ``unit`` is what the derivatives of the loss are told in.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, log_softmax, softmax

LONGEST_STEP = 10.0  # of a classifier, in scores


class Binary:
    """Two classes: one score, whose sigmoid is the second one's probability; the logistic loss."""

    outputs = 1
    longest_step = LONGEST_STEP
    unit = 1.0

    def losses(self, scores: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Of each row, n."""
        return np.asarray(np.logaddexp(0.0, scores[:, 0]) - y * scores[:, 0])

    def slopes(self, scores: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and second derivatives of the loss by each score, both n by ``outputs``."""
        p = expit(scores)
        return p - y[:, None], p * (1.0 - p)

    def answers(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities of the classes, n by 2."""
        return np.column_stack([expit(-scores[:, 0]), expit(scores[:, 0])])


class Classes:
    """k classes: a score each, whose softmax are their probabilities; the cross entropy."""

    longest_step = LONGEST_STEP
    unit = 1.0

    def __init__(self, count: int) -> None:
        self.outputs = count

    def losses(self, scores: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Of each row, n."""
        return np.asarray(-log_softmax(scores, axis=1)[np.arange(len(y)), y.astype(int)])

    def slopes(self, scores: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and second derivatives of the loss by each score, both n by ``outputs``.

        The second ones as LightGBM takes them: times k / (k - 1), for scores that move together.
        """
        p = softmax(scores, axis=1)
        g = p.copy()
        g[np.arange(len(y)), y.astype(int)] -= 1.0
        return g, p * (1.0 - p) * self.outputs / (self.outputs - 1.0)

    def answers(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities of the classes, n by k."""
        return np.asarray(softmax(scores, axis=1))


class Numbers:
    """A number, which is its score; half the squared error in units of ``spread`` squared."""

    outputs = 1
    longest_step = np.inf

    def __init__(self, spread: float) -> None:
        self.spread = max(spread, 1e-12)
        self.unit = 1.0 / self.spread**2

    def losses(self, scores: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Of each row, n."""
        return np.asarray(0.5 * self.unit * np.square(scores[:, 0] - y))

    def slopes(self, scores: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and second derivatives of the loss by each score over ``unit``, both n by 1."""
        return scores - y[:, None], np.ones(scores.shape)

    def answers(self, scores: np.ndarray) -> np.ndarray:
        """The numbers, n."""
        return scores[:, 0]


Link = Binary | Classes | Numbers


def link_of(task: str, classes: int, y: np.ndarray) -> Link:
    """For a model of ``task`` that tells ``classes`` apart; ``y`` are the targets it learned."""
    if task == "regression":
        return Numbers(float(np.std(y)))
    return Binary() if classes == 2 else Classes(classes)


def described(link: Link) -> dict[str, Any]:
    """What :func:`link_from` makes it again from; plain JSON."""
    if isinstance(link, Numbers):
        return {"kind": "numbers", "spread": link.spread}
    return {"kind": "binary" if isinstance(link, Binary) else "classes", "outputs": link.outputs}


def link_from(told: dict[str, Any]) -> Link:
    """The link that :func:`described` told of."""
    if told["kind"] == "numbers":
        return Numbers(float(told["spread"]))
    return Binary() if told["kind"] == "binary" else Classes(int(told["outputs"]))

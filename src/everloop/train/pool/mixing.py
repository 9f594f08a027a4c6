"""How the members are weighed: by their recent losses, and by fits of the mixture itself.

Several ways of making one score of the members' scores, and a mean of them:

*   by losses: weights in proportion to ``exp(-RATE · L)``, with ``L`` the mean loss of each window,
    forgotten at ``FORGET`` a window (Herbster and Warmuth, 1998, the share that tracks a change);
*   by fits, one for each of ``MEMORIES``: coefficients and an offset that minimise the loss, where
    all rows so far count by a quadratic that forgets (a Laplace approximation with forgetting), and
    the ridge pulls to the weights above. They can lean on the difference of two members, which says
    where the concept is going, and set scale and offset right, as Platt's recalibration does.

All are linear in the scores, and so is their mean, which is weighed by losses in turn: coefficients
and an offset for each output. How long it is good to remember is not said beforehand: it is one of
the things that the losses decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from everloop.train.pool.links import Link
from everloop.train.pool.newton import descend

RATE = 20.0
FORGET = 0.7  # share of a loss that counts one window later
MEMORIES = (0.9, 0.98, 0.995)  # share of a window's rows that count in each fit one window later
RIDGE = 20.0  # rows that the weights by losses are worth
STEPS = 15


@dataclass
class Mixture:
    """Weights of ``members``, and what they are made from.

    Attributes
    ----------
    losses : of the members, forgotten. mixed : of the mixture. ways : of the ways, losses first.
    fits : coefficients of the members, then the offsets, one row for each memory.
    bends : how sure they are: second derivatives, forgotten; one matrix for each memory.
    """

    members: int
    outputs: int
    losses: np.ndarray
    mixed: float = 0.0
    ways: np.ndarray = field(default_factory=lambda: np.zeros(1 + len(MEMORIES)))
    fits: np.ndarray = field(default_factory=lambda: np.zeros(0))
    bends: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def new(cls, members: int, outputs: int) -> Mixture:
        made, size = cls(members, outputs, np.zeros(members)), members + outputs
        made.fits = np.tile(made._by_loss(), (len(MEMORIES), 1))
        made.bends = np.zeros((len(MEMORIES), size, size))
        return made

    def coefficients(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the members, and offsets of the outputs."""
        mixed = _weights(self.ways) @ self._all()
        return mixed[: self.members], mixed[self.members :]

    def score(self, scores: np.ndarray) -> np.ndarray:
        """One score of members by n by outputs: n by outputs."""
        weights, offsets = self.coefficients()
        return np.asarray(np.tensordot(weights, scores, 1) + offsets)

    def judged(self, scores: np.ndarray, y: np.ndarray, link: Link) -> np.ndarray:
        """Mean losses of the mixture, then of each way, on rows that it has not learned from."""
        told = [self.score(scores), *(_apply(way, scores) for way in self._all())]
        return np.array([link.losses(one, y).mean() for one in told])

    def learn(
        self,
        scores: np.ndarray,
        y: np.ndarray,
        link: Link,
        late: int = 1,
        judged: np.ndarray | None = None,
    ) -> None:
        """Weigh anew by a window's scores, which nothing has learned from yet.

        Where labels come ``late`` windows after their rows, ``scores`` are what the members said
        then, and ``judged`` what the mixture of then has of :meth:`judged`; what was best lately
        need not be when they are answered for, so losses are forgotten so many times slower.
        """
        told = self.judged(scores, y, link) if judged is None else judged
        losses = np.array([link.losses(s, y).mean() for s in scores])
        forget = FORGET ** (1 / late)
        self.mixed = forget * self.mixed + float(told[0]) / late
        self.ways = forget * self.ways + told[1:] / late
        self.losses = forget * self.losses + losses / late
        pull = self._by_loss()
        for place, memory in enumerate(MEMORIES):
            self.bends[place] *= memory
            self.fits[place], bend = _fit(
                self.fits[place], self.bends[place], pull, scores, y, link
            )
            self.bends[place] += bend

    def rearranged(self, origin: Sequence[int | None]) -> Mixture:
        """For other members: where in this one each comes from, None where it is new.

        Those of one origin share its weight, a new one is taken to have lost what the mixture did
        (as one that sleeps: Freund et al., 1997), and what leaves is taken out of the fits by
        giving its weight to the others as they would have taken it.
        """
        known = [(new, old) for new, old in enumerate(origin) if old is not None]
        losses = np.array([self.mixed if old is None else self.losses[old] for old in origin])
        made = Mixture(len(origin), self.outputs, losses, self.mixed, self.ways)
        count = len(origin)
        # Of the new coefficients, what the old ones are.
        sums = np.zeros((self.members + self.outputs, count + self.outputs))
        for new, old in known:
            sums[old, new] = 1.0
        sums[self.members :, count:] = np.eye(self.outputs)
        stays = np.asarray(sums.any(axis=1))
        shared = sums / np.maximum(sums.sum(axis=1, keepdims=True), 1.0)
        fits, bends = [], []
        for fit, bend in zip(self.fits, self.bends, strict=True):
            at = _without(fit, bend, stays)
            fits.append(at @ shared)
            bends.append(sums.T @ bend @ sums)
        made.fits, made.bends = np.array(fits), np.array(bends)
        return made

    def _by_loss(self) -> np.ndarray:
        return np.concatenate([_weights(self.losses), np.zeros(self.outputs)])

    def _all(self) -> np.ndarray:
        return np.vstack([self._by_loss(), self.fits])


def _weights(losses: np.ndarray) -> np.ndarray:
    found = np.exp(-RATE * (losses - losses.min()))
    return np.asarray(found / found.sum())


def _apply(mixed: np.ndarray, scores: np.ndarray) -> np.ndarray:
    members = len(scores)
    return np.asarray(np.tensordot(mixed[:members], scores, 1) + mixed[members:])


def _without(fit: np.ndarray, bend: np.ndarray, stays: np.ndarray) -> np.ndarray:
    """The best fit by the quadratic, with 0 for what does not stay."""
    at = np.where(stays, fit, 0.0)
    if not stays.all():
        inner = bend[np.ix_(stays, stays)] + RIDGE * np.eye(int(stays.sum()))
        at[stays] += np.linalg.solve(inner, bend[np.ix_(stays, ~stays)] @ fit[~stays])
    return at


def _fit(
    start: np.ndarray,
    bend: np.ndarray,
    pull: np.ndarray,
    scores: np.ndarray,
    y: np.ndarray,
    link: Link,
) -> tuple[np.ndarray, np.ndarray]:
    """Damped Newton steps from ``start``, held there by ``bend`` and pulled to ``pull``.

    Returns where they end, and the second derivatives of the window's loss there.
    """
    members = len(scores)
    held = bend + RIDGE * np.eye(len(start))

    def loss(at: np.ndarray) -> float:
        away, off = at - start, at - pull
        told = float(link.losses(_apply(at, scores), y).sum())
        return told + 0.5 * float(away @ bend @ away + RIDGE * off @ off)

    def step(at: np.ndarray) -> np.ndarray:
        slope, second = _slope(at, scores, y, link)
        slope += bend @ (at - start) + RIDGE * (at - pull)
        return np.linalg.solve(held + _bend(scores, second, members), slope)

    at = descend(start.copy(), loss, step, STEPS, smallest=1e-4, enough=1e-7)
    return at, _bend(scores, _slope(at, scores, y, link)[1], members)


def _slope(
    at: np.ndarray, scores: np.ndarray, y: np.ndarray, link: Link
) -> tuple[np.ndarray, np.ndarray]:
    """By each coefficient; and the second derivatives by each score."""
    first, second = (link.unit * one for one in link.slopes(_apply(at, scores), y))
    slope = np.concatenate([np.einsum("mno,no->m", scores, first), first.sum(axis=0)])
    return slope, second


def _bend(scores: np.ndarray, second: np.ndarray, members: int) -> np.ndarray:
    outputs = second.shape[1]
    bend = np.zeros((members + outputs, members + outputs))
    weighted = scores * second
    bend[:members, :members] = np.tensordot(weighted, scores, ((1, 2), (1, 2)))
    bend[:members, members:] = weighted.sum(axis=1)
    bend[members:, :members] = bend[:members, members:].T
    bend[members:, members:] = np.diag(second.sum(axis=0))
    return bend

"""How the members are weighed: by their recent losses, and by a fit of the mixture itself.

Two ways of making one score of the members' scores, and a mean of both:

*   by losses: weights in proportion to ``exp(-RATE · L)``, with ``L`` the mean loss of each window,
    forgotten at ``FORGET`` a window (Herbster and Warmuth, 1998, the share that tracks a change);
*   by fit: coefficients and an offset that minimise the loss over the windows that are kept, pulled
    to the weights above (ridge). It can lean on the difference of two members, which says where
    the concept is going, and it sets scale and offset right, as Platt's recalibration does.

Both are linear in the scores, and so is their mean: coefficients and an offset for each output.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from everloop.train.pool.links import Link

RATE = 20.0
FORGET = 0.7  # share of a loss that counts one window later
FADE = 0.9  # share of a window's rows that count in the fit one window later
LEAST = 0.1  # share of a window below which it is let go
KEPT = 500  # rows of a window that the fit reads; they stand for all
RIDGE = 20.0  # rows that the weights by losses are worth
STEPS = 15


@dataclass
class Kept:
    """Rows of a window for the fit: members by rows by outputs, targets, what a row counts."""

    scores: np.ndarray
    y: np.ndarray
    weight: float


@dataclass
class Mixture:
    """Weights of ``members``, and what they are made from.

    Attributes
    ----------
    losses : of the members, forgotten. ways : the same of the two ways.
    kept : windows for the fit, oldest first.
    fitted : coefficients of the members, then the offsets; None before there were labels.
    """

    members: int
    outputs: int
    losses: np.ndarray
    ways: np.ndarray = field(default_factory=lambda: np.zeros(2))
    kept: list[Kept] = field(default_factory=list)
    fitted: np.ndarray | None = None

    @classmethod
    def new(cls, members: int, outputs: int) -> Mixture:
        return cls(members, outputs, np.zeros(members))

    def coefficients(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the members, and offsets of the outputs."""
        by_loss, by_fit = self._both()
        share = _weights(self.ways)
        mixed = share[0] * by_loss + share[1] * by_fit
        return mixed[: self.members], mixed[self.members :]

    def score(self, scores: np.ndarray) -> np.ndarray:
        """One score of members by n by outputs: n by outputs."""
        weights, offsets = self.coefficients()
        return np.asarray(np.tensordot(weights, scores, 1) + offsets)

    def learn(
        self,
        scores: np.ndarray,
        y: np.ndarray,
        link: Link,
        rng: np.random.Generator,
        late: int = 1,
    ) -> None:
        """Weigh anew by a window's scores, which nothing has learned from yet.

        Where labels come ``late`` windows after their rows, what was best lately need not be when
        they are answered for: it is forgotten so many times slower.
        """
        ways = np.array([link.losses(_apply(w, scores), y).mean() for w in self._both()])
        forget = FORGET ** (1 / late)
        losses = np.array([link.losses(s, y).mean() for s in scores])
        self.ways = forget * self.ways + ways / late
        self.losses = forget * self.losses + losses / late
        self._keep(scores, y, rng, FADE ** (1 / late))
        self.fitted = _fit(self._by_loss(), self.kept, link)

    def begun_again(self, members: int) -> Mixture:
        """For a new first fit and the one before it: both begin with what is known of the latter.

        ``members`` are of both together.
        """
        half = members // 2
        kept = [Kept(np.concatenate([k.scores[:half]] * 2), k.y, k.weight) for k in self.kept]
        return Mixture(members, self.outputs, np.tile(self.losses[:half], 2), self.ways, kept)

    def _by_loss(self) -> np.ndarray:
        return np.concatenate([_weights(self.losses), np.zeros(self.outputs)])

    def _both(self) -> tuple[np.ndarray, np.ndarray]:
        by_loss = self._by_loss()
        return by_loss, by_loss if self.fitted is None else self.fitted

    def _keep(
        self, scores: np.ndarray, y: np.ndarray, rng: np.random.Generator, fade: float
    ) -> None:
        for window in self.kept:
            window.weight *= fade
        size = len(y)
        chosen = np.sort(rng.permutation(size)[:KEPT])
        # In the order of memory that files keep, as sums round by it.
        read = np.ascontiguousarray(scores[:, chosen], dtype=np.float32)
        self.kept.append(Kept(read, y[chosen], size / len(chosen)))
        oldest = np.log(LEAST) / np.log(FADE)
        self.kept = self.kept[-int(oldest) :]


def _weights(losses: np.ndarray) -> np.ndarray:
    found = np.exp(-RATE * (losses - losses.min()))
    return np.asarray(found / found.sum())


def _apply(mixed: np.ndarray, scores: np.ndarray) -> np.ndarray:
    members = len(scores)
    return np.asarray(np.tensordot(mixed[:members], scores, 1) + mixed[members:])


def _fit(start: np.ndarray, kept: list[Kept], link: Link) -> np.ndarray:
    """Damped Newton steps from ``start``, which is also where the ridge pulls to."""
    scores = np.concatenate([window.scores for window in kept], axis=1).astype(np.float64)
    y = np.concatenate([window.y for window in kept])
    counts = np.concatenate([np.full(len(w.y), w.weight) for w in kept])
    members, _, outputs = scores.shape

    def loss(at: np.ndarray) -> float:
        told = float(counts @ link.losses(_apply(at, scores), y))
        return told + 0.5 * RIDGE * float(np.square(at - start).sum())

    at, before = start.copy(), loss(start)
    for _ in range(STEPS):
        first, second = link.slopes(_apply(at, scores), y)
        first, second = (link.unit * counts[:, None] * one for one in (first, second))
        by_weight = np.einsum("mno,no->m", scores, first)
        slope = np.concatenate([by_weight, first.sum(axis=0)]) + RIDGE * (at - start)
        bend = RIDGE * np.eye(members + outputs)
        bend[:members, :members] += np.einsum(
            "mno,no,kno->mk", scores, second, scores, optimize=True
        )
        bend[:members, members:] += np.einsum("mno,no->mo", scores, second)
        bend[members:, :members] = bend[:members, members:].T
        bend[members:, members:] += np.diag(second.sum(axis=0))
        step = np.linalg.solve(bend, slope)
        after, size = loss(at - step), 1.0
        while not after < before and size > 1e-4:
            size /= 2
            after = loss(at - size * step)
        if not after < before:
            break
        at, gained, before = at - size * step, before - after, after
        if gained < 1e-7 * abs(before):
            break
    return at

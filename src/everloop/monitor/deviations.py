"""How far a window is from its reference, in a few directions, as bets can be placed on them.

A number is seen through the reference's distribution function: F(x) of the window's values is
uniform where nothing moved (the probability integral transform), and a mid-way share of ties
counts for either side. Four orthonormal polynomials of it tell apart a shift of location, of
spread, of skewness and of peakedness (Neyman, "Smooth" test for goodness of fit, Skandinavisk
Aktuarietidskrift 1937). Each has mean 0 and variance 1 under the reference, and for a normal
feature the first is its shift in standard deviations. A category has a direction for each level
that is not rare. Only sketches are needed: a hundred points of two distribution functions.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import NamedTuple, Protocol

import numpy as np
from numpy.polynomial.legendre import leggauss, legvander
from numpy.typing import NDArray

from everloop.monitor.profile import CategorySketch, NumberSketch, Sketch
from everloop.monitor.vectors import VectorSketch, moved

Floats = NDArray[np.float64]

RARE = 0.01  # share below which levels are counted together
SURE = 3.5  # standard errors of the reference that count as nothing
NAMES = ("location", "spread", "skewness", "peakedness")
WEIGHTS = (0.5, 0.25, 0.125, 0.125)  # of the bets: most changes move the location


class Direction(Protocol):
    """One way to differ; ``away`` is how far, in standard deviations of a single row."""

    @property
    def name(self) -> str: ...

    @property
    def weight(self) -> float: ...

    @property
    def away(self) -> float: ...

    def log_e(self, sign: int, stake: float, draws: float, margin: float) -> float:
        """Logarithm of an e-value against |difference| <= ``margin``.

        ``sign`` says which side is bet on; ``stake`` is the bet in units of the standard error of
        a mean of ``draws`` independent rows. Its expectation is at most 1 within the margin.
        """


class Deviations(NamedTuple):
    """A feature's window against its reference.

    ``draws`` are the independent rows that the window is worth; ``doubt`` is the standard error
    of the reference itself, in standard deviations.
    """

    directions: tuple[Direction, ...]
    draws: float
    doubt: float

    @property
    def strongest(self) -> Direction:
        return max(self.directions, key=lambda direction: abs(direction.away))

    def words(self) -> str:
        """``location +0.31 sd``."""
        best = self.strongest
        return f"{best.name} {best.away:+.2f} sd"


class Wave(NamedTuple):
    """A smooth function of F(x): the polynomial of ``degree``."""

    name: str
    weight: float
    away: float
    degree: int

    def log_e(self, sign: int, stake: float, draws: float, margin: float) -> float:
        bet = stake / math.sqrt(draws)
        return draws * (bet * (sign * self.away - margin) - _log_moment(self.degree, sign * bet))


class Share(NamedTuple):
    """How often one level (or a group of rare ones) comes: ``before`` and ``now`` are shares.

    ``up``: only an increase counts, since ``before`` was raised to a share that can be bet on.
    """

    name: str
    weight: float
    before: float
    now: float
    up: bool = False

    @property
    def sd(self) -> float:
        return math.sqrt(self.before * (1 - self.before))

    @property
    def away(self) -> float:
        if not self.sd:  # all values are rare ones, before and now
            return 0.0
        away = (self.now - self.before) / self.sd
        return max(0.0, away) if self.up else away

    def log_e(self, sign: int, stake: float, draws: float, margin: float) -> float:
        """The likelihood ratio of a binomial against the edge of the margin: exact."""
        edge = self.before + sign * margin * self.sd
        if not 0 < edge < 1 or (self.up and sign < 0):
            return -math.inf  # nobody can bet on a share below 0 or above 1
        bet = sign * stake / math.sqrt(draws) / self.sd
        return draws * (bet * self.now - math.log1p(edge * math.expm1(bet)))


class Plain(NamedTuple):
    """A statistic that is normal with mean 0 and variance 1 / draws when nothing moved."""

    name: str
    weight: float
    away: float

    def log_e(self, sign: int, stake: float, draws: float, margin: float) -> float:
        return stake * math.sqrt(draws) * (sign * self.away - margin) - stake**2 / 2


class Axes:
    """A vector's mean along all axes of its reference: the mean of the bets on each."""

    name = "mean"
    weight = 1.0

    def __init__(self, moved: Floats) -> None:
        self.moved = moved

    @property
    def away(self) -> float:
        """The largest move along an axis."""
        return float(self.moved[np.abs(self.moved).argmax()])

    def log_e(self, sign: int, stake: float, draws: float, margin: float) -> float:
        each = stake * math.sqrt(draws) * (sign * self.moved - margin) - stake**2 / 2
        top = float(each.max())
        return top + math.log(float(np.exp(each - top).mean()))


def deviations(reference: Sketch, window: Sketch) -> Deviations | None:
    """The directions in which two sketches of one feature differ; None for too little to tell."""
    if reference.n < 2 or window.n < 1:
        return None
    if isinstance(reference, VectorSketch) and isinstance(window, VectorSketch):
        found = moved(reference, window)
        return None if found is None else Deviations((Axes(found.axes),), found.draws, found.doubt)
    draws = max(1.0, window.n / reference.rows_per_draw)
    doubt = math.sqrt(reference.rows_per_draw / reference.n)
    directions: tuple[Direction, ...]
    if isinstance(reference, NumberSketch) and isinstance(window, NumberSketch):
        directions = _waves(reference, window)
    elif isinstance(reference, CategorySketch) and isinstance(window, CategorySketch):
        if reference.levels != window.levels:
            return None
        directions = _shares(reference, window)
    else:
        return None
    return Deviations(directions, draws, doubt)


def _waves(reference: NumberSketch, window: NumberSketch) -> tuple[Wave, ...]:
    """The mean of each polynomial over the window, a cell between two points at a time."""
    seen = np.ravel(window.cdf(reference.steps[0]), order="F")
    mass = np.diff(np.concatenate([[0.0], seen, [1.0]]))
    away = _means(reference) @ mass
    found = zip(NAMES, WEIGHTS, away.tolist(), range(1, 5), strict=True)
    return tuple(Wave(*each) for each in found)


@lru_cache(256)
def _means(reference: NumberSketch) -> Floats:
    """Of each polynomial within the cells between the reference's points, a row each."""
    edges = np.concatenate([[0.0], np.ravel(reference.steps[1:], order="F"), [1.0]])
    wide = np.diff(edges)
    inside = wide > 1e-12
    wave, area = _at(edges)
    found: Floats = np.where(inside, np.diff(area) / np.where(inside, wide, 1.0), wave[:, 1:])
    found.setflags(write=False)  # others get the same
    return found


def _at(x: Floats) -> tuple[Floats, Floats]:
    """The polynomials orthonormal on [0, 1] of degrees 1 to 4, and their integrals from 0, a row
    each; (2k + 1) P_k is the derivative of P_k+1 - P_k-1 (Legendre)."""
    plain = np.asarray(legvander(2 * x - 1, 5).T, dtype=np.float64)
    norm = np.sqrt(2.0 * np.arange(1, 5) + 1.0)[:, None]
    return plain[1:5] * norm, (plain[2:] - plain[:4]) / (2 * norm)


def _shares(reference: CategorySketch, window: CategorySketch) -> tuple[Share, ...]:
    """Each common level, and all others together."""
    before = np.array(reference.counts, dtype=np.float64) / reference.n
    now = np.array(window.counts, dtype=np.float64) / window.n
    common = np.flatnonzero((before >= RARE) & (before <= 1 - RARE))
    rest = float(np.delete(now, np.flatnonzero(before >= RARE)).sum()) + window.unseen / window.n
    others = 1.0 - float(before[before >= RARE].sum())
    weight = 1 / (len(common) + 1)
    shares = [
        Share(str(reference.levels[i]), weight, float(before[i]), float(now[i])) for i in common
    ]
    rare = Share("rare and unseen values", weight, max(others, RARE), rest, up=others < RARE)
    return (*shares, rare)


@cache
def _nodes(degree: int) -> tuple[Floats, Floats]:
    """Values of the polynomial at Gauss's points on [0, 1], and their weights."""
    x, weight = leggauss(64)
    return _at((x + 1) / 2)[0][degree - 1], weight / 2


@lru_cache(4096)
def _log_moment(degree: int, bet: float) -> float:
    """log E exp(bet · polynomial(U)) of a uniform U."""
    values, weight = _nodes(degree)
    raised = bet * values
    top = float(raised.max())
    return top + math.log(float(weight @ np.exp(raised - top)))

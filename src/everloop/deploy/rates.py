"""Rates that one may look at all the time: confidence sequences of Bernoulli trials.

With the mixture over a Beta(1, 1) prior, the likelihood ratio after ``n`` trials of which ``s``
were hits ::

    M(p) = B(s + 1, n - s + 1) / (p**s * (1 - p)**(n - s))

is a nonnegative martingale with mean 1 when ``p`` is the true rate, so that by Ville's inequality
it ever reaches ``1 / alpha`` with a probability of at most ``alpha``. The rates with
``M(p) < 1 / alpha`` are therefore a confidence sequence: it holds at all looks together, and
stopping because of what one saw does no harm. It needs the two counts and no memory of the looks.

H. Robbins, "Statistical methods related to the law of the iterated logarithm", Annals of
Mathematical Statistics 41 (1970); S. R. Howard, A. Ramdas, J. McAuliffe, J. Sekhon,
"Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49 (2021).
"""

from __future__ import annotations

from math import lgamma, log
from typing import NamedTuple

from everloop.errors import invalid


class Counts(NamedTuple):
    """Trials, and how many of them were hits: requests and failures, labels and wrong answers."""

    n: int
    hits: int

    @property
    def rate(self) -> float:
        """Share of hits, 0 before any trial."""
        return self.hits / self.n if self.n else 0.0


class Excess(NamedTuple):
    """A rate less another one, with an interval that holds at all looks together."""

    value: float
    low: float
    high: float


def excess(canary: Counts, champion: Counts, alpha: float) -> Excess:
    """How much higher the canary's rate is than the champion's.

    A champion without trials counts as one with the rate 0.
    """
    check_counts("canary", canary)
    check_counts("champion", champion)
    low, high = rate_interval(canary, alpha / 2)
    base_low, base_high = rate_interval(champion, alpha / 2) if champion.n else (0.0, 0.0)
    return Excess(canary.rate - champion.rate, low - base_high, high - base_low)


def rate_interval(counts: Counts, alpha: float) -> tuple[float, float]:
    """The confidence sequence of a rate at these counts (see the module's text).

    >>> low, high = rate_interval(Counts(100, 0), 0.05)
    >>> (low, round(high, 3))
    (0.0, 0.073)
    """
    n, s = counts
    if n == 0:
        return 0.0, 1.0
    seen = s / n
    low = 0.0 if s == 0 else _root(counts, alpha, 0.0, seen)
    high = 1.0 if s == n else _root(counts, alpha, 1.0, seen)
    return low, high


def check_counts(field: str, counts: Counts) -> None:
    """Raise :class:`~everloop.errors.InvalidInput` for counts that cannot be."""
    if not 0 <= counts.hits <= counts.n:
        raise invalid(field, tuple(counts), "0 <= hits <= trials")


def _root(counts: Counts, alpha: float, outside: float, inside: float) -> float:
    """Where M crosses 1 / alpha between a rate that is refuted and the one that was seen."""
    n, s = counts
    # log M(p) >= -log(alpha), sorted by what depends on p
    limit = lgamma(s + 1) + lgamma(n - s + 1) - lgamma(n + 2) + log(alpha)
    for _ in range(60):
        middle = (outside + inside) / 2
        if middle in (outside, inside):
            break
        if s * log(middle) + (n - s) * log(1.0 - middle) <= limit:
            outside = middle
        else:
            inside = middle
    return outside

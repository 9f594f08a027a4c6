"""The guard of a canary: is it worse than the champion, by evidence that one may look at any time?

Requests fail or they do not, so each arm's failures are Bernoulli trials. With the mixture over a
Beta(1, 1) prior, the likelihood ratio after ``n`` requests with ``s`` failures ::

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
from typing import Literal, NamedTuple

import msgspec

from everloop.deploy.spec import RolloutSpec
from everloop.deploy.state import Arm, check_arms
from everloop.errors import invalid

ALPHA = 0.05  # chance of rolling back a canary that is not worse, over all looks together

Verdict = Literal["continue", "pass", "fail"]


class Counts(NamedTuple):
    """Requests answered by an arm since the step began, and how many of them failed."""

    requests: int
    errors: int


class Judgement(msgspec.Struct, frozen=True):
    """What the guard found, with its numbers; rates are shares of requests from 0 to 1.

    ``excess`` is the canary's error rate less the champion's, and lies between ``excess_low`` and
    ``excess_high`` with the confidence ``1 - ALPHA`` at all looks together. ``proven`` says that
    a pass is shown by the interval, not only by the absence of evidence against it.
    """

    verdict: Verdict
    reason: str
    canary: Counts
    champion: Counts
    excess: float
    excess_low: float
    excess_high: float
    proven: bool


class Deployed(NamedTuple):
    """A version and the digest of its package."""

    version: int
    digest: str


def plan_arms(champion: Deployed, canary: Deployed | None, weight: float) -> tuple[Arm, ...]:
    """The arms of an endpoint while a canary has a share ``weight`` of the traffic.

    At a weight of 1 the canary has won and is the champion; at 0, or without one, the champion
    is alone. Raises :class:`~everloop.errors.InvalidInput` for a weight beyond 0 to 1.
    """
    if not 0.0 <= weight <= 1.0:
        raise invalid("weight", weight, "a share from 0 to 1")
    if canary is None or weight == 0.0 or canary.version == champion.version:
        return (Arm(champion.version, champion.digest),)
    if weight == 1.0:
        return (Arm(canary.version, canary.digest),)
    arms = (
        Arm(champion.version, champion.digest, 1.0 - weight),
        Arm(canary.version, canary.digest, weight, "canary"),
    )
    check_arms(arms)
    return arms


def judge(canary: Counts, champion: Counts, spec: RolloutSpec) -> Judgement:
    """Judge a canary by the counts so far; call it as often as you like.

    ``fail`` once the canary's error rate is shown to exceed the champion's by more than
    ``spec.max_error_rate``; ``pass`` once it has answered ``spec.min_requests`` and its rate is
    seen within that bound; else ``continue``. A champion that answered nothing counts as one
    without failures.
    """
    _check("canary", canary)
    _check("champion", champion)
    bound = spec.max_error_rate
    low, high = rate_interval(canary, ALPHA / 2)
    base_low, base_high = rate_interval(champion, ALPHA / 2) if champion.requests else (0.0, 0.0)
    excess = _rate(canary) - _rate(champion)
    excess_low, excess_high = low - base_high, high - base_low
    verdict: Verdict = "continue"
    if spec.guard != "none" and excess_low > bound:
        verdict = "fail"
    elif canary.requests >= spec.min_requests and (excess <= bound or spec.guard == "none"):
        verdict = "pass"
    return Judgement(
        verdict=verdict,
        reason=_reason(verdict, canary, champion, spec, excess_low),
        canary=canary,
        champion=champion,
        excess=excess,
        excess_low=excess_low,
        excess_high=excess_high,
        proven=verdict == "pass" and excess_high <= bound,
    )


def rate_interval(counts: Counts, alpha: float) -> tuple[float, float]:
    """The confidence sequence of an error rate at these counts (see the module's text).

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


def _rate(counts: Counts) -> float:
    return counts.errors / counts.requests if counts.requests else 0.0


def _check(field: str, counts: Counts) -> None:
    if not 0 <= counts.errors <= counts.requests:
        raise invalid(field, tuple(counts), "0 <= errors <= requests")


def _reason(
    verdict: Verdict, canary: Counts, champion: Counts, spec: RolloutSpec, excess_low: float
) -> str:
    seen = (
        f"the canary failed on {canary.errors} of {canary.requests} requests, "
        f"the champion on {champion.errors} of {champion.requests}"
    )
    if verdict == "fail":
        return (
            f"{seen}: its error rate is higher by at least {excess_low:.1%}, "
            f"more than the allowed {spec.max_error_rate:.1%}"
        )
    if verdict == "pass":
        return f"{seen}: no sign that it is worse by more than {spec.max_error_rate:.1%}"
    if canary.requests < spec.min_requests:
        return f"{seen}: waiting for {spec.min_requests} requests"
    return f"{seen}: more than allowed so far, but it may be chance"

"""The canary's guard: right at every look, quick when a version is broken."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from everloop.deploy.rollout import ALPHA, Counts, Deployed, judge, plan_arms, rate_interval
from everloop.deploy.spec import RolloutSpec
from everloop.deploy.state import Arm
from everloop.errors import InvalidInput

SPEC = RolloutSpec(kind="canary", max_error_rate=0.02, min_requests=100)
OLD, NEW = Deployed(1, "a" * 64), Deployed(2, "b" * 64)


def test_a_canary_that_always_fails_is_stopped_within_a_dozen_requests():
    champion = Counts(200, 0)
    verdicts = [judge(Counts(n, n), champion, SPEC).verdict for n in range(30)]
    assert verdicts[0] == "continue"
    assert "fail" in verdicts[:12]
    assert verdicts[-1] == "fail"


def test_a_sound_canary_passes_at_min_requests_and_not_before():
    champion = Counts(2000, 1)
    assert judge(Counts(99, 0), champion, SPEC).verdict == "continue"
    at = judge(Counts(100, 0), champion, SPEC)
    assert (at.verdict, at.proven) == ("pass", False)
    late = judge(Counts(5000, 3), Counts(50_000, 30), SPEC)
    assert (late.verdict, late.proven) == ("pass", True)
    assert late.excess_low <= late.excess <= late.excess_high <= 0.02


def test_a_rate_beyond_the_bound_that_may_be_chance_goes_on():
    judged = judge(Counts(100, 4), Counts(1000, 0), SPEC)
    assert judged.verdict == "continue"
    assert "may be chance" in judged.reason


def test_a_champion_that_fails_as_much_excuses_the_canary():
    assert judge(Counts(300, 60), Counts(3000, 600), SPEC).verdict == "pass"
    assert judge(Counts(300, 60), Counts(3000, 0), SPEC).verdict == "fail"


def test_without_a_champion_the_bound_is_absolute():
    assert judge(Counts(100, 50), Counts(0, 0), SPEC).verdict == "fail"
    assert judge(Counts(100, 0), Counts(0, 0), SPEC).verdict == "pass"


def test_no_guard_never_fails():
    spec = msgspec.structs.replace(SPEC, guard="none")
    assert judge(Counts(99, 99), Counts(0, 0), spec).verdict == "continue"
    assert judge(Counts(100, 100), Counts(0, 0), spec).verdict == "pass"


def test_looking_after_every_request_rolls_back_sound_canaries_rarely():
    """The canary is exactly as bad as allowed: the hardest case that must not be refused."""
    rng = np.random.default_rng(7)
    failed = 0
    for _ in range(120):
        canary = np.cumsum(rng.random(1500) < 0.03)
        champion = np.cumsum(rng.random(1500) < 0.01)
        looks = np.unique(np.geomspace(5, 1499, 40).astype(int)).tolist()
        failed += any(
            judge(Counts(n, int(canary[n])), Counts(n, int(champion[n])), SPEC).verdict == "fail"
            for n in looks
        )
    assert failed / 120 <= ALPHA


def test_the_interval_covers_the_rate_at_all_looks_together():
    rng = np.random.default_rng(3)
    missed = 0
    looks = np.unique(np.geomspace(1, 799, 40).astype(int)).tolist()
    for _ in range(200):
        errors = np.cumsum(rng.random(800) < 0.1)
        bounds = (rate_interval(Counts(n, int(errors[n - 1])), 0.1) for n in looks)
        missed += any(not low <= 0.1 <= high for low, high in bounds)
    assert missed / 200 <= 0.1


@pytest.mark.parametrize("counts", [(0, 0), (1, 0), (1, 1), (7, 3), (10**6, 10**3), (10**9, 1)])
def test_the_interval_holds_the_seen_rate_and_is_finite(counts):
    low, high = rate_interval(Counts(*counts), 0.05)
    assert 0.0 <= low <= counts[1] / max(counts[0], 1) <= high <= 1.0
    assert math.isfinite(low + high)


def test_counts_that_cannot_be_are_refused():
    with pytest.raises(InvalidInput, match="errors <= requests"):
        judge(Counts(1, 2), Counts(0, 0), SPEC)


def test_plans_of_arms():
    assert plan_arms(OLD, None, 0.5) == (Arm(1, "a" * 64),)
    assert plan_arms(OLD, NEW, 0.0) == (Arm(1, "a" * 64),)
    assert plan_arms(OLD, NEW, 1.0) == (Arm(2, "b" * 64),)
    assert plan_arms(OLD, OLD, 0.5) == (Arm(1, "a" * 64),)
    both = plan_arms(OLD, NEW, 0.05)
    assert [(a.version, a.role, a.weight) for a in both] == [(1, "champion", 0.95), (2, "canary", 0.05)]  # fmt: skip  # noqa: E501
    with pytest.raises(InvalidInput, match="share from 0 to 1"):
        plan_arms(OLD, NEW, 1.1)

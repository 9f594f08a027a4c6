"""The arms of each kind of rollout, and the confidence sequences under its guards."""

from __future__ import annotations

import math

import numpy as np
import pytest

from everloop.deploy.bandit import best_chance, shares_of
from everloop.deploy.checked import changed
from everloop.deploy.rates import Counts, excess, rate_interval
from everloop.deploy.rollout import Deployed, plan_arms, promoted_arms, stages
from everloop.deploy.spec import RolloutSpec
from everloop.deploy.state import Arm
from everloop.errors import InvalidInput

OLD, NEW, OTHER = (Deployed(n, letter * 64) for n, letter in ((1, "a"), (2, "b"), (3, "c")))


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
    with pytest.raises(InvalidInput, match="hits <= trials"):
        excess(Counts(1, 2), Counts(0, 0), 0.05)


def test_plans_of_arms():
    assert plan_arms(OLD, None, 0.5) == (Arm(1, "a" * 64),)
    assert plan_arms(OLD, NEW, 0.0) == (Arm(1, "a" * 64),)
    assert plan_arms(OLD, NEW, 1.0) == (Arm(2, "b" * 64),)
    assert plan_arms(OLD, OLD, 0.5) == (Arm(1, "a" * 64),)
    with pytest.raises(InvalidInput, match="share from 0 to 1"):
        plan_arms(OLD, NEW, 1.1)


@pytest.mark.parametrize(
    ("spec", "new", "expected"),
    [
        (
            RolloutSpec(kind="canary", steps=(0.25, 1.0)),
            [NEW],
            [[(1, "champion", 0.75), (2, "canary", 0.25)]],
        ),
        (RolloutSpec(kind="shadow"), [NEW], [[(1, "champion", 1.0), (2, "shadow", 0.0)]]),
        (RolloutSpec(kind="interleave"), [NEW], [[(1, "champion", 1.0), (2, "interleaved", 0.0)]]),
        (RolloutSpec(kind="blue_green"), [NEW], [[(1, "champion", 1.0), (2, "standby", 0.0)]]),
        (
            RolloutSpec(kind="blue_green", guards=("disagreement",)),
            [NEW],
            [[(1, "champion", 1.0), (2, "shadow", 0.0)]],
        ),
        (
            RolloutSpec(kind="ab", share=0.5),
            [NEW, OTHER],
            [[(1, "champion", 0.5), (2, "variant", 0.25), (3, "variant", 0.25)]],
        ),
    ],
)  # fmt: skip
def test_stages_of_each_kind(spec, new, expected):
    found = [[(a.version, a.role, a.weight) for a in arms] for arms in stages(spec, OLD, new)]
    assert found == expected


def test_only_blue_green_keeps_the_old_version_loaded():
    arms = promoted_arms(RolloutSpec(kind="blue_green"), NEW, OLD)
    assert [(a.version, a.role, a.weight) for a in arms] == [(2, "champion", 1.0), (1, "standby", 0.0)]  # fmt: skip  # noqa: E501
    assert promoted_arms(RolloutSpec(kind="canary"), NEW, OLD) == (Arm(2, "b" * 64),)
    assert promoted_arms(RolloutSpec(kind="blue_green"), NEW, None) == (Arm(2, "b" * 64),)


def test_a_rollout_is_changed_field_by_field():
    spec = changed(RolloutSpec(hold="5m"), {"kind": "shadow"})
    assert (spec.kind, spec.hold) == ("shadow", "5m")
    with pytest.raises(InvalidInput, match=r"rollout\.kind") as refused:
        changed(RolloutSpec(), {"kind": "shadows"})
    assert refused.value.path == "rollout.kind"
    with pytest.raises(InvalidInput, match="stepps"):
        changed(RolloutSpec(), {"stepps": [1.0]})


def test_a_bandit_gives_the_best_most_and_no_one_nothing():
    chances = best_chance([Counts(200, 60), Counts(200, 20), Counts(10, 5)])
    assert chances.sum() == pytest.approx(1.0)
    assert chances.argmax() == 1 and chances[1] > 0.9
    shares = shares_of(chances)
    assert sum(shares) == pytest.approx(1.0, abs=1e-3) and min(shares) >= 0.009
    even = best_chance([Counts(0, 0)] * 4)
    assert even == pytest.approx(0.25, abs=0.02)

"""What the checks and tests say about one window, feature by feature; no store, no alarm yet."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec
import numpy as np

from everloop.extensions import drift_tests, quality_checks
from everloop.monitor.control import Spending, benjamini_hochberg
from everloop.monitor.drift._base import Shift
from everloop.monitor.profile import Profile, Sketch, kind_of
from everloop.monitor.quality._base import Fault


class Drift(msgspec.Struct, frozen=True):
    """One feature's shift with the verdict over all features.

    ``drifted`` needs both: significant at the window's level, and an effect worth telling.
    """

    test: str
    effect: float
    p_value: float
    adjusted: float
    summary: str
    drifted: bool


def find_faults(
    reference: Profile, window: Profile, recent: Callable[[], Profile | None]
) -> dict[str, Fault]:
    """The first fault of each feature; a change of unit explains all others of its feature.

    ``recent`` gives the profile of the last sound window; it is called at most once.
    """
    cache: list[Profile | None] = []

    def last() -> Profile | None:
        if not cache:
            cache.append(recent())
        return cache[0]

    checks = [check() for _, check in sorted(quality_checks, key=lambda c: c[0] != "unit_change")]
    found: dict[str, Fault] = {}
    for feature, before in reference.features.items():
        now = window.features.get(feature)
        if now is None:
            continue
        near = partial(_feature_of, last, feature)
        for check in checks:
            if kind_of(before) in check.kinds:
                fault = check.check(feature, before, now, near)
                if fault is not None:
                    found[feature] = fault
                    break
    return found


def _feature_of(last: Callable[[], Profile | None], feature: str) -> Sketch | None:
    profile = last()
    return None if profile is None else profile.features.get(feature)


def find_drift(
    reference: Profile,
    window: Profile,
    spending: Spending,
    rate: float,
    min_effect: float,
    skip: frozenset[str] = frozenset(),
) -> dict[str, Drift]:
    """Every feature's shift, and the answers', tested together at the window's level.

    Features in ``skip`` (broken ones) are left out: their change has a better name.
    """
    shifts: list[tuple[str, str, Shift]] = []
    now = window.sketches()
    for feature, before in reference.sketches().items():
        if feature in skip or feature not in now:
            continue
        best = _compare(before, now[feature])
        if best is not None:
            shifts.append((feature, *best))
    adjusted = benjamini_hochberg(np.array([shift.p_value for _, _, shift in shifts]))
    level = spending.level(rate)
    return {
        feature: Drift(
            test=test,
            effect=round(shift.effect, 4),
            p_value=shift.p_value,
            adjusted=float(p),
            summary=shift.summary,
            drifted=bool(p <= level and shift.effect >= min_effect),
        )
        for (feature, test, shift), p in zip(shifts, adjusted, strict=True)
    }


def _compare(before: Sketch, now: Sketch) -> tuple[str, Shift] | None:
    """The most telling test of this kind of feature, its p-value paid for the choice."""
    done: list[tuple[str, Shift]] = []
    for name, test in drift_tests:
        if kind_of(before) in test.kinds:
            shift = test().compare(before, now)
            if shift is not None:
                done.append((name, shift))
    if not done:
        return None
    name, shift = min(done, key=lambda item: item[1].p_value)
    p_value = min(1.0, shift.p_value * len(done))
    return name, msgspec.structs.replace(shift, p_value=p_value)

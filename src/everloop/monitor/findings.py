"""What the checks and tests say about one window, feature by feature; no store, no alarm yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import msgspec
import numpy as np

from everloop.extensions import drift_tests, multivariate_tests, quality_checks
from everloop.monitor.aspects.naming import column_of, in_words
from everloop.monitor.controls._base import Control, Evidence, Ruling, State
from everloop.monitor.deviations import Deviations, deviations
from everloop.monitor.drift._base import Shift
from everloop.monitor.multivariate._base import MultivariateTest
from everloop.monitor.multivariate.matrix import Matrix
from everloop.monitor.profile import NumberSketch, Profile, Sketch, kind_of
from everloop.monitor.quality._base import Fault
from everloop.monitor.spec import MonitorSpec

SEGMENTS_SHARE = 0.1  # of the level; a ninth less power elsewhere is a tenth of a window's delay
DEFAULTS = {"number": "kolmogorov_smirnov", "category": "chi_square", "vector": "embedding"}


class Drift(msgspec.Struct, frozen=True):
    """One feature's shift with the verdict over all features and windows.

    ``adjusted`` at or below the window's level makes it ``drifted``, an effect that calls for an
    update ``far``; ``moved`` says in which direction this window is away most.
    """

    test: str
    effect: float
    p_value: float
    adjusted: float
    summary: str
    drifted: bool
    far: bool
    moved: str = ""


class Compared(NamedTuple):
    """What a test says about a feature, and where bets can be placed on it."""

    test: str
    shift: Shift
    deviations: Deviations | None
    words: str = ""  # what it means, where it is established

    def summary(self, established: bool) -> str:
        """``images got darker: median 131 → 80``; without the meaning where it may be chance."""
        told = established and self.words
        return f"{self.words}: {self.shift.summary}" if told else self.shift.summary


class Within(NamedTuple):
    """What was found of features in segments, by name, among so many that were ``looked`` at."""

    compared: dict[str, Compared]
    looked: int


@np.errstate(over="ignore")  # differences of values as large as 1e308
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


@np.errstate(over="ignore")
def compare_features(
    reference: Profile, window: Profile, spec: MonitorSpec, skip: frozenset[str] = frozenset()
) -> dict[str, Compared]:
    """Every feature and the answers against the reference, where there is enough to tell.

    Features in ``skip`` (broken ones) are left out: their change has a better name.
    """
    now = window.sketches()
    found = {}
    for feature, before in reference.sketches().items():
        column, aspect = column_of(feature)
        if column not in skip and feature not in skip and feature in now:
            compared = _compare(before, now[feature], spec.tests_of(column))
            if compared is not None:
                found[feature] = _told(compared, aspect, before, now[feature])
    return found


def _told(compared: Compared, aspect: str, before: Sketch, now: Sketch) -> Compared:
    """With what the change of an aspect means: ``texts got longer, median 12 → 40``."""
    means: tuple[float | None, float | None] = (None, None)
    if isinstance(before, NumberSketch) and isinstance(now, NumberSketch):
        aspect, means = before.of or aspect, (before.mean, now.mean)
    return compared._replace(words=in_words(aspect, *means))


def compare_together(
    reference: Matrix, window: Matrix, wanted: tuple[str, ...]
) -> dict[str, Compared]:
    """What tests of all features together say, each under its name in brackets."""
    found = {}
    for name in wanted:
        test: MultivariateTest = multivariate_tests.get(name, "monitor.multivariate")()
        together = test.compare(reference, window)
        if together is not None:
            found[f"({name})"] = Compared(name, *together)
    return found


def judge(
    compared: Mapping[str, Compared],
    control: Control,
    state: State,
    min_effect: float,
    within: Within | None = None,
    part: float = 1.0,
) -> tuple[dict[str, Drift], Ruling]:
    """The verdict on all of them together, and what the control remembers.

    ``part`` of the level is theirs. A tenth of it goes to what was found ``within`` segments, the
    same to each of them.
    """
    mine = part if within is None else part * (1 - SEGMENTS_SHARE)
    share = mine / max(len(compared), 1)
    evidence = {
        name: Evidence(found.shift.p_value, found.deviations, share)
        for name, found in compared.items()
    }
    if within is not None:
        share = part * SEGMENTS_SHARE / max(within.looked, 1)
        evidence |= {
            name: Evidence(found.shift.p_value, found.deviations, share, brief=True)
            for name, found in within.compared.items()
        }
        compared = {**compared, **within.compared}
    ruling = control.rule(evidence, state)
    drifted = set(ruling.drifted)
    return {
        name: Drift(
            test=found.test,
            effect=round(found.shift.effect, 4),
            p_value=found.shift.p_value,
            adjusted=ruling.adjusted[name],
            summary=found.summary(name in drifted),
            drifted=name in drifted,
            far=name in drifted and found.shift.effect >= min_effect,
            moved=found.deviations.words() if found.deviations else "",
        )
        for name, found in compared.items()
    }, ruling


def _compare(before: Sketch, now: Sketch, wanted: tuple[str, ...]) -> Compared | None:
    """The most telling test of this kind of feature, its p-value paid for the choice."""
    kind = kind_of(before)
    tests = {name: drift_tests.get(name) for name in wanted}
    taking = {name: test for name, test in tests.items() if kind in test.kinds}
    if not taking:  # a kind that no chosen test takes keeps its own
        taking = {DEFAULTS[kind]: drift_tests.get(DEFAULTS[kind])}
    done: list[tuple[str, Shift]] = []
    for name, test in taking.items():
        shift = test().compare(before, now)
        if shift is not None:
            done.append((name, shift))
    if not done:
        return None
    name, shift = min(done, key=lambda item: item[1].p_value)
    p_value = min(1.0, shift.p_value * len(done))
    paid = msgspec.structs.replace(shift, p_value=p_value)
    return Compared(name, paid, deviations(before, now))

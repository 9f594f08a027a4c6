"""The guards: rarely wrong however often one looks, and quick when a version is worse."""

from __future__ import annotations

import numpy as np
import pytest

from everloop.deploy.guards import Batch, Rows
from everloop.deploy.rates import Counts
from everloop.deploy.spec import RolloutSpec
from everloop.errors import InvalidInput
from everloop.extensions import guards

SPEC = RolloutSpec(kind="canary")
ALPHA = 0.05


def judged(name, batches, spec=SPEC, alpha=ALPHA):
    """The verdict after each batch."""
    guard, state = guards.get(name), {}
    for batch in batches:
        guard.observe(state, batch)
        yield guard.judge(state, spec, alpha)


def failed(name, batches, spec=SPEC, alpha=ALPHA):
    return any(found.verdict == "fail" for found in judged(name, batches, spec, alpha))


def requests(canary, champion):
    return Batch(Rows(Counts(*canary)), Rows(Counts(*champion)))


def timed(canary, champion):
    return Batch(Rows(ms=canary), Rows(ms=champion))


def answered(canary, champion):
    return Batch(Rows(answers=canary), Rows(answers=champion))


def test_the_guards_are_known_by_name():
    assert guards.names() == ["disagreement", "error_rate", "labels", "latency", "shift"]
    with pytest.raises(InvalidInput, match="latency"):
        guards.get("latncy")


# -- error rate ----------------------------------------------------------------------------------


def test_a_canary_that_always_fails_is_stopped_within_two_dozen_requests():
    first = requests((0, 0), (200, 0))
    each = [requests((1, 1), (0, 0))] * 24
    verdicts = [found.verdict for found in judged("error_rate", [first, *each], alpha=ALPHA / 8)]
    assert verdicts[0] == "ok"
    assert verdicts[-1] == "fail"


def test_a_rate_beyond_the_bound_may_be_chance():
    (found,) = judged("error_rate", [requests((100, 4), (1000, 0))])
    assert found.verdict == "beyond" and "may be chance" in found.reason
    assert found.low < found.bound < found.value < found.high


def test_a_champion_that_fails_as_much_excuses_the_canary():
    assert not failed("error_rate", [requests((300, 60), (3000, 600))])
    assert failed("error_rate", [requests((300, 60), (3000, 0))])
    assert failed("error_rate", [requests((100, 50), (0, 0))])


def test_looking_all_the_time_turns_sound_canaries_down_rarely():
    """The canary is exactly as bad as allowed: the hardest case that must not be refused."""
    rng = np.random.default_rng(7)
    wrong = 0
    for _ in range(120):
        batches = [
            requests((50, int(a)), (50, int(b)))
            for a, b in zip(rng.binomial(50, 0.03, 40), rng.binomial(50, 0.01, 40), strict=True)
        ]
        wrong += failed("error_rate", batches)
    assert wrong / 120 <= ALPHA


# -- latency -------------------------------------------------------------------------------------


def times(rng, n, median, sigma=0.4):
    return median * np.exp(sigma * rng.normal(size=n))


def test_a_canary_as_slow_as_allowed_is_turned_down_rarely():
    rng = np.random.default_rng(8)
    wrong = sum(
        failed("latency", [timed(times(rng, 50, 20), times(rng, 500, 10)) for _ in range(30)])
        for _ in range(60)
    )
    assert wrong / 60 <= ALPHA


def test_a_slow_canary_is_found_by_its_median():
    rng = np.random.default_rng(9)
    batches = [timed(times(rng, 5, 50), times(rng, 95, 10)) for _ in range(30)]
    verdicts = [found.verdict for found in judged("latency", batches)]
    assert verdicts[0] == "ok" and "fail" in verdicts
    (*_, last) = judged("latency", batches)
    assert "median" in last.reason


def test_a_slow_tail_is_found_by_the_p99():
    rng = np.random.default_rng(10)

    def canary(n):
        return np.where(rng.random(n) < 0.04, 400.0, times(rng, n, 10))

    batches = [timed(canary(200), times(rng, 400, 10)) for _ in range(20)]
    (*_, last) = judged("latency", batches)
    assert last.verdict == "fail" and "p99" in last.reason


def test_a_bound_in_milliseconds_needs_no_champion():
    rng = np.random.default_rng(11)
    spec = RolloutSpec(kind="canary", max_p99_ms=50)
    nothing = np.empty(0)
    assert failed("latency", [timed(times(rng, 200, 60), nothing)], spec)
    assert not failed("latency", [timed(times(rng, 200, 10, 0.2), nothing)], spec)


# -- shift ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_equal_answers_are_called_shifted_rarely(kind):
    rng = np.random.default_rng(12)
    spec = RolloutSpec(kind="canary", max_shift=0.0)

    def draw(n):
        return rng.integers(0, 3, n).astype(float) if kind == "classes" else rng.normal(size=n)

    wrong = 0
    for _ in range(150):
        sizes = rng.integers(1, 40, 60)
        wrong += failed("shift", [answered(draw(n), draw(3 * n)) for n in sizes], spec, 0.1)
    assert wrong / 150 <= 0.1


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_shifted_answers_are_found(kind):
    rng = np.random.default_rng(13)

    def draw(n, moved):
        return (rng.random(n) < 0.3 + 0.3 * moved) * 1.0 if kind == "classes" else rng.normal(moved, 1, n)  # fmt: skip  # noqa: E501

    batches = [answered(draw(10, 1), draw(90, 0)) for _ in range(60)]
    verdicts = [found.verdict for found in judged("shift", batches, alpha=ALPHA / 8)]
    assert "fail" in verdicts[:40]


def test_a_shift_that_does_not_matter_is_none():
    rng = np.random.default_rng(14)
    batches = [
        answered((rng.random(5000) < 0.53) * 1.0, (rng.random(5000) < 0.5) * 1.0) for _ in range(40)
    ]
    (*_, last) = judged("shift", batches)
    assert last.verdict == "ok" and "within" in last.reason


def test_a_class_that_the_champion_never_answers_is_a_shift():
    batches = [answered(np.full(10, 7.0), np.resize([0.0, 1.0], 100)) for _ in range(10)]
    assert failed("shift", batches)


# -- disagreement and labels -----------------------------------------------------------------------


def test_disagreement_beyond_the_bound_is_found_and_within_it_is_not():
    rng = np.random.default_rng(15)

    def pairs(rate):
        return [Batch(pairs=Counts(20, int(d))) for d in rng.binomial(20, rate, 60)]

    assert failed("disagreement", pairs(0.3))
    assert sum(failed("disagreement", pairs(0.1)) for _ in range(60)) / 60 <= ALPHA


def test_labels_are_counted_anew_each_time():
    good, bad = Counts(400, 40), Counts(400, 120)
    assert not failed("labels", [Batch()])
    assert failed("labels", [Batch(labels=(bad, good))])
    (_, last) = judged("labels", [Batch(labels=(Counts(3, 3), good)), Batch(labels=(good, good))])
    assert (last.verdict, last.value) == ("ok", 0.0)
    assert "40 of 400" in last.reason


def test_without_labels_of_the_champion_nothing_is_said():
    assert not failed("labels", [Batch(labels=(Counts(100, 100), Counts(0, 0)))])

"""How the evidence of a rollout went, against the boundary that decides: values and drawings."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import log

import msgspec
from markupsafe import Markup

from everloop.console.drawing.charts import Band, Points, line_chart
from everloop.deploy.rates import Counts, rate_interval
from everloop.deploy.rollouts import Rollout

ALPHA = 0.05  # of the intervals of versions that are compared by their labels
SIZE = (560, 250)
MINUTE_MS = 60_000
BY_LABELS = ("ab", "bandit", "interleave")


class Spot(msgspec.Struct, frozen=True):
    """A moment (ms): a value with its interval, and the bound that it is held against."""

    at: int
    value: float | None
    low: float | None
    high: float | None
    bound: float | None


class Trail(msgspec.Struct, frozen=True):
    """What one guard, or the labels, said of one version over time.

    ``kind`` is ``interval`` (a confidence sequence: it holds at all looks together) or ``evidence``
    (log10 of an e-value: it counts from the bound on). ``stages`` are the moments (ms) at which
    another stage began.
    """

    version: int
    name: str
    kind: str
    spots: list[Spot]
    stages: list[int]


def trails_of(rollout: Rollout) -> list[Trail]:
    """A trail for each version and guard of a rollout that has numbers to draw."""
    looks, watch = rollout.evidence.trail, rollout.spec.watch
    stages = [now.at for was, now in itertools.pairwise(looks) if was.stage != now.stage]
    found = []
    for place, (version, guard) in enumerate((v, g) for v in rollout.versions for g in watch):
        marks = [(look.at, look.marks[place]) for look in looks if place < len(look.marks)]
        if any(mark.needed is not None for _, mark in marks):
            spots = [
                Spot(at, _log10(mark.evidence), None, None, _log10(mark.needed))
                for at, mark in marks
            ]
            found.append(Trail(version, guard, "evidence", spots, stages))
        elif any(mark.low is not None for _, mark in marks):
            spots = [Spot(at, m.value, m.low, m.high, m.bound) for at, m in marks]
            found.append(Trail(version, guard, "interval", spots, stages))
    if rollout.spec.kind in BY_LABELS:
        found += _by_labels(rollout, stages)
    return found


def trail_chart(trail: Trail) -> Markup:
    """The trail over the minutes since it began."""
    since = trail.spots[0].at if trail.spots else 0
    name = trail.name.replace("_", " ")
    title, value = f"version {trail.version}: {name}", "higher than the champion's by"
    if trail.kind == "evidence":
        value = "evidence that answers differ"
    elif trail.name in ("wrong answers", "disagreement"):
        value = name
    series: dict[str, Points] = {value: [(_minutes(s.at, since), s.value) for s in trail.spots]}
    if any(spot.bound is not None for spot in trail.spots):
        bound = [(_minutes(spot.at, since), spot.bound) for spot in trail.spots]
        series["boundary" if trail.kind == "evidence" else "allowed"] = bound
    band: Band = [(_minutes(s.at, since), s.low, s.high) for s in trail.spots]
    marks = [(_minutes(at, since), "next stage") for at in trail.stages]
    unit = "log10 of the e-value" if trail.kind == "evidence" else ""
    drawn = line_chart(
        series, title, "minutes", unit, marks, standalone=False, size=SIZE, band=band
    )
    return Markup(drawn)


def _by_labels(rollout: Rollout, stages: Sequence[int]) -> list[Trail]:
    """Wrong answers of each version, by intervals that hold together."""
    versions = [rollout.champion, *rollout.versions]
    found = []
    for version in versions:
        spots = []
        for look in rollout.evidence.trail:
            counts = Counts(*look.labels.get(str(version), (0, 0)))
            if counts.n:
                low, high = rate_interval(counts, ALPHA / len(versions))
                spots.append(Spot(look.at, counts.rate, low, high, None))
        if spots:
            found.append(Trail(version, "wrong answers", "interval", spots, list(stages)))
    return found


def _log10(value: float | None) -> float | None:
    return None if value is None else value / log(10)


def _minutes(at: int, since: int) -> float:
    return (at - since) / MINUTE_MS

"""Which candidate gets the next trial: the one that is likely to improve the best score soonest.

The estimated cost of improvement (Wang et al., "FLAML: A Fast and Lightweight AutoML Library",
2021): a candidate that keeps getting better is expected to do so again at the cost its last steps
took; one that lags must first make up for the gap at its own pace. Candidates are drawn with a
chance that falls with that cost, so none is given up for ever.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from everloop.train.search.records import Trial


def improvement_cost(trials: Sequence[Trial], best: float, by_time: bool) -> float:
    """Expected cost until a candidate beats ``best``: seconds, or trials when not ``by_time``."""
    costs = [max(t.seconds, 1e-3) if by_time else 1.0 for t in trials]
    spent = np.cumsum(costs)
    highs: list[tuple[float, float]] = []  # what was spent, and the score that it bought
    for trial, cost in zip(trials, spent, strict=True):
        if trial.usable and (not highs or float(trial.score or 0.0) > highs[-1][1]):
            highs.append((float(cost), float(trial.score or 0.0)))
    total = float(spent[-1])
    if not highs:
        return total * 4
    before = highs[-2] if len(highs) > 1 else (0.0, highs[-1][1])
    since, last = total - highs[-1][0], highs[-1][0] - before[0]
    cost = max(since, last)
    gap, gained = best - highs[-1][1], highs[-1][1] - before[1]
    if gap <= 0:
        return cost
    if gained <= 0:  # no pace is known yet: a first improvement is worth a few looks
        return cost * (1 + len(trials))
    return max(cost, gap * (total - before[0]) / gained)


def next_candidate(
    trials: dict[str, list[Trial]], begun: dict[str, int], seed: int, by_time: bool
) -> str:
    """The name of the candidate to go on with; those that have not begun come first."""
    for name, count in begun.items():
        if count == 0:
            return name
    known = {name: found for name, found in trials.items() if found}
    names = list(known) or list(begun)
    if len(names) == 1 or not known:
        return names[seed % len(names)]
    scores = [float(t.score or 0.0) for found in known.values() for t in found if t.usable]
    best = max(scores) if scores else 0.0
    costs = np.array([improvement_cost(known[name], best, by_time) for name in names])
    chances = 1 / costs / (1 / costs).sum()
    return str(np.random.default_rng(seed).choice(names, p=chances))

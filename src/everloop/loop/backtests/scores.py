"""From the windows of all policies to figures that can be compared.

A window's rows depend on each other, so intervals come from resampling whole windows (the
bootstrap, Efron 1979), the same ones for every policy: differences are paired.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from everloop.extensions import update_methods
from everloop.loop.backtests.playing import read_progress
from everloop.loop.backtests.records import Backtested, Begun, Outcome, Played, Policy, Span
from everloop.loop.cycles import Cycle
from everloop.loop.declaration import Declaration
from everloop.loop.project import Project
from everloop.update.methods import Choice
from everloop.update.spec import UpdateSpec

RESAMPLES = 2000
MARGIN = UpdateSpec().min_gain  # share of the best score that nobody would update for
Floats = NDArray[np.float64]


class Lived:
    """A policy's windows and cycles, as its project has them."""

    def __init__(self, policy: Policy, project: Project, declaration: Declaration) -> None:
        self.policy = policy
        self.windows = read_progress(project, declaration).windows
        found = project.cycles.page(declaration.name, limit=10_000)
        self.cycles = [c for c in reversed(found) if c.number > 1]
        done = {
            c.id: {s.step: s.result or {} for s in project.cycles.steps(c.id) if s.state == "done"}
            for c in self.cycles
        }
        self.fits = sum(_fitted(done[c.id], c) for c in self.cycles)
        used = project.cycles.heavy_steps([c.id for c in self.cycles])
        self.seconds = sum(
            ((step.finished or step.started) - step.started) / 1000
            for steps in used.values()
            for step in steps.values()
        )


def _fitted(results: dict[str, dict[str, object]], cycle: Cycle) -> bool:
    """Whether a cycle fitted a model anew; a pool says so by itself."""
    train = results.get("train")
    if train is None:
        return False
    pool = train.get("pool")
    if isinstance(pool, dict):
        return bool(pool.get("full_fit"))
    method = train.get("method")
    name = method["name"] if isinstance(method, dict) else Choice().name
    return bool(update_methods.get(name).fits)


def compared(
    begun: Begun, spans: list[Span], train_rows: int, lived: Sequence[Lived]
) -> Backtested:
    """Everything that a backtest says."""
    sign = 1.0 if begun.greater_is_better else -1.0
    scores = np.array([[_number(w) for w in one.windows] for one in lived])
    weights = np.array([w.labelled for w in lived[0].windows], dtype=np.float64)
    sound = np.isfinite(scores).all(axis=0) & (weights > 0)
    if not sound.any():
        outcomes = [_outcome(one, begun) for one in lived]
        first = lived[0].policy.name
        return _whole(begun, spans, train_rows, outcomes, first, first)
    good, weight = sign * scores[:, sound], weights[sound]
    draws = np.random.default_rng(begun.plan.seed).integers(
        0, sound.sum(), (RESAMPLES, sound.sum())
    )
    mean = good @ weight / weight.sum()
    drawn = _means(good, weight, draws)
    best = int(mean.argmax())
    regret = (good.max(axis=0) - good) @ weight / weight.sum()
    outcomes = []
    for i, one in enumerate(lived):
        low, high = sorted(sign * np.quantile(drawn[i], (0.025, 0.975)))
        less = np.quantile(drawn[best] - drawn[i], (0.025, 0.975))
        outcomes.append(
            _outcome(
                one, begun, float(sign * mean[i]), (float(low), float(high)),
                float(mean[best] - mean[i]), (float(less[0]), float(less[1])), float(regret[i]),
            )
        )  # fmt: skip
    margin = MARGIN * abs(float(mean[best]))
    alike = [o for o in outcomes if o.behind_high is not None and o.behind_high <= margin]
    choice = min(alike, key=lambda o: (o.fits, o.updates, o.behind or 0.0))
    return _whole(begun, spans, train_rows, outcomes, outcomes[best].name, choice.name)


def _number(window: Played) -> float:
    return float("nan") if window.score is None else window.score


def _means(good: Floats, weight: Floats, draws: NDArray[np.int64]) -> Floats:
    """The weighted means of every policy, policies by resamples."""
    below = weight[draws].sum(axis=1)
    return np.stack([(row * weight)[draws].sum(axis=1) / below for row in good])


def _outcome(
    lived: Lived,
    begun: Begun,
    score: float | None = None,
    interval: tuple[float | None, float | None] = (None, None),
    behind: float | None = None,
    less: tuple[float | None, float | None] = (None, None),
    regret: float | None = None,
) -> Outcome:
    verdicts = Counter(c.verdict or "waiting" for c in lived.cycles)
    return Outcome(
        name=lived.policy.name,
        update=lived.policy.update,
        score=score,
        low=interval[0],
        high=interval[1],
        behind=behind,
        behind_low=less[0],
        behind_high=less[1],
        regret=regret,
        updates=verdicts["promoted"],
        fits=lived.fits,
        seconds=round(lived.seconds, 3),
        verdicts=dict(verdicts),
        scores=[w.score for w in lived.windows],
        versions=[w.version for w in lived.windows],
        events=[_event(c, begun) for c in lived.cycles],
    )


def _event(cycle: Cycle, begun: Begun) -> tuple[int, str, str]:
    """The window at whose end a cycle began, what came of it, and why."""
    number = min((cycle.started - begun.begin) // begun.width - 1, begun.count - 1)
    return int(number), cycle.verdict or "waiting", cycle.reason or ""


def _whole(
    begun: Begun,
    spans: list[Span],
    train_rows: int,
    outcomes: list[Outcome],
    best: str,
    choice: str,
) -> Backtested:
    return Backtested(
        id=begun.id, loop=begun.loop, metric=begun.metric,
        greater_is_better=begun.greater_is_better, windows=spans, train_rows=train_rows,
        delay=begun.delay, labels=begun.plan.labels, seed=begun.plan.seed, policies=outcomes,
        best=best, choice=choice, notes=begun.notes,
    )  # fmt: skip

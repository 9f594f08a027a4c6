"""A study: trials of a search, how the best came about, and what made the difference.

Its trials are runs with the tag ``study``, as the loop's own search writes them; or the runs inside
a run, as a sweep of one's own has them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from everloop.console.runs.comparison import Column, columns_of, lower_is_better, metric_lines
from everloop.console.runs.comparison import param_lines as lines_of
from everloop.console.runs.importance import Importance, importances
from everloop.errors import NotFound
from everloop.loop.project import Project
from everloop.store.clock import now_ms
from everloop.tracking.records import Head, Run

TRIALS = 1000
"""Trials that a page reads, the first ones of the study."""

SECONDS = "fit_seconds"
PARENT = "mlflow.parentRunId"
STATES = {"FINISHED": "complete", "KILLED": "pruned", "FAILED": "failed", "RUNNING": "running"}


class Trial(msgspec.Struct, frozen=True):
    """A run of the study; ``value`` is what it reached, None when nothing is known."""

    run: str
    name: str
    number: int
    state: str
    value: float | None
    against: float | None
    params: dict[str, str]


class StudyPage(msgspec.Struct, frozen=True):
    """A study's page, and the JSON beside it.

    Attributes
    ----------
    metric, lower : what is looked for, and whether the least of it is best.
    family, families : the ``algorithm`` whose params are compared, and all there are.
    best : place in ``trials`` of the best so far.
    front : places of the trials that none beats both in ``metric`` and in ``against``.
    importances : of the params, when asked for; ``said`` is why there are none.
    runs, columns : what the parallel coordinates show.
    """

    at: int
    study: str
    experiment: str
    cycle: str | None
    metric: str
    metrics: list[str]
    lower: bool
    against: str
    family: str
    families: list[str]
    trials: list[Trial]
    more: bool
    best: int | None
    front: list[int]
    importances: list[Importance]
    said: str
    runs: list[Head]
    columns: list[Column]


class AskedOf(msgspec.Struct, frozen=True):
    """What the page was asked for; empty text leaves the choice to it."""

    metric: str = ""
    against: str = ""
    family: str = ""
    importance: str = ""


def read_study(project: Project, study: str, asked: AskedOf) -> StudyPage:
    """Raises :class:`~everloop.errors.NotFound` when no run belongs to it."""
    runs, more = _runs(project, study)
    names = sorted({key for run in runs for key in run.metrics})
    metric = asked.metric if asked.metric in names else _goal(names)
    against = asked.against if asked.against in names else SECONDS if SECONDS in names else ""
    lower = lower_is_better(metric)
    trials = [_trial(run, i, metric, against) for i, run in enumerate(runs)]
    best = best_of(trials, lower)
    families = sorted({t.params.get("algorithm", "") for t in trials} - {""})
    of_best = "" if best is None else trials[best].params.get("algorithm", "")
    family = asked.family if asked.family in families else of_best
    chosen = [run for run in runs if not family or run.params.get("algorithm") == family]
    params = lines_of(chosen)
    columns = columns_of(params, [m for m in metric_lines(chosen) if m.key in (metric, against)])
    found, said = list[Importance](), ""
    if asked.importance:
        done = {trial.run for trial in trials if trial.state == "complete"}
        counting = [place for place, run in enumerate(chosen) if run.id in done]
        found, said = importances(columns, counting, metric, lower, asked.importance)
    return StudyPage(
        at=now_ms(),
        study=study,
        experiment=runs[0].experiment,
        cycle=runs[0].tags.get("cycle"),
        metric=metric,
        metrics=names,
        lower=lower,
        against=against,
        family=family,
        families=families,
        trials=trials,
        more=more,
        best=best,
        front=front_of(trials, lower),
        importances=found,
        said=said,
        runs=[Head(run.id, run.name, run.status, run.started) for run in chosen],
        columns=columns,
    )


def _runs(project: Project, study: str) -> tuple[list[Run], bool]:
    for tag in ("study", PARENT):
        if "'" in study or "\\" in study:
            break
        order = ["attributes.start_time ASC"]
        found = project.runs.search(None, f"tags.`{tag}` = '{study}'", order, limit=TRIALS)
        if found.items:
            in_order = sorted(found.items, key=lambda run: (_number(run, 0), run.number))
            return in_order, found.next is not None
    raise NotFound(f"There is no study {study!r}.", code="study_not_found", got=study)


def _goal(names: Sequence[str]) -> str:
    """What the search looked for, as far as names tell."""
    searched = [name for name in names if name.startswith("validation_")]
    return next(iter(searched or [n for n in names if n != SECONDS] or names), "")


def _trial(run: Run, place: int, metric: str, against: str) -> Trial:
    state = run.tags.get("state") or STATES.get(run.status, run.status.lower())
    number = _number(run, place)
    value, cost = _value(run, metric), _value(run, against)
    return Trial(run.id, run.name, number, state, value, cost, run.params)


def _number(run: Run, place: int) -> int:
    text = run.tags.get("trial", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else place


def _value(run: Run, key: str) -> float | None:
    point = run.metrics.get(key)
    return None if point is None or not math.isfinite(point.value) else point.value


def best_of(trials: Sequence[Trial], lower: bool) -> int | None:
    """The place of the best of those that were finished."""
    sign = -1.0 if lower else 1.0
    counting = [(i, t.value) for i, t in enumerate(trials) if _counts(t)]
    done = [(sign * value, -i) for i, value in counting if value is not None]
    return -max(done)[1] if done else None


def front_of(trials: Sequence[Trial], lower: bool) -> list[int]:
    """The places of those that no other beats in both: better in one, as good in the other."""
    sign = 1.0 if lower else -1.0
    known = [
        (sign * t.value, t.against, i)
        for i, t in enumerate(trials)
        if _counts(t) and t.value is not None and t.against is not None
    ]
    front, least = [], math.inf
    for _, cost, place in sorted(known):
        if cost < least:
            front.append(place)
            least = cost
    return sorted(front)


def best_so_far(trials: Sequence[Trial], lower: bool) -> list[tuple[float, float]]:
    """The number of each trial that was better than all before it, and its value."""
    chosen = min if lower else max
    line: list[tuple[float, float]] = []
    for trial in trials:
        if _counts(trial) and trial.value is not None:
            best = trial.value if not line else chosen(line[-1][1], trial.value)
            line.append((float(trial.number), best))
    return line


def _counts(trial: Trial) -> bool:
    return trial.state == "complete"


def slice_of(columns: Sequence[Column], metric: str) -> list[tuple[Column, list[Any]]]:
    """Each param beside the values that were reached with it."""
    reached = next((c.values for c in columns if c.name == f"metrics.{metric}"), None)
    if reached is None:
        return []
    return [(column, reached) for column in columns if column.kind == "param"]

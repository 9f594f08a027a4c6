"""Runs: a page of them by filter and order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from everloop.loop.project import Project
from everloop.store.clock import now_ms
from everloop.tracking.experiments import number_named
from everloop.tracking.records import Run

ROWS = 50
METRICS, PARAMS = 4, 3
"""Columns of the table: the keys that most of its runs have."""

EXPERIMENTS = 100


class Asked(msgspec.Struct, frozen=True):
    """What the page was asked for; empty text asks for nothing."""

    experiment: str = ""
    filter: str = ""
    order_by: str = ""
    before: str = ""


class RunsPage(msgspec.Struct, frozen=True):
    """A page of runs, and the JSON at ``/runs.json``; ``next`` is the ``before`` of the next."""

    at: int
    asked: Asked
    experiments: list[str]
    metrics: list[str]
    params: list[str]
    runs: list[Run]
    next: str | None


def read_runs_page(project: Project, asked: Asked) -> RunsPage:
    """Runs of one experiment or of all, the newest first unless an order says otherwise.

    Raises :class:`~everloop.errors.InvalidInput` for a filter or an order that cannot be read.
    """
    chosen = [number_named(project.db, asked.experiment)] if asked.experiment else None
    found = project.runs.search(
        chosen,
        asked.filter,
        [part for part in asked.order_by.split(",") if part.strip()],
        limit=ROWS,
        token=asked.before or None,
    )
    runs = found.items
    return RunsPage(
        at=now_ms(),
        asked=asked,
        experiments=_experiments(project, asked.experiment),
        metrics=_common((run.metrics for run in runs), METRICS),
        params=_common((run.params for run in runs), PARAMS),
        runs=runs,
        next=found.next,
    )


def no_runs(project: Project, asked: Asked) -> RunsPage:
    """The page that shows what was asked for beside why it was refused."""
    return RunsPage(now_ms(), asked, _experiments(project, asked.experiment), [], [], [], None)


def _experiments(project: Project, chosen: str) -> list[str]:
    names = [one.name for one in project.experiments.search(limit=EXPERIMENTS).items]
    return names if not chosen or chosen in names else [chosen, *names]


def _common(keys: Iterable[Iterable[str]], most: int) -> list[str]:
    """The keys that most have, by name."""
    counted = Counter(key for own in keys for key in own)
    return sorted(sorted(counted, key=lambda key: (-counted[key], key))[:most])

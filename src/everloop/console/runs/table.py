"""The table of runs: a page of them by filter, order and columns, or their groups."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec
import sqlalchemy as sa

from everloop.console.runs.columns import (
    ATTRIBUTES,
    Column,
    Kind,
    attribute,
    column,
    narrowed,
    read_columns,
    spelled,
)
from everloop.loop.project import Project
from everloop.store.clock import now_ms
from everloop.tracking.cells import Cells, common_keys, read_cells
from everloop.tracking.experiments import number_named
from everloop.tracking.search.groups import Spread, group_of
from everloop.tracking.search.keys import Keys, keys_of
from everloop.tracking.search.runs import scope_of
from everloop.tracking.views import RunQuery, SavedView

ROWS = 50
METRICS, PARAMS = 4, 3
"""Columns when none are chosen: the keys that most runs of the page have."""
SUMMED = 2
"""Metrics that groups are summed up by when none are chosen."""
EXPERIMENTS = 100
OFFERED = 200
"""Keys of a kind that may be ticked as columns."""


class Asked(RunQuery, frozen=True):
    """What the page was asked for; empty text asks for nothing."""

    before: str = ""

    def address(self, **changes: str) -> str:
        """The page of the same query with some changes; from its beginning unless they say."""
        query = msgspec.structs.asdict(self) | {"before": ""} | changes
        given = {k: v for k, v in query.items() if v and (k, v) != ("view", "active")}
        return f"/runs?{urlencode(given)}" if given else "/runs"


class GroupRow(msgspec.Struct, frozen=True):
    """A group; ``address`` is the page of its runs, None where no filter can name them."""

    value: str | None
    runs: int
    metrics: dict[str, Spread]
    address: str | None


class RunsPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of runs, and the JSON at ``/runs.json``; ``next`` is the ``before`` of the next.

    ``keys`` are what columns can be chosen from. Asked for groups it has these instead of runs,
    and ``summed`` are the metrics that they are summed up by.
    """

    at: int
    asked: Asked
    experiments: list[str]
    keys: Keys
    views: list[SavedView]
    columns: list[Column]
    runs: list[Cells]
    next: str | None
    groups: list[GroupRow] | None = None
    more_groups: bool = False
    summed: list[str] = []

    @property
    def offered(self) -> dict[str, list[Column]]:
        """Columns to choose from, those that are shown among them."""
        keys = self.keys
        found: dict[str, list[Column]] = {
            "attributes": [attribute(key) for key in ATTRIBUTES],
            "metrics": _columns("metric", keys.metrics),
            "params": _columns("parameter", keys.params),
            "tags": _columns("tag", keys.tags),
        }
        for one in self.columns:
            own = found[{"metric": "metrics", "parameter": "params", "tag": "tags"}.get(
                one.kind, "attributes")]  # fmt: skip
            if all(one.name != other.name for other in own):
                own.append(one)
        return found

    @property
    def groupings(self) -> list[str]:
        """What runs can be grouped by."""
        keyed = [one.name for kind in ("params", "tags") for one in self.offered[kind]]
        names = ["status", "experiment", *keyed]
        return names if self.asked.group_by in ("", *names) else [self.asked.group_by, *names]

    @property
    def orders(self) -> list[str | None]:
        """What sorts groups by each of the metrics that they are summed up by."""
        return [spelled("metric", key) for key in self.summed]

    @property
    def addresses(self) -> list[str]:
        """Where the saved views lead."""
        queries = [msgspec.structs.asdict(one.query) for one in self.views]
        return [Asked(**query).address() for query in queries]


def read_runs_page(project: Project, asked: Asked) -> RunsPage:
    """Runs of one experiment or of all, the newest first unless an order says otherwise.

    Raises :class:`~everloop.errors.InvalidInput` for a filter, an order, columns or a grouping
    that cannot be read.
    """
    chosen = [number_named(project.db, asked.experiment)] if asked.experiment else None
    columns = read_columns(asked.columns)
    if asked.group_by:
        return _groups(project, asked, chosen, columns)
    found = project.runs.search_as(
        lambda conn, numbers: [_read(conn, numbers, asked, columns)],
        chosen, asked.filter, asked.orders, asked.view, ROWS, asked.before or None,
    )  # fmt: skip
    shown, runs = found.items[0]
    return _page(project, asked, chosen, columns=shown, runs=runs, next=found.next)


def no_runs(project: Project, asked: Asked) -> RunsPage:
    """The page that shows what was asked for beside why it was refused."""
    return _page(project, asked, None, columns=[], runs=[], next=None)


def _columns(kind: Kind, keys: Sequence[str]) -> list[Column]:
    return [one for key in keys if (one := column(kind, key))]


def _read(
    conn: sa.Connection, numbers: Sequence[int], asked: Asked, columns: list[Column]
) -> tuple[list[Column], list[Cells]]:
    if not columns:
        columns = _usual(conn, numbers, asked)
    metrics, params, tags = (
        [one.key for one in columns if one.kind == kind] for kind in ("metric", "parameter", "tag")
    )
    return columns, read_cells(conn, numbers, Keys(metrics, params, tags))


def _usual(conn: sa.Connection, numbers: Sequence[int], asked: Asked) -> list[Column]:
    """The columns when none are chosen."""
    common = common_keys(conn, numbers, METRICS, PARAMS)
    attributes = ["status", "start_time", "duration"]
    if not asked.experiment:
        attributes.insert(1, "experiment")
    return [
        *(attribute(key) for key in attributes),
        *_columns("metric", common.metrics),
        *_columns("parameter", common.params),
    ]


def _groups(
    project: Project, asked: Asked, chosen: list[int] | None, columns: list[Column]
) -> RunsPage:
    page = _page(project, asked, chosen, columns=columns, runs=[], next=None)
    summed = [one.key for one in columns if one.kind == "metric"] or page.keys.metrics[:SUMMED]
    by = group_of(asked.group_by)
    found = project.runs.groups(
        asked.group_by, chosen, asked.filter, summed[:8], asked.orders, asked.view
    )
    rows = [
        GroupRow(one.value, one.runs, one.metrics, _inside(asked, by.entity, by.key, one.value))
        for one in found.groups
    ]
    return msgspec.structs.replace(page, groups=rows, more_groups=found.more, summed=summed[:8])


def _inside(asked: Asked, kind: str, key: str, value: str | None) -> str | None:
    """The address of a group's runs."""
    if key == "experiment" and kind == "attribute":
        return asked.address(experiment=value or "", group_by="")
    filter = narrowed(asked.filter, kind, key, value)
    return None if filter is None else asked.address(filter=filter, group_by="")


def _page(
    project: Project, asked: Asked, chosen: list[int] | None, *,
    columns: list[Column], runs: list[Cells], next: str | None,
) -> RunsPage:  # fmt: skip
    with project.db.read() as conn:
        keys = keys_of(conn, scope_of(conn, chosen, asked.view), OFFERED)
    return RunsPage(
        at=now_ms(),
        asked=asked,
        experiments=_experiments(project, asked.experiment),
        keys=keys,
        views=project.views.all(),
        columns=columns,
        runs=runs,
        next=next,
    )


def _experiments(project: Project, chosen: str) -> list[str]:
    names = [one.name for one in project.experiments.search(limit=EXPERIMENTS).items]
    return names if not chosen or chosen in names else [chosen, *names]

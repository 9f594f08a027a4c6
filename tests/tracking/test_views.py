"""Saved views of the table of runs."""

from __future__ import annotations

import pytest

from everloop.errors import Forbidden, InvalidInput, NotFound
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.tracking.views import RunQuery, ViewStore

EVIL = '<b>\u202e"x" 🚀'


def test_a_view_is_kept_replaced_and_deleted(database: Database, event_log: EventLog) -> None:
    views = ViewStore(database, event_log)
    query = RunQuery(filter="metrics.auc > 0.8", order_by="metrics.`a,b` DESC, start_time",
                     columns="metrics.auc", group_by="params.depth")  # fmt: skip
    made = views.save(EVIL, query, actor="ann")
    assert (made.name, made.query, made.owner) == (EVIL, query, "ann")
    assert query.orders == ["metrics.`a,b` DESC", "start_time"]
    with pytest.raises(Forbidden):
        views.save(EVIL, RunQuery(), actor="bob", of_others=False)
    with pytest.raises(Forbidden):
        views.delete(EVIL, actor="bob", of_others=False)
    again = views.save(EVIL, RunQuery(view="all"), actor="root")
    assert (again.owner, again.created, again.query.view) == ("ann", made.created, "all")
    assert views.all() == [again] == [views.get(EVIL)]
    views.delete(EVIL, actor="ann", of_others=False)
    assert views.all() == []
    assert [(e.kind, e.actor) for e in event_log.page()] == [
        ("view.saved", "ann"), ("view.saved", "root"), ("view.deleted", "ann"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "query", "path"),
    [
        ("", RunQuery(), "view"),
        ("x" * 101, RunQuery(), "view"),
        ("v", RunQuery(filter="metrics. >"), "filter"),
        ("v", RunQuery(order_by="metrics.a SIDEWAYS"), "order_by"),
        ("v", RunQuery(group_by="metrics.a"), "group_by"),
        ("v", RunQuery(columns="x" * 20_001), "columns"),
    ],
)
def test_what_is_not_saved(
    database: Database, event_log: EventLog, name: str, query: RunQuery, path: str
) -> None:
    views = ViewStore(database, event_log)
    with pytest.raises(InvalidInput) as refused:
        views.save(name, query, actor="ann")
    assert refused.value.path == path
    assert views.all() == []


def test_the_nearest_name_is_said(database: Database, event_log: EventLog) -> None:
    views = ViewStore(database, event_log)
    views.save("best trees", RunQuery(), actor="ann")
    with pytest.raises(NotFound) as refused:
        views.get("best tree")
    assert refused.value.fix == 'Did you mean "best trees"?'

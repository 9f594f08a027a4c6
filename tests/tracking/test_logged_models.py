"""What the contract does not ask of logged models: what reading them costs.

Their meaning is tested by :class:`everloop.testing.LoggedModelsContract`.
"""

from __future__ import annotations

import sqlalchemy as sa

from everloop.store.database import Database
from everloop.tracking.logged_models import LoggedModelStore
from everloop.tracking.records import Point
from everloop.tracking.runs import RunStore


def test_a_page_costs_as_many_queries_as_one_model(database: Database, runs: RunStore) -> None:
    models = LoggedModelStore(database)
    run = runs.create(0).id
    for n in range(20):
        made = models.create(0, params={"p": n}, tags={"t": n}, created=n)
        runs.log(run, points=[Point("m", float(n), n, n, made.id)])
    asked: list[str] = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
    costs = []
    for limit in (1, 20):
        asked.clear()
        page = models.search([0], limit=limit)
        costs.append(len(asked))
        assert [model.params["p"] for model in page.items] == [
            str(n) for n in range(19, 19 - limit, -1)
        ]
        assert all(len(model.metrics) == 1 for model in page.items)
    assert costs[0] == costs[1]


def test_points_without_a_model_cost_nothing(database: Database, runs: RunStore) -> None:
    run = runs.create(0).id
    asked: list[str] = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
    runs.log(run, points=[Point("a", 1.0, 1), Point("b", 1.0, 1)])
    assert not [statement for statement in asked if "logged_model" in statement]

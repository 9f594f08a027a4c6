from __future__ import annotations

import math
from collections import defaultdict

import pytest
from search_reference import Row, keep, some_runs

from everloop.errors import InvalidInput
from everloop.store.database import Database
from everloop.store.tables import run_params
from everloop.tracking.runs import RunStore
from everloop.tracking.search.groups import HUGE
from everloop.tracking.search.keys import values_of
from everloop.tracking.search.runs import scope_of

ROWS = some_runs(60)


def expected(rows: list[Row], of: str, key: str) -> dict[str | None, list[float]]:
    """Values of the metric ``k`` of active runs by group; NaN and None stand for no value."""
    found: dict[str | None, list[float]] = defaultdict(list)
    for row in rows:
        if not row.deleted:
            value = row.status if key == "status" else getattr(row, of).get(key)
            found[value].append(row.metrics.get("k", math.nan))
    return found


@pytest.mark.parametrize(
    ("by", "of", "key"),
    [("status", "", "status"), ("params.k", "params", "k"), ("tags.`a b`", "tags", "a b")],
)
@pytest.mark.parametrize("filter", ["", "attributes.status != 'FAILED'"])
def test_groups_are_counted_and_summed_up(
    database: Database, runs: RunStore, by: str, of: str, key: str, filter: str
) -> None:
    keep(database, ROWS)
    rows = [row for row in ROWS if not filter or row.status != "FAILED"]
    wanted = expected(rows, of, key)
    groups = runs.groups(by, None, filter, metrics=["k", "never"]).groups
    assert {one.value: one.runs for one in groups} == {k: len(v) for k, v in wanted.items()}
    assert [one.runs for one in groups] == sorted((one.runs for one in groups), reverse=True)
    for one in groups:
        values = [value for value in wanted[one.value] if not math.isnan(value)]
        assert set(one.metrics) == ({"k"} if values else set())
        if values:
            spread = one.metrics["k"]
            assert (spread.runs, spread.min, spread.max) == (len(values), min(values), max(values))
            held = [max(-HUGE, min(HUGE, value)) for value in values]
            rounding = 1e-9 * max(map(abs, held))
            assert spread.mean == pytest.approx(sum(held) / len(held), abs=rounding)
    means = [
        one.metrics["k"].mean if "k" in one.metrics else -math.inf
        for one in runs.groups(by, None, filter, ["k"], ["metrics.k DESC"]).groups
    ]
    assert means == sorted(means, reverse=True)


def test_groups_of_experiments_and_of_none(database: Database, runs: RunStore) -> None:
    keep(database, ROWS)
    named = {one.value for one in runs.groups("experiment").groups}
    assert named == {"Default", "e1", "e2"}
    assert runs.groups("status", [99]).groups == []
    assert {one.value for one in runs.groups("attributes.experiment", [1]).groups} == {"e1"}


@pytest.mark.parametrize(
    "by", ["", "metrics.k", "start_time", "params.k DESC", "k", "dataset.name"]
)
def test_what_runs_are_not_grouped_by(database: Database, runs: RunStore, by: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        runs.groups(by)
    assert (refused.value.code, refused.value.path) == ("bad_group_by", "group_by")


def test_keys_and_values_are_those_that_there_are(database: Database, runs: RunStore) -> None:
    keep(database, ROWS)
    for chosen in (None, [1]):
        rows = [row for row in ROWS if chosen is None or row.experiment in chosen]
        keys = runs.keys(chosen)
        assert keys.params == sorted({key for row in rows for key in row.params})
        assert keys.metrics == sorted({key for row in rows for key in row.metrics})
        assert {"k", "a b"} <= set(keys.tags)
        with database.read() as conn:
            found = values_of(conn, run_params, "k", scope_of(conn, chosen, "active"), "a")
        own = {row.params["k"] for row in rows if row.params.get("k", "").startswith("a")}
        assert found == sorted(value for value in own if len(value) < 64)[:20]

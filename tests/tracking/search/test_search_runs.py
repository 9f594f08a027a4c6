from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from search_reference import (
    DATASETS,
    KEYS,
    NUMBERS,
    TEXTS,
    Row,
    keep,
    matches,
    some_runs,
    sort,
    written,
)

from everloop.errors import InvalidInput
from everloop.store.database import Database
from everloop.store.paging import pack
from everloop.store.tables import run_metrics, runs
from everloop.tracking.search import plan
from everloop.tracking.search.runs import search_run_numbers

ROWS = some_runs(60)

# Few runs are always gathered; these make the same searches go the ways that many runs take.
WAYS: dict[str, dict[str, int]] = {
    "as it is": {},
    "walk": {"GROUP": 3, "CHUNK": 2, "LARGEST_CHUNK": 4, "SHORT": 0, "TASTE": 9999},
    "walk or gather": {"GROUP": 2, "CHUNK": 3, "LARGEST_CHUNK": 3, "SHORT": 4},
    "give up": {"GROUP": 2, "CHUNK": 1, "LARGEST_CHUNK": 1, "SHORT": 0, "TASTE": 3, "MEDIUM": 9},
}


@pytest.fixture
def many(database: Database) -> Database:
    keep(database, ROWS)
    return database


@pytest.fixture(params=list(WAYS))
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in WAYS[request.param].items():
        monkeypatch.setattr(plan, name, value)
    return str(request.param)


def search(db: Database, filter: str = "", order_by: Any = (), **given: Any) -> list[int]:
    return [number for page in pages(db, filter, order_by, **given) for number in page]


def pages(
    db: Database,
    filter: str = "",
    order_by: Any = (),
    *,
    experiments: Any = None,
    view: Any = "active",
    limit: int = 1000,
) -> Iterator[list[int]]:
    token = None
    while True:
        with db.read() as conn:
            found = search_run_numbers(
                conn, experiments=experiments, filter=filter, order_by=order_by, view=view,
                limit=limit, token=token,
            )  # fmt: skip
        yield found.items
        token = found.next
        if token is None:
            return


# -- any filter, any order, any page: as the reference says --------------------------------------

keys = st.sampled_from(KEYS)
texts = st.sampled_from([text for text in TEXTS if not ("'" in text and '"' in text)])
patterns = st.text(alphabet="aAbB%_*?[]é\\", max_size=4).filter(lambda p: not p.endswith("\\"))
numbers = st.sampled_from([n for n in NUMBERS if n == n] + [3])


def _texts(entity: str, key: Any, nullable: bool = True) -> Any:
    value = st.one_of(
        st.tuples(st.sampled_from(["=", "!="]), texts),
        st.tuples(st.sampled_from(["LIKE", "ILIKE"]), patterns),
        st.tuples(st.sampled_from(["IN", "NOT IN"]), st.lists(texts, min_size=1).map(tuple)),
        *([st.tuples(st.sampled_from(["IS NULL", "IS NOT NULL"]), st.none())] if nullable else []),
    )
    return st.tuples(key, value).map(lambda kv: ("is", entity, kv[0], *kv[1]))


def _numbers(entity: str, key: Any, value: Any) -> Any:
    operators = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
    return st.tuples(key, operators, value).map(lambda parts: ("is", entity, *parts))


leaves = st.one_of(
    _numbers("metrics", keys, numbers),
    _texts("params", keys),
    _texts("tags", keys),
    _texts("attributes", st.just("run_name"), nullable=False),
    _texts("attributes", st.just("user_id"), nullable=False),
    st.sampled_from(["RUNNING", "FAILED"]).map(lambda s: ("is", "attributes", "status", "=", s)),
    _numbers("attributes", st.sampled_from(["start_time", "end_time"]), st.sampled_from([5, 7.5])),
    st.lists(st.sampled_from([row.id for row in ROWS]), min_size=1).map(
        lambda ids: ("is", "attributes", "run_id", "IN", tuple(ids))
    ),
    st.sampled_from(["d1", "d2"]).map(lambda v: ("is", "datasets", "name", "=", v)),
    st.sampled_from(DATASETS).map(lambda v: ("is", "datasets", "digest", "!=", v[1])),
    st.sampled_from(["tr%", "te_t"]).map(lambda v: ("is", "datasets", "context", "LIKE", v)),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        inner.map(lambda one: ("not", one)),
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=5,
)
filters = st.one_of(st.none(), trees, st.lists(leaves, min_size=2, max_size=3).map(lambda x: ("and", x)))
sorts = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["metrics", "params", "tags"]), keys, st.booleans()),
        st.tuples(
            st.just("attributes"),
            st.sampled_from(["start_time", "end_time", "status", "run_name", "user_id"]),
            st.booleans(),
        ),
    ),
    max_size=3,
    unique_by=lambda one: one[:2],
)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    tree=filters,
    orders=sorts,
    experiments=st.sampled_from([None, [0], [1], [0, 1], [2, 9], [0, 1, 2]]),
    view=st.sampled_from(["active", "all", "deleted"]),
    limit=st.sampled_from([1, 2, 3, 7, 1000]),
)
def test_any_search_finds_what_the_reference_finds(
    many: Database, way: str, tree: Any, orders: Any, experiments: Any, view: Any, limit: int
) -> None:
    wanted = [
        row
        for row in ROWS
        if (experiments is None or row.experiment in experiments)
        and (view == "all" or row.deleted == (view == "deleted"))
        and (tree is None or matches(tree, row))
    ]
    order_by = [f"{e}.`{k}` {'DESC' if d else 'ASC'}" for e, k, d in orders]
    found = search(
        many, written(tree) if tree else "", order_by,
        experiments=experiments, view=view, limit=limit,
    )  # fmt: skip
    assert found == [row.number for row in sort(wanted, orders)]

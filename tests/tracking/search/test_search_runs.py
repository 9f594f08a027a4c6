from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from search_reference import DATASETS, KEYS, NUMBERS, TEXTS, keep, matches, some_runs, sort, written

from everloop.errors import InvalidInput
from everloop.store.database import Database
from everloop.store.filter.nodes import conjuncts
from everloop.store.filter.parser import parse_filter
from everloop.store.paging import pack
from everloop.store.tables import run_metrics, run_params, runs
from everloop.tracking.search.conditions import condition
from everloop.tracking.search.fields import RUN_FIELDS
from everloop.tracking.search.runs import scope_of, search_run_numbers

ROWS = some_runs(40)

# Few runs are always gathered; these make the same searches go the ways that many runs take.
WALK = {"plan.FEW": 3, "plan.SHORT": 0, "plan.TINY": 1, "steps.GROUP": 3, "steps.CHUNK": 1}
GIVE_UP = WALK | {"steps.LARGEST_CHUNK": 1, "plan.PATIENCE": 2}
WAYS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "walk": WALK | {"steps.LARGEST_CHUNK": 4, "plan.TASTE": 9999},
    "walk or gather": WALK | {"steps.LARGEST_CHUNK": 3, "plan.SHORT": 4},
    "give up, sift": GIVE_UP,
    "give up, pass": GIVE_UP | {"plan.MEDIUM": 0, "plan.rows_by_statistics": lambda *_: 1},
    "give up for few": WALK | {"plan.PATIENCE": 1, "plan.SHORT": 1, "plan.COUNTED": 9},
}


@pytest.fixture(scope="module")
def many(shared_database: Database) -> Database:
    """The runs in a database of each dialect, which these tests only read."""
    keep(shared_database, ROWS)
    return shared_database


@pytest.fixture
def own(database: Database) -> Database:
    """The same runs in a database of the test's own."""
    keep(database, ROWS)
    return database


def go(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    for name, value in WAYS[way].items():
        monkeypatch.setattr(f"everloop.tracking.search.{name}", value)


@pytest.fixture(params=list(WAYS))
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    go(monkeypatch, request.param)
    return str(request.param)


@pytest.fixture
def walking(monkeypatch: pytest.MonkeyPatch) -> None:
    go(monkeypatch, "walk")


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
    most: int = 1000,
) -> Iterator[list[int]]:
    token = None
    for _ in range(most):
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
# A quote behind a backslash does not end a text when there is a later one.
texts = st.sampled_from([text for text in TEXTS if not text.endswith("\\")])
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
several = st.lists(leaves, min_size=2, max_size=3).map(lambda parts: ("and", parts))
filters = st.one_of(st.none(), several, trees)
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
    max_examples=int(os.environ.get("SEARCH_EXAMPLES", "20")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    tree=filters,
    orders=sorts,
    experiments=st.sampled_from([None, [0], [1], [0, 1], [2, 9], [0, 1, 2]]),
    view=st.sampled_from(["active", "all", "deleted"]),
    limit=st.sampled_from([1, 2, 5, 1000]),
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
        experiments=experiments, view=view, limit=limit, most=8,
    )  # fmt: skip
    expected = [row.number for row in sort(wanted, orders)]
    assert found == expected[: limit * 8]


# -- filters, one by one ---------------------------------------------------------------------------

SEEN = [row for row in ROWS if not row.deleted]


def expected(tree: Any) -> list[int]:
    return sorted(row.number for row in SEEN if matches(tree, row))


@pytest.mark.parametrize(
    ("filter", "tree"),
    [
        ("params.k = 'ab'", ("is", "params", "k", "=", "ab")),
        ('param."k" != "ab"', ("is", "params", "k", "!=", "ab")),
        ("parameters.`k.l` LIKE 'A%'", ("is", "params", "k.l", "LIKE", "A%")),
        ("parameter.k.l ILIKE 'A%'", ("is", "params", "k.l", "ILIKE", "A%")),
        ("tags.`a b` IS NULL", ("is", "tags", "a b", "IS NULL", None)),
        ("tag.k is not null", ("is", "tags", "k", "IS NOT NULL", None)),
        ("metrics.k>=0.5", ("is", "metrics", "k", ">=", 0.5)),
        ("metric.k != -1", ("is", "metrics", "k", "!=", -1)),
        ("metrics.k > 1e999", ("is", "metrics", "k", ">", float("inf"))),
        ("metrics.k < 99999999999999999999999", ("is", "metrics", "k", "<", 1e23)),
        ("start_time > 9223372036854775808", ("is", "attributes", "start_time", ">", 2.0**63)),
        ("attr.end_time != 7", ("is", "attributes", "end_time", "!=", 7)),
        ("run.status IN ('FAILED')", ("is", "attributes", "status", "=", "FAILED")),
        ("`Run Name` = 'a'", ("is", "attributes", "run_name", "=", "a")),
        ("created <= 5", ("is", "attributes", "start_time", "<=", 5)),
        ("dataset.name = 'd1'", ("is", "datasets", "name", "=", "d1")),
        (
            "NOT params.k = 'ab' AND (metrics.k < 1 OR tags.k = 'a')",
            (
                "and",
                [
                    ("not", ("is", "params", "k", "=", "ab")),
                    (
                        "or",
                        [("is", "metrics", "k", "<", 1), ("is", "tags", "k", "=", "a")],
                    ),
                ],
            ),
        ),
    ],
)
def test_a_filter_means(many: Database, filter: str, tree: Any) -> None:
    assert sorted(search(many, filter)) == expected(tree)


@pytest.mark.parametrize("entity", ["params", "tags"])
@pytest.mark.parametrize("operator", ["=", "!=", "LIKE", "ILIKE", "IN"])
def test_no_text_is_taken_for_sql(many: Database, entity: str, operator: str) -> None:
    for text in [*TEXTS, "'; DROP TABLE runs; --", "1) OR (1=1", "\\", ":x", "%(x)s", "?", "$1"]:
        if ("'" in text and '"' in text) or text.endswith("\\"):
            continue
        value: Any = (text,) if operator == "IN" else text
        tree = ("is", entity, "x' OR '1'='1", operator, value)
        assert sorted(search(many, written(tree))) == expected(tree), text
        assert search(many, f"{entity}.`{text or '-'}; --` = 'a'") == []


def test_the_name_of_an_experiment(many: Database) -> None:
    found = search(many, "attributes.experiment = 'e1'")
    assert sorted(found) == sorted(row.number for row in SEEN if row.experiment == 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"filter": "metrics.k"}, "Invalid clause"),
        ({"filter": "k = 'a'"}, "Invalid attribute key 'k'"),
        ({"filter": "params.k = 'a' AND"}, "Invalid clause"),
        ({"order_by": ["metrics.k UP"]}, "Invalid ordering key"),
        ({"order_by": ["datasets.name"]}, "Invalid identifier type 'dataset'"),
        ({"order_by": ["start_time", "created DESC"]}, "duplicate"),
        ({"limit": 0}, "limit"),
        ({"limit": 50_001}, "limit"),
    ],
)
def test_bad_searches_say_what_is_wrong(
    sqlite_database: Database, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        search(sqlite_database, **arguments)


# -- pages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["metrics.k DESC", "params.k", "start_time"])
def test_pages_do_not_drift_under_writes(own: Database, walking: None, order: str) -> None:
    before = search(own, "", [order])
    newcomers = some_runs(60, seed=11)[40:]
    seen: list[int] = []
    for page in pages(own, "", [order], limit=4):
        seen += page
        with own.write() as conn:
            for _ in range(3):
                if newcomers:
                    row = newcomers.pop()
                    conn.execute(
                        sa.insert(runs),
                        {
                            "number": row.number, "id": row.id, "experiment": 1, "name": "n",
                            "user": "", "status": "RUNNING", "started": row.started,
                            "location": "",
                        },
                    )  # fmt: skip
                    one = {"run": row.number, "experiment": 1, "key": "k", "step": 0, "at": 0}
                    conn.execute(sa.insert(run_metrics), one | {"value": 0.5, "nan": False})
    assert [number for number in seen if number <= 40] == before
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(
    "token",
    [
        "x", "AAAA", "=" * 50, "é", "a" * 30_000,
        pack([]), pack([0, 1.0]), pack([0, 1.0, 5]), pack(["0", 1.0, 5, "a"]),
        pack([0, "x", 5, "a"]), pack([0, 1.0, 5, None]), pack([0, 1.0, 2**63, "a"]),
        pack([0, float("nan"), 5, "a"]), pack([0, 1.0, 5, "a\0"]), pack([0, 1.0, 5.5, "a"]),
        pack([0, 1.0, [5], "a"]), pack([0, 1.0, 5, "a", "a"]),
    ],
)  # fmt: skip
def test_a_forged_token_is_refused(many: Database, token: str) -> None:
    with pytest.raises(InvalidInput) as caught, many.read() as conn:
        search_run_numbers(
            conn, experiments=[1], filter="", order_by=["metrics.k"], view="active", limit=5,
            token=token,
        )  # fmt: skip
    assert caught.value.code == "bad_page_token"


@pytest.mark.parametrize(
    "values",
    [[7, 0.0, 5, "a"], [-(2**62), 1.0, 5, "a"], [0, float("inf"), -5, ""], [1, 7.0, 0, "%"]],
)
def test_a_token_of_no_run_only_chooses_where_to_begin(
    many: Database, way: str, values: list[Any]
) -> None:
    with many.read() as conn:
        found = search_run_numbers(
            conn, experiments=None, filter="", order_by=["metrics.k"], view="all", limit=1000,
            token=pack(values),
        )  # fmt: skip
    order = [row.number for row in sort(ROWS, [("metrics", "k", False)])]
    assert found.items == order[len(order) - len(found.items) :]


def test_a_token_of_another_order_is_refused(many: Database) -> None:
    with many.read() as conn:
        one = search_run_numbers(
            conn,
            experiments=None,
            filter="",
            order_by=["params.k"],
            view="all",
            limit=3,
            token=None,
        )
        with pytest.raises(InvalidInput, match="another search"):
            search_run_numbers(
                conn, experiments=None, filter="", order_by=[], view="all", limit=3, token=one.next
            )


def test_many_experiments_are_searched_together(own: Database, walking: None) -> None:
    with own.write() as conn:
        conn.execute(
            sa.text("INSERT INTO experiments (id, name, created, updated) VALUES (:n, :m, 0, 0)"),
            [{"n": n, "m": f"more {n}"} for n in range(100, 200)],
        )
    for chosen in (None, [0, 1, 2, *range(100, 200)]):
        for orders in ([], [("metrics", "k", True)], [("params", "k", False)]):
            order_by = [f"{e}.{k} {'DESC' if d else 'ASC'}" for e, k, d in orders]
            found = search(own, "", order_by, experiments=chosen, limit=7)
            assert found == [row.number for row in sort(SEEN, orders)]
    assert search(own, experiments=[]) == []
    assert search(own, experiments=[-1, 2**40]) == []


@pytest.mark.parametrize("descending", [False, True])
def test_texts_are_ordered_by_their_first_500_characters(
    own: Database, way: str, descending: bool
) -> None:
    endings = ["", "b", "a", "\U0010ffff", "", "c" * 200]
    values = {row.number: "x" * 500 + end for row, end in zip(SEEN, endings, strict=False)}
    values |= {row.number: "x" * 499 for row in SEEN[6:9]}
    with own.write() as conn:
        texts = [
            {"run": row.number, "experiment": row.experiment, "key": "long", "value": value}
            for row in SEEN
            if (value := values.get(row.number)) is not None
        ]
        conn.execute(sa.insert(run_params), texts)
    for row in SEEN:
        if row.number in values:
            row.params["long"] = values[row.number][:500]
    try:
        order = [row.number for row in sort(SEEN, [("params", "long", descending)])]
        found = search(own, "", [f"params.long {'DESC' if descending else 'ASC'}"], limit=2)
    finally:
        for row in SEEN:
            row.params.pop("long", None)
    assert found == order


@pytest.mark.parametrize(
    "filter",
    [
        "params.k = 'ab'",
        "params.k LIKE '%b'",
        "tags.k != 'a'",
        "metrics.k > 1",
        "status = 'FAILED'",
    ],
)
def test_an_index_alone_names_the_runs_of(many: Database, filter: str) -> None:
    if many.dialect == "postgresql":  # else it may go by what was there before the rows came
        with many.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.exec_driver_sql("VACUUM ANALYZE runs, run_metrics, run_params, run_tags")
    with many.read() as conn:
        scope = scope_of(conn, [1], "active")
        (part,) = (condition(one, scope) for one in conjuncts(parse_filter(filter, RUN_FIELDS)))
        if many.dialect == "postgresql":  # for a few rows it would read the table
            conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
            conn.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        words = {"sqlite": ("EXPLAIN QUERY PLAN", "COVERING INDEX")}
        explain, alone = words.get(many.dialect, ("EXPLAIN", "Index Only Scan"))
        for query in [query for arm in part.arms for query in (arm.runs, arm.range)]:
            text = str(query.compile(conn, compile_kwargs={"literal_binds": True}))
            plan = " ".join(str(row) for row in conn.exec_driver_sql(f"{explain} {text}"))
            assert alone in plan, plan


def test_few_runs_are_searched_by_two_statements(many: Database) -> None:
    statements: list[str] = []

    def count(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    sa.event.listen(many.engine, "before_cursor_execute", count)
    try:
        (found,) = pages(many, "metrics.k > 0 AND params.k != 'a'", ["tags.k"], experiments=[1])
    finally:
        sa.event.remove(many.engine, "before_cursor_execute", count)
    assert found
    assert len([one for one in statements if one.startswith("SELECT")]) == 2

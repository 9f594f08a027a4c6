from __future__ import annotations

import math
from typing import Any

import pytest
import sqlalchemy as sa

from everloop.errors import InvalidInput, NotFound
from everloop.store.database import Database
from everloop.store.tables import runs as table
from everloop.tracking.runs import RunStore


@pytest.fixture
def runs(database: Database) -> RunStore:
    return RunStore(database)


def test_a_run_from_start_to_finish(runs: RunStore) -> None:
    run = runs.start("flights", "lightgbm", {"cycle": "c1"})
    assert len(run) == 32
    runs.log_params(run, {"depth": 7, "rate": 0.1, "name": "x", "deep": {"a": [1]}, "on": True})
    runs.log_metrics(run, {"auc": 0.6, "loss": 2.0})
    runs.log_metrics(run, {"auc": 0.7}, step=10)
    runs.log_metrics(run, {"auc": 0.65}, step=2)
    runs.log_tags(run, {"stage": "train"})
    got = runs.get(run)
    assert (got.experiment, got.name, got.status, got.finished) == (
        "flights", "lightgbm", "RUNNING", None,
    )  # fmt: skip
    assert got.params == {
        "depth": "7", "rate": "0.1", "name": "x", "deep": '{"a":[1]}', "on": "true",
    }  # fmt: skip
    assert got.tags == {"cycle": "c1", "stage": "train"}
    assert got.metrics == {"auc": 0.7, "loss": 2.0}
    runs.finish(run)
    done = runs.get(run)
    assert done.status == "FINISHED"
    assert done.finished is not None
    assert done.finished >= done.started
    runs.finish(run, "FAILED")
    assert runs.get(run).finished == done.finished


def test_logging_again_replaces(runs: RunStore) -> None:
    run = runs.start("e", "r")
    for value in (1, 2):
        runs.log_params(run, {"p": value})
        runs.log_metrics(run, {"m": value}, step=5, at=value)
    assert runs.get(run).params == {"p": "2"}
    assert [(p.step, p.at, p.value) for p in runs.history(run, "m")] == [(5, 2, 2.0)]


def test_the_same_id_starts_one_run(runs: RunStore) -> None:
    one = "ab" * 16
    assert runs.start("e", "r", {"a": "1"}, run=one) == one
    runs.finish(one)
    assert runs.start("e", "r", {"a": "1"}, run=one) == one
    assert runs.get(one).status == "FINISHED"
    assert len(runs.page()) == 1
    with pytest.raises(InvalidInput):
        runs.start("e", "r", run="AB" * 16)


def test_numbers_that_are_none(runs: RunStore) -> None:
    run = runs.start("e", "r")
    runs.log_metrics(run, {"nan": math.nan, "inf": math.inf, "tiny": 5e-324, "third": 1 / 3})
    got = runs.get(run).metrics
    assert math.isnan(got["nan"])
    assert (got["inf"], got["tiny"], got["third"]) == (math.inf, 5e-324, 1 / 3)


def test_history_in_pages(runs: RunStore) -> None:
    run = runs.start("e", "r")
    for step in range(-2, 8):
        runs.log_metrics(run, {"m": step, "other": 0}, step=step)
    first = runs.history(run, "m", limit=6)
    second = runs.history(run, "m", after=first[-1].step, limit=6)
    assert [p.value for p in first + second] == list(range(-2, 8))


def test_pages_by_key_even_within_one_millisecond(runs: RunStore) -> None:
    made = [runs.start("even" if n % 2 == 0 else "odd", str(n)) for n in range(9)]
    with runs.db.write() as conn:
        conn.execute(sa.update(table).where(table.c.id.in_(made[:6])).values(started=1000))
    order = [run.id for run in runs.page()]
    assert set(order) == set(made)
    assert order[3:] == sorted(made[:6], reverse=True)
    seen: list[str] = []
    while page := runs.page(before=seen[-1] if seen else None, limit=2):
        seen += [run.id for run in page]
    assert seen == order
    evens = [run.id for run in runs.page("even", limit=3)]
    evens += [run.id for run in runs.page("even", before=evens[-1])]
    assert evens == [run for run in order if run in set(made[::2])]
    assert runs.page("nothing") == []
    assert [e.name for e in runs.experiments()] == ["even", "odd"]


def test_pages_hold_each_runs_own_values(runs: RunStore) -> None:
    for n in range(3):
        run = runs.start("e", str(n), {"t": str(n)})
        runs.log_params(run, {"p": n})
        runs.log_metrics(run, {"m": n}, step=n)
    for run_ in runs.page():
        assert (run_.tags, run_.params, run_.metrics) == (
            {"t": run_.name}, {"p": run_.name}, {"m": float(run_.name)},
        )  # fmt: skip


def test_paging_uses_the_index(sqlite_database: Database) -> None:
    from everloop.tracking.runs import _select

    query = _select().order_by(table.c.started.desc(), table.c.id.desc()).limit(10)
    text = str(query.compile(sqlite_database.engine, compile_kwargs={"literal_binds": True}))
    with sqlite_database.read() as conn:
        plan = [row.detail for row in conn.exec_driver_sql("EXPLAIN QUERY PLAN " + text)]
    assert any("ix_runs_started" in step for step in plan), plan
    assert not any("TEMP B-TREE" in step for step in plan), plan


@pytest.mark.parametrize(
    "call",
    [
        lambda r: r.get("nothing"),
        lambda r: r.finish("nothing"),
        lambda r: r.log_params("nothing", {}),
        lambda r: r.log_metrics("nothing", {"a": 1}),
        lambda r: r.log_tags("nothing", {"a": "b"}),
        lambda r: r.page(before="nothing"),
    ],
)
def test_unknown_runs(runs: RunStore, call: Any) -> None:
    with pytest.raises(NotFound, match="There is no run 'nothing'"):
        call(runs)


@pytest.mark.parametrize(
    "call",
    [
        lambda r, run: r.start("", "r"),
        lambda r, run: r.start("x" * 501, "r"),
        lambda r, run: r.start("e", ""),
        lambda r, run: r.log_params(run, {"": 1}),
        lambda r, run: r.log_params(run, {"a\0": 1}),
        lambda r, run: r.log_params(run, {"a": "\0"}),
        lambda r, run: r.log_params(run, {"x" * 251: 1}),
        lambda r, run: r.log_metrics(run, {"m": "many"}),
        lambda r, run: r.log_metrics(run, {"m": None}),
        lambda r, run: r.log_metrics(run, {"m": 1}, step=2**63),
        lambda r, run: r.finish(run, "DONE"),
    ],
)
def test_bad_input_changes_nothing(runs: RunStore, call: Any) -> None:
    run = runs.start("e", "r")
    before = runs.get(run)
    with pytest.raises(InvalidInput):
        call(runs, run)
    assert runs.get(run) == before
    assert len(runs.page()) == 1
    assert len(runs.experiments()) == 1

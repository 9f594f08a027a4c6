from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from everloop.errors import Conflict, InvalidInput, NotFound
from everloop.store.database import Database
from everloop.tracking.experiments import ExperimentStore
from everloop.tracking.points import spread
from everloop.tracking.runs import Point, RunStore

LARGEST = 1.7976931348623157e308


def values(runs: RunStore, run: str) -> dict[str, float]:
    return {key: point.value for key, point in runs.get(run).metrics.items()}


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
    assert got.location == f"mlflow-artifacts:/{got.experiment_id}/{run}/artifacts"
    assert got.params == {
        "depth": "7", "rate": "0.1", "name": "x", "deep": '{"a":[1]}', "on": "true",
    }  # fmt: skip
    assert got.tags == {"cycle": "c1", "stage": "train", "mlflow.runName": "lightgbm"}
    assert values(runs, run) == {"auc": 0.7, "loss": 2.0}
    runs.finish(run)
    done = runs.get(run)
    assert done.status == "FINISHED"
    assert done.finished is not None
    assert done.finished >= done.started
    runs.finish(run, "FAILED")
    assert runs.get(run).finished == done.finished


def test_names_are_given_changed_and_made_up(runs: RunStore) -> None:
    assert runs.create(0).name
    run = runs.create(0, tags={"mlflow.runName": "by tag"})
    assert run.name == "by tag"
    assert runs.update(run.id, name="new").tags["mlflow.runName"] == "new"
    runs.log_tags(run.id, {"mlflow.runName": "newest"})
    assert runs.get(run.id).name == "newest"
    done = runs.update(run.id, status="KILLED", finished=5)
    assert (done.status, done.finished, done.name) == ("KILLED", 5, "newest")


def test_a_param_is_written_once_or_replaced_on_purpose(runs: RunStore) -> None:
    run = runs.start("e", "r")
    runs.log_params(run, {"a": 1, "b": 2})
    runs.log_params(run, {"a": 1, "c": 3})
    with pytest.raises(Conflict, match="written once") as caught:
        runs.log(run, params={"d": 4, "b": 5}, tags={"t": "x"}, points=[Point("m", 1, 1)])
    assert caught.value.got == [{"key": "b", "old_value": "2", "new_value": "5"}]
    got = runs.get(run)
    assert (got.params, got.metrics) == ({"a": "1", "b": "2", "c": "3"}, {})
    runs.log_params(run, {"b": 5}, replace=True)
    assert runs.get(run).params["b"] == "5"


def test_one_of_two_params_at_once_wins(runs: RunStore) -> None:
    run = runs.start("e", "r")

    def log(value: int) -> bool:
        try:
            runs.log_params(run, {"p": value})
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = [value for value, ok in enumerate(pool.map(log, range(8))) if ok]
    assert len(won) == 1
    assert runs.get(run).params == {"p": str(won[0])}


def test_the_newest_is_the_largest_step_time_and_value(runs: RunStore) -> None:
    run = runs.start("e", "r")
    points = [Point("m", v, at, step) for step in (0, 3, 1) for at in (9, 5) for v in (2.0, -1.0)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda point: runs.log(run, points=[point]), points))
    assert runs.get(run).metrics["m"] == Point("m", 2.0, 9, 3)
    runs.log(run, points=points)  # sent again: nothing is doubled
    assert len(runs.history(run, "m").items) == len(points)


def test_the_same_id_starts_one_run(runs: RunStore) -> None:
    one = "ab" * 16
    assert runs.start("e", "r", {"a": "1"}, run=one) == one
    runs.finish(one)
    assert runs.start("e", "r", {"a": "1"}, run=one) == one
    assert runs.get(one).status == "FINISHED"
    assert len(runs.search().items) == 1
    with pytest.raises(InvalidInput):
        runs.start("e", "r", run="AB" * 16)


def test_numbers_that_are_none(runs: RunStore) -> None:
    run = runs.start("e", "r")
    runs.log_metrics(run, {"nan": math.nan, "inf": -math.inf, "tiny": 5e-324, "third": 1 / 3})
    got = values(runs, run)
    assert math.isnan(got["nan"])
    assert (got["inf"], got["tiny"], got["third"]) == (-LARGEST, 5e-324, 1 / 3)
    assert math.isnan(runs.history(run, "nan").items[0].value)


def test_history_in_pages(runs: RunStore) -> None:
    run = runs.start("e", "r")
    points = [Point("m", float(n % 3), 100 + n // 4, n) for n in range(-2, 18)]
    runs.log(run, points=[*reversed(points), Point("other", 1, 1)])
    found, token, pages = [], None, 0
    while pages == 0 or token:
        page = runs.history(run, "m", limit=6, token=token)
        found, token, pages = found + page.items, page.next, pages + 1
    assert (found, pages) == (points, 4)
    assert runs.history(run, "nothing").items == []


def test_a_chart_gets_the_same_steps_of_all_runs_and_the_ends_of_each(runs: RunStore) -> None:
    long, short, empty = (runs.create(0).id for _ in range(3))
    runs.log(long, points=[Point("m", n, n, n) for n in range(1000)])
    runs.log(short, points=[Point("m", n, n, n) for n in range(37)])
    got = runs.sampled([long, short, empty], "m", limit=11)
    steps = {run: [point.step for point in points] for run, points in got.items()}
    assert (steps[long][0], steps[long][-1], len(steps[long])) == (0, 999, 13)
    assert steps[short] == [0, 36]
    assert steps[empty] == []
    inside = runs.sampled([long], "m", first=10, last=20, limit=5)[long]
    assert [point.step for point in inside] == [10, 12, 14, 16, 18, 20]


def test_histories_and_charts_of_many_runs_ask_once(runs: RunStore) -> None:
    ids = sorted(runs.start("e", f"r{number}") for number in range(5))
    for run in ids:
        runs.log(run, points=[Point("m", step / 2, step, step) for step in range(4)])
    said: list[str] = []
    sa.event.listen(runs.db.engine, "before_cursor_execute", lambda *a: said.append(a[2]))
    few = runs.histories(["gone", *reversed(ids)], "m", 6)
    assert [(run, len(points)) for run, points in few.items()] == [(ids[0], 4), (ids[1], 2)]
    assert sum("metric_points" in one for one in said) == 1
    said.clear()
    charts = runs.sampled([*ids, "gone"], "m", limit=2)
    assert list(charts) == ids and [p.step for p in charts[ids[4]]] == [0, 2, 3]
    assert sum("FROM" in one for one in said) == 3


@pytest.mark.parametrize(("count", "limit"), [(0, 3), (1, 1), (5, 1), (10, 10), (1000, 7)])
def test_spread_holds_the_limit_and_the_last(count: int, limit: int) -> None:
    chosen = spread(count, limit)
    assert len(chosen) == min(count, limit + 1)
    assert chosen[-1:] == ([count - 1] if count else [])


def test_pages_of_runs_by_key_even_within_one_millisecond(runs: RunStore) -> None:
    made = [runs.create(0, started=1000 if n < 6 else 2000 + n) for n in range(9)]
    order = [run.id for run in runs.search().items]
    assert order == [run.id for run in sorted(made, key=lambda run: (-run.started, run.id))]
    seen: list[str] = []
    token, first = None, True
    while first or token:
        page = runs.search([0], limit=2, token=token)
        seen, token, first = seen + [run.id for run in page.items], page.next, False
    assert seen == order
    assert runs.search([7]).items == []


def test_pages_hold_each_runs_own_values(runs: RunStore) -> None:
    for n in range(3):
        run = runs.start("e", str(n), {"t": str(n)})
        runs.log(run, params={"p": n}, points=[Point("m", n, n, n)])
    for one in runs.search().items:
        assert (one.tags["t"], one.params, one.metrics["m"].value) == (
            one.name, {"p": one.name}, float(one.name),
        )  # fmt: skip


def test_a_deleted_run_refuses_writes_until_it_is_restored(runs: RunStore) -> None:
    run = runs.start("e", "r", {"a": "b"})
    runs.delete(run, "me")
    for call in (
        lambda: runs.log_metrics(run, {"m": 1}),
        lambda: runs.log_params(run, {"m": 1}),
        lambda: runs.delete_tag(run, "a"),
        lambda: runs.update(run, name="x"),
        lambda: runs.finish(run),
        lambda: runs.delete(run, "me"),
    ):
        with pytest.raises(Conflict, match="is deleted"):
            call()
    assert runs.search().items == []
    assert [found.id for found in runs.search(view="deleted").items] == [run]
    runs.restore(run, "me")
    with pytest.raises(Conflict, match="not deleted"):
        runs.restore(run, "me")
    runs.delete_tag(run, "a")
    with pytest.raises(NotFound, match="no tag"):
        runs.delete_tag(run, "a")
    kinds = [event.kind for event in runs.events.page(subject=f"run:{run}")]
    assert kinds == ["run.deleted", "run.restored"]


def test_a_page_of_runs_uses_the_index(
    sqlite_database: Database, experiments: ExperimentStore
) -> None:
    query = "SELECT number FROM runs WHERE experiment = 1 ORDER BY started DESC, number DESC"
    with sqlite_database.read() as conn:
        plan = [row.detail for row in conn.exec_driver_sql("EXPLAIN QUERY PLAN " + query)]
    assert any("ix_runs_experiment_started" in step for step in plan), plan
    assert not any("TEMP B-TREE" in step for step in plan), plan


@pytest.mark.parametrize(
    "call",
    [
        lambda r: r.get("nothing"),
        lambda r: r.finish("nothing"),
        lambda r: r.log_params("nothing", {}),
        lambda r: r.log_metrics("nothing", {"a": 1}),
        lambda r: r.log_tags("nothing", {"a": "b"}),
        lambda r: r.history("nothing", "m"),
        lambda r: r.delete("nothing", "me"),
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
        lambda r, run: r.log_params(run, {"": 1}),
        lambda r, run: r.log_params(run, {"a\0": 1}),
        lambda r, run: r.log_params(run, {"a": "\0"}),
        lambda r, run: r.log_params(run, {"x" * 251: 1}),
        lambda r, run: r.log_params(run, {"x": "y" * 6001}),
        lambda r, run: r.log_metrics(run, {"m": "many"}),
        lambda r, run: r.log_metrics(run, {"m": None}),
        lambda r, run: r.log_metrics(run, {"m": 10**400}),
        lambda r, run: r.log_metrics(run, {"m": 1}, step=2**63),
        lambda r, run: r.log_metrics(run, {"m": 1}, at=2**63),
        lambda r, run: r.finish(run, "DONE"),
        lambda r, run: r.update(run, status="DONE"),
        lambda r, run: r.history(run, "m", token="forged"),
        lambda r, run: r.history(run, "m", token="é"),
        lambda r, run: r.search(token="k6FhYQ"),
    ],
)
def test_bad_input_changes_nothing(runs: RunStore, call: Any) -> None:
    run = runs.start("e", "r")
    before = runs.get(run)
    with pytest.raises(InvalidInput):
        call(runs, run)
    assert runs.get(run) == before
    assert len(runs.search().items) == 1

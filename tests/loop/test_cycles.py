"""The store of loops and cycles, on both dialects."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from everloop.errors import Conflict, NotFound
from everloop.loop.cycles import Cycle, CycleStore
from everloop.loop.declaration import Declaration, from_dict
from everloop.registry.signing import Keys
from everloop.store.database import Database
from everloop.store.events import EventLog


def declared(name: str, **deploy: str) -> Declaration:
    data = {"source": "a.csv", "target": "y"}
    return from_dict({"loop": {"name": name}, "data": data, "deploy": deploy}).declaration


@pytest.fixture
def events(database: Database, tmp_path: Path) -> EventLog:
    return EventLog(database, Keys.load_or_create(tmp_path / "keys"))


@pytest.fixture
def store(database: Database, events: EventLog) -> CycleStore:
    store = CycleStore(database, events)
    store.save_loop(declared("a"), actor="t")
    return store


def begin(store: CycleStore, loop: str = "a", after: int | None = None) -> Cycle:
    return store.create(loop, cause={"kind": "t"}, plan=["approve"], actor="t", after=after)


def kinds(events: EventLog) -> list[str]:
    return [event.kind for event in events.page()]


def test_a_declaration_is_recorded_when_it_changes(store: CycleStore, events: EventLog) -> None:
    store.save_loop(declared("a"), actor="t")
    assert kinds(events) == ["loop.declared"]
    changed = declared("a", endpoint="e")
    store.save_loop(changed, actor="t")
    assert store.declaration("a") == changed
    assert [event.payload["changed"] for event in events.page()] == [False, True]
    with pytest.raises(NotFound) as missing:
        store.declaration("b")
    assert missing.value.got == "b" and missing.value.fix


def test_two_loops_cannot_have_one_endpoint(store: CycleStore) -> None:
    with pytest.raises(Conflict, match=r"deploy\.endpoint: got 'a', which the loop 'a' has"):
        store.save_loop(declared("b", endpoint="a"), actor="t")
    assert store.loop_names() == ["a"]
    store.save_loop(declared("b"), actor="t")
    assert store.loop_names() == ["a", "b"]


def test_one_cycle_of_a_loop_is_under_way(store: CycleStore) -> None:
    store.save_loop(declared("b"), actor="t")

    def attempt(_: int) -> Cycle | None:
        try:
            return begin(store)
        except Conflict as error:
            assert error.code == "cycle_under_way"
            return None

    with ThreadPoolExecutor(8) as pool:
        made = [cycle for cycle in pool.map(attempt, range(16)) if cycle is not None]
    assert [cycle.number for cycle in made] == [1]
    other = begin(store, "b")
    assert [c.id for c in store.unfinished()] == [made[0].id, other.id]
    store.finish(made[0].id, verdict="rejected", reason="r")
    assert begin(store).number == 2


def test_what_was_decided_before_another_cycle_starts_none(store: CycleStore) -> None:
    first = begin(store, after=0)
    store.finish(first.id, verdict="promoted", reason="r")
    for stale in (0, 2):
        with pytest.raises(Conflict, match="another cycle was first"):
            begin(store, after=stale)
        with pytest.raises(Conflict, match="another cycle was first"):
            store.refuse("a", cause={}, reason="r", evidence={}, actor="t", after=stale)
    assert begin(store, after=1).number == 2
    assert len(store.page("a")) == 2


def test_a_refusal_is_over_as_it_begins(store: CycleStore, events: EventLog) -> None:
    refused = store.refuse(
        "a", cause={"kind": "quality"}, reason="bad", evidence={"e": 1}, actor="t", after=0
    )
    assert (refused.state, refused.verdict, refused.reason) == ("done", "refused", "bad")
    assert refused.evidence == {"e": 1} and refused.finished is not None
    assert store.unfinished() == []
    assert kinds(events)[-2:] == ["cycle.started", "cycle.finished"]


def test_the_first_verdict_stands(store: CycleStore, events: EventLog) -> None:
    cycle = begin(store)
    first = store.finish(cycle.id, verdict="promoted", reason="r", version=1)
    assert store.finish(cycle.id, verdict="failed", reason="s") == first
    assert kinds(events).count("cycle.finished") == 1
    store.set_state(cycle.id, "running")
    assert store.get(cycle.id).state == "done"


def test_pages_go_on_where_the_last_one_ended(store: CycleStore) -> None:
    for _ in range(5):
        store.finish(begin(store).id, verdict="rejected", reason="r")
    assert [c.number for c in store.page("a", limit=2)] == [5, 4]
    assert [c.number for c in store.page("a", before=4, limit=9)] == [3, 2, 1]
    assert store.page("b") == []


def test_a_step_that_is_done_is_never_begun_again(store: CycleStore) -> None:
    cycle = begin(store).id
    store.begin_step(cycle, "train", 0)
    store.fail_step(cycle, "train", "no")
    assert (failed := store.step(cycle, "train")) and (failed.state, failed.error) == (
        "failed",
        "no",
    )
    store.begin_step(cycle, "train", 0)
    store.finish_step(cycle, "train", {"rows": 1})
    done = store.step(cycle, "train")
    assert done is not None
    assert (done.state, done.attempts, done.error, done.result) == ("done", 2, None, {"rows": 1})
    store.begin_step(cycle, "train", 0)
    store.finish_step(cycle, "train", {"rows": 2})
    store.fail_step(cycle, "train", "late")
    assert store.steps(cycle) == [done]


def test_a_cycle_is_plain_json(store: CycleStore) -> None:
    cycle = begin(store)
    assert msgspec.json.decode(msgspec.json.encode(cycle), type=Cycle) == cycle
    with pytest.raises(NotFound):
        store.get("none")

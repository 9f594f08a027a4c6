"""Rollouts in the database, on both dialects."""

from __future__ import annotations

import pytest

from everloop.deploy.rollouts import Rollout, RolloutStore, Seen, Wish
from everloop.deploy.spec import RolloutSpec
from everloop.errors import Conflict, NotFound
from everloop.store.events import EventLog


@pytest.fixture
def store(database, project):
    return RolloutStore(database, EventLog(database, project.keys))


def begin(store: RolloutStore, cycle: str = "c1") -> Rollout:
    spec = RolloutSpec(kind="canary", guards=("latency",))
    return store.begin(
        cycle, endpoint="e", model="m", spec=spec, champion=1, versions=[2], actor="t"
    )


def test_a_cycle_has_one_rollout(store):
    first = begin(store)
    assert begin(store) == first == store.get(first.id) == store.newest("e")
    assert (first.state, first.stage, first.spec.watch) == ("running", -1, ("latency",))
    assert [e.kind for e in store.events.page()] == ["rollout.began"]
    assert begin(store, "c2").id != first.id
    assert len(store.page("e")) == 2
    assert store.of_cycle("c3") is None
    with pytest.raises(NotFound, match="does not exist"):
        store.get("nothing")


def test_evidence_does_not_overwrite_a_wish_nor_a_later_wish_an_answered_one(store):
    rollout = begin(store)
    pause, promote = Wish("pause", "me"), Wish("promote", "me", "now")
    store.ask(rollout.id, pause)
    store.save(rollout.id, Seen(predictions=7))
    found = store.get(rollout.id)
    assert (found.wish, found.evidence.predictions) == (pause, 7)
    store.ask(rollout.id, promote)
    with store.db.write() as conn:
        store.done(conn, rollout.id, pause)
    assert store.get(rollout.id).wish == promote
    with store.db.write() as conn:
        store.done(conn, rollout.id, promote)
    assert store.get(rollout.id).wish is None


def test_nothing_is_asked_of_a_rollout_that_is_over(store):
    rollout = begin(store)
    with store.events.transaction() as conn:
        store.decide(conn, rollout, "promoted", "t", {}, state="promoted", reason="good")
    assert store.get(rollout.id).over
    with pytest.raises(Conflict, match="is over"):
        store.ask(rollout.id, Wish("rollback", "me"))
    assert [e.kind for e in store.events.page()][-1] == "rollout.promoted"

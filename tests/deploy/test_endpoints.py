"""Endpoints in the database and the desired state published from them, on both databases."""

from __future__ import annotations

import threading

import pytest

from everloop.deploy.endpoints import EndpointStore
from everloop.deploy.package import read_package
from everloop.deploy.packaging import store_package
from everloop.deploy.rollout import Deployed, plan_arms
from everloop.deploy.state import Arm, package_path, read_state, state_path
from everloop.errors import Integrity, InvalidInput, NotFound
from everloop.registry.models import ModelStore
from everloop.store.events import EventLog

ONE, TWO = Deployed(1, "a" * 64), Deployed(2, "b" * 64)


@pytest.fixture
def events(database, project):
    return EventLog(database, project.keys)


@pytest.fixture
def store(database, events):
    return EndpointStore(database, events)


def test_a_rollout_is_kept_with_its_event_and_a_rising_revision(store, events):
    assert store.set_rollout("flights", "m", plan_arms(ONE, None, 0.0), "me") == 1
    assert store.set_rollout("other", "m", plan_arms(ONE, None, 0.0), "me") == 2
    arms = plan_arms(ONE, TWO, 0.25)
    assert store.set_rollout("flights", "m", arms, "me") == 3
    found = store.get("flights")
    assert (found.model, found.arms, found.revision) == ("m", arms, 3)
    assert found.champion.version == 1
    assert [e.name for e in store.all()] == ["flights", "other"]
    event = events.latest(1)[0]
    assert (event.kind, event.subject, event.actor) == (
        "endpoint.rollout", "endpoint:flights", "me",
    )  # fmt: skip
    assert event.payload["arms"][1] == {
        "version": 2, "digest": "b" * 64, "weight": 0.25, "role": "canary",
    }  # fmt: skip
    assert [arm["version"] for arm in event.payload["before"]] == [1]


def test_the_same_again_changes_and_records_nothing(store, events):
    arms = plan_arms(ONE, TWO, 0.25)
    first = store.set_rollout("flights", "m", arms, "me")
    assert store.set_rollout("flights", "m", list(arms), "me") == first
    assert len(events.page()) == 1


def test_in_a_transaction_that_is_undone_nothing_happens(store, events):
    with pytest.raises(RuntimeError), events.transaction() as conn:
        store.set_rollout("flights", "m", plan_arms(ONE, None, 0), "me", conn)
        raise RuntimeError
    assert store.all() == []
    assert events.page() == []


def test_wrong_names_and_arms_are_refused(store):
    with pytest.raises(InvalidInput, match="endpoint"):
        store.set_rollout("../etc", "m", plan_arms(ONE, None, 0), "me")
    with pytest.raises(InvalidInput, match="add up to 1"):
        store.set_rollout("flights", "m", [Arm(1, "a" * 64, 0.5)], "me")
    store.set_rollout("flights", "m", plan_arms(ONE, None, 0), "me")
    with pytest.raises(NotFound, match='Did you mean "flights"'):
        store.get("flihgts")


def test_writers_at_once_never_share_a_revision(store):
    revisions: list[int] = []

    def change(n: int) -> None:
        revisions.append(store.set_rollout(f"e{n}", "m", plan_arms(ONE, None, 0), "me"))

    threads = [threading.Thread(target=change, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(revisions) == list(range(1, 9))


def test_publishing_brings_the_packages_and_then_the_state(store, database, events, blobs, project):
    registry = ModelStore(database, events)
    digest = project.linear()
    made = package_path(project.state, digest)
    files = store_package(made, blobs)
    version = registry.register(
        "flights", key="k", digest=digest, algorithm="linear", files=files, actor="me"
    )
    arms = plan_arms(Deployed(version.version, digest), None, 0)
    store.set_rollout("flights", "flights", arms, "me")
    elsewhere = project.folder / "elsewhere"
    desired = store.publish(elsewhere, registry, blobs)
    assert read_state(state_path(elsewhere)) == desired
    assert desired.endpoints["flights"].arms == arms
    assert read_package(package_path(elsewhere, digest), project.keys)
    written = state_path(elsewhere).stat().st_mtime_ns
    store.publish(elsewhere, registry, blobs)
    assert state_path(elsewhere).stat().st_mtime_ns == written


def test_a_state_that_cannot_be_served_is_not_published(store, database, events, blobs, project):
    registry = ModelStore(database, events)
    digest = project.linear()
    files = store_package(package_path(project.state, digest), blobs)
    registry.register(
        "flights", key="k", digest=digest, algorithm="linear", files=files, actor="me"
    )
    elsewhere = project.folder / "elsewhere"
    store.set_rollout("flights", "flights", plan_arms(Deployed(1, "c" * 64), None, 0), "me")
    with pytest.raises(Integrity, match="another digest"):
        store.publish(elsewhere, registry, blobs)
    store.set_rollout("flights", "flights", plan_arms(Deployed(9, digest), None, 0), "me")
    with pytest.raises(NotFound):
        store.publish(elsewhere, registry, blobs)
    assert not state_path(elsewhere).exists()

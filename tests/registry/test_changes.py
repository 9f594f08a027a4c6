"""What becomes of models and versions after they are made: other names, stages, tags, an end."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from everloop.deploy.endpoints import EndpointStore
from everloop.deploy.state import Arm
from everloop.errors import Conflict, InvalidInput, NotFound, TooLarge
from everloop.registry.models import ModelStore, ModelVersion
from everloop.registry.signing import Keys
from everloop.store.database import Database
from everloop.store.events import EventLog

A = "a" * 64


def create(registry: ModelStore, model: str = "m", **given: Any) -> ModelVersion:
    return registry.create_version(model, **{"source": "s3://b/m", "actor": "t", **given})


@pytest.fixture
def filled(registry: ModelStore) -> ModelStore:
    registry.create_model("m", actor="ann", description="what", tags={"a": "1"})
    for number in range(3):
        create(registry, run=str(number), tags={"n": str(number)})
    return registry


def test_a_model_and_its_versions_come_back_whole(filled: ModelStore) -> None:
    model = filled.get_model("m")
    assert (model.description, model.newest, model.tags) == ("what", 3, {"a": "1"})
    version = create(
        filled, location="s3://c", run_link="http://x", logged_model="m-1", description="d",
        user="ann",
    )  # fmt: skip
    assert filled.version("m", 4) == version
    assert (version.digest, version.algorithm, version.files) == (None, None, {})
    assert (version.stage, version.status) == ("None", "READY")
    with pytest.raises(Conflict, match="known by its source only") as raised:
        version.package_digest()
    assert raised.value.fix
    with pytest.raises(Conflict) as taken:
        filled.create_model("m", actor="t")
    assert taken.value.code == "model_exists"
    with pytest.raises(NotFound):
        create(filled, "nothing")


def test_no_number_is_given_twice(filled: ModelStore) -> None:
    filled.delete_version("m", 3, "t")
    assert create(filled).version == 4
    for number in (1, 2, 4):
        filled.delete_version("m", number, "t")
    assert filled.get_model("m").newest is None
    assert filled.get_model("m").tags == {"a": "1"}
    assert create(filled).version == 5
    with pytest.raises(NotFound):
        filled.version("m", 3)


def test_no_number_is_given_twice_while_others_delete(
    database_url: str, registry: ModelStore, keys: Keys
) -> None:
    registry.create_model("m", actor="t")
    db = Database(database_url)
    other = ModelStore(db, EventLog(db, keys))
    given: list[int] = []
    lock = threading.Lock()

    def write(number: int) -> None:
        store = (registry, other)[number % 2]
        for _ in range(5):
            made = create(store).version
            store.delete_version("m", made, "t")
            with lock:
                given.append(made)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    db.close()
    assert sorted(given) == list(range(1, 41))
    assert registry.events.verify().ok


def test_brought_from_elsewhere(registry: ModelStore) -> None:
    registry.create_model("m", actor="t", created=5, updated=9)
    made = create(registry, version=7, key="old/7", stage="Archived", created=6, updated=8)
    assert (made.version, made.stage, made.created, made.updated) == (7, "Archived", 6, 8)
    assert create(registry, version=7, key="old/7") == made
    assert create(registry, version=3).version == 3
    assert create(registry).version == 8
    with pytest.raises(Conflict):
        create(registry, version=3)
    for number in (0, -1, 2**31):
        with pytest.raises(InvalidInput):
            create(registry, version=number)


def test_another_name(filled: ModelStore) -> None:
    filled.set_alias("m", "best", 2, "t")
    filled.create_model("taken", actor="t")
    with pytest.raises(Conflict):
        filled.rename("m", "taken", "t")
    renamed = filled.rename("m", "n", "bob")
    assert (renamed.name, renamed.newest, renamed.aliases) == ("n", 3, {"best": 2})
    assert renamed.tags == {"a": "1"}
    assert [v.tags["n"] for v in filled.versions("n")] == ["2", "1", "0"]
    assert filled.versions("m") == []
    with pytest.raises(NotFound):
        filled.get_model("m")
    assert create(filled, "n").version == 4
    assert filled.rename("n", "n", "t").newest == 4
    for bad in ("", "a/b", "a:b", ".."):
        with pytest.raises(InvalidInput):
            filled.rename("n", bad, "t")
    kinds = [(e.kind, e.actor) for e in filled.events.page(subject="model:n")]
    assert kinds[0] == ("model.renamed", "bob")


def test_the_end_of_a_model(filled: ModelStore) -> None:
    filled.set_alias("m", "best", 2, "t")
    filled.delete_model("m", "bob")
    with pytest.raises(NotFound):
        filled.get_model("m")
    with pytest.raises(NotFound):
        filled.delete_model("m", "bob")
    again = filled.create_model("m", actor="t")
    assert (again.newest, again.tags, again.aliases) == (None, {}, {})
    assert create(filled).version == 1
    event = next(e for e in filled.events.page() if e.kind == "model.deleted")
    assert (event.actor, event.payload) == ("bob", {"versions": [1, 2, 3]})


def test_aliases_go_with_their_version(filled: ModelStore) -> None:
    filled.set_alias("m", "best", 2, "t")
    filled.set_alias("m", "other", 1, "t")
    assert filled.version("m", 2).aliases == ["best"]
    filled.delete_version("m", 2, "bob")
    assert filled.aliases("m") == {"other": 1}
    kinds = [e.kind for e in filled.events.page(subject="model:m")][-2:]
    assert kinds == ["model.alias_deleted", "model.version_deleted"]


def test_reserved_aliases(filled: ModelStore) -> None:
    for alias in ("latest", "LATEST", "v1", "V22", "", "a b", "a.b", "a/b", "x" * 256):
        with pytest.raises(InvalidInput):
            filled.set_alias("m", alias, 1, "t")
    filled.set_alias("m", "été_1", 1, "t")
    assert filled.by_alias("m", "Latest").version == 3
    with pytest.raises(NotFound) as raised:
        filled.by_alias("m", "none")
    assert raised.value.code == "alias_not_found"


def test_stages(filled: ModelStore) -> None:
    for number in (1, 2):
        assert filled.transition("m", number, "production", actor="t").stage == "Production"
    filled.transition("m", 3, "Production", archive_existing=True, actor="bob")
    assert [v.stage for v in filled.versions("m")] == ["Production", "Archived", "Archived"]
    create(filled)
    latest = filled.latest_versions(["m"])["m"]
    assert [v.version for v in latest] == [2, 3, 4]
    assert [v.version for v in filled.latest_versions(["m"], ["staging", "none"])["m"]] == [4]
    for stage, archive in (("odd", False), ("Archived", True), ("None", True)):
        with pytest.raises(InvalidInput):
            filled.transition("m", 1, stage, archive_existing=archive, actor="t")
    event = [e for e in filled.events.page() if e.kind == "model.version_staged"][-1]
    assert event.payload == {
        "version": 3, "before": "None", "now": "Production", "archived": [1, 2],
    }  # fmt: skip


def test_tags(filled: ModelStore) -> None:
    filled.set_model_tag("m", "a", "2", "t")
    filled.set_model_tag("m", "b/c d", "", "t")
    assert filled.get_model("m").tags == {"a": "2", "b/c d": ""}
    assert filled.delete_model_tag("m", "a", "t") is True
    assert filled.delete_model_tag("m", "a", "t") is False
    filled.set_version_tag("m", 1, "k", "x" * 100_000, "t")
    assert filled.version("m", 1).tags["k"] == "x" * 100_000
    event = [e for e in filled.events.page() if e.kind == "model.version_tag_set"][-1]
    assert event.payload.keys() == {"version", "key", "sha256"}
    assert filled.delete_version_tag("m", 1, "k", "t") is True
    with pytest.raises(TooLarge):
        filled.set_version_tag("m", 1, "k", "x" * 100_001, "t")
    for key, value in (("", "v"), ("k" * 251, "v"), ("k", "a\0b")):
        with pytest.raises(InvalidInput):
            filled.set_model_tag("m", key, value, "t")
    with pytest.raises(NotFound):
        filled.set_version_tag("m", 9, "k", "v", "t")


def test_descriptions(filled: ModelStore) -> None:
    assert filled.update_model("m", description=None, actor="t").description is None
    made = filled.update_version("m", 1, description="d", actor="t")
    assert (made.description, filled.version("m", 1).description) == ("d", "d")
    with pytest.raises(TooLarge):
        filled.update_model("m", description="x" * 100_001, actor="t")


def test_what_is_served_stays(database: Database, tmp_path: Path) -> None:
    events = EventLog(database, Keys.load_or_create(tmp_path / "keys"))
    endpoints = EndpointStore(database, events)
    registry = ModelStore(database, events, serving=endpoints.serving)
    registry.create_model("m", actor="t")
    for _ in range(3):
        create(registry)
    registry.set_alias("m", "champion", 1, "t")  # no endpoint yet: an alias like any other
    arms = [Arm(1, A, 0.9), Arm(2, A, 0.1, "canary")]
    endpoints.set_rollout("e", "m", arms, "t")
    for number in (1, 2):
        with pytest.raises(Conflict, match="an endpoint serves it") as raised:
            registry.delete_version("m", number, "t")
        assert raised.value.code == "served"
    for refused in (
        lambda: registry.rename("m", "n", "t"),
        lambda: registry.delete_model("m", "t"),
        lambda: registry.set_alias("m", "champion", 2, "t"),
        lambda: registry.set_alias("m", "challenger", 2, "t"),
        lambda: registry.delete_alias("m", "champion", "t"),
    ):
        with pytest.raises(Conflict):
            refused()
    registry.set_alias("m", "champion", 2, "t", by_rollout=True)
    registry.set_alias("m", "mine", 2, "t")
    registry.delete_version("m", 3, "t")
    endpoints.set_rollout("e", "m", [Arm(2, A)], "t")
    registry.delete_version("m", 1, "t")
    assert [v.version for v in registry.versions("m")] == [2]

from __future__ import annotations

import math
from typing import Any

import pytest
import sqlalchemy as sa

from everloop.errors import InvalidInput, NotFound
from everloop.registry.models import ModelStore, ModelVersion
from everloop.store.tables import model_aliases, model_versions

A, B = "a" * 64, "b" * 64


def register(
    registry: ModelStore, model: str = "m", key: str = "k", **changes: Any
) -> ModelVersion:
    values: dict[str, Any] = {
        "key": key, "digest": A, "algorithm": "ridge", "files": {"model.onnx": B},
        "run": "1" * 32, "dataset": A, "cycle": "c1", "metrics": {"r2": 0.5}, "actor": "test",
    }  # fmt: skip
    return registry.register(model, **values | changes)


def test_versions_count_up_and_come_back_whole(registry: ModelStore) -> None:
    first = register(registry, key="one")
    second = register(registry, key="two", digest=B, metrics={"r2": math.nan, "mae": 1.5})
    assert (first.version, second.version) == (1, 2)
    assert str(second) == "m/2"
    assert registry.version("m", 1) == first
    assert first.files == {"model.onnx": B}
    assert first.metrics == {"r2": 0.5}
    assert (first.run, first.dataset, first.cycle) == ("1" * 32, A, "c1")
    again = registry.version("m", 2).metrics
    assert math.isnan(again["r2"])
    assert again["mae"] == 1.5
    assert register(registry, "other").version == 1
    with pytest.raises(NotFound, match="no version 3"):
        registry.version("m", 3)


def test_the_same_key_makes_one_version_and_one_event(registry: ModelStore) -> None:
    first = register(registry, key="cycle-1/register")
    again = register(registry, key="cycle-1/register", digest=B, algorithm="other")
    assert again == first
    assert [v.version for v in registry.versions("m")] == [1]
    assert [e.kind for e in registry.events.page()] == ["model.registered"]
    assert register(registry, "n", key="cycle-1/register").version == 1


def test_resolve(registry: ModelStore) -> None:
    for key in ("one", "two", "three"):
        register(registry, key=key)
    assert registry.resolve("m").version == 3
    registry.set_alias("m", "champion", 1, "test")
    registry.set_alias("m", "challenger", 2, "test")
    assert registry.resolve("m").version == 1
    assert registry.resolve("m@champion").version == 1
    assert registry.resolve("m@challenger").version == 2
    assert registry.resolve("m/3").version == 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("flight", "There is no model 'flight'. Did you mean \"flights\"?"),
        ("zzzzzz", "There is no model 'zzzzzz'."),
        ("flights@best", "The model 'flights' has no alias 'best'."),
        ("flights/2", "The model 'flights' has no version 2."),
        ("flights/2147483647", "has no version 2147483647"),
    ],
)
def test_resolve_says_what_is_missing(registry: ModelStore, text: str, sentence: str) -> None:
    register(registry, "flights")
    with pytest.raises(NotFound) as raised:
        registry.resolve(text)
    assert sentence in raised.value.message


@pytest.mark.parametrize(
    "text",
    ["", " ", ".", "..", "../m", "m/", "m/0", "m/-1", "m/1.0", "m/x", "m/99999999999", "m/٣", "m@",
     "m@a b", "m@v3", "m@a.b", "@a", "a:b", "a\0b", "a\x1bb", "x" * 257, "m/1/2", "m\n"],
)  # fmt: skip
def test_bad_references_are_refused(registry: ModelStore, text: str) -> None:
    with pytest.raises(InvalidInput):
        registry.resolve(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "a/b"},
        {"model": ".."},
        {"key": ""},
        {"key": "x" * 256},
        {"digest": "A" * 64},
        {"algorithm": ""},
        {"run": "x" * 33},
        {"files": {"../model.onnx": B}},
        {"files": {"/etc/passwd": B}},
        {"files": {"a//b": B}},
        {"files": {"a\\b": B}},
        {"files": {"model.onnx": "short"}},
    ],
)
def test_bad_versions_are_refused_and_leave_nothing(
    registry: ModelStore, changes: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput):
        register(registry, **changes)
    assert registry.search_models().items == []
    assert registry.events.page() == []


@pytest.mark.parametrize("name", [".hidden", "-rf", "a b", "é", "x" * 256, "a@b", "<b>", "%2e%2e"])
def test_a_model_may_have_almost_any_name(registry: ModelStore, name: str) -> None:
    made = register(registry, name)
    registry.set_alias(name, "champion", 1, "t")
    assert registry.get_model(name).newest == 1
    for text in (f"{name}/1", f"{name}@champion", f"{name}@latest"):
        assert registry.resolve(text).key == made.key
    assert [model.name for model in registry.search_models().items] == [name]


def test_aliases(registry: ModelStore) -> None:
    register(registry, key="one")
    register(registry, key="two")
    assert registry.set_alias("m", "champion", 1, "ann") is None
    assert registry.set_alias("m", "champion", 1, "ann") == 1
    assert registry.set_alias("m", "champion", 2, "bob") == 1
    assert registry.alias("m", "champion") == 2
    assert registry.alias("m", "challenger") is None
    registry.set_alias("m", "challenger", 1, "bob")
    assert registry.aliases("m") == {"challenger": 1, "champion": 2}
    assert registry.delete_alias("m", "challenger", "bob") == 1
    assert registry.delete_alias("m", "challenger", "bob") is None
    assert registry.aliases("m") == {"champion": 2}
    with pytest.raises(NotFound):
        registry.set_alias("m", "champion", 3, "bob")
    with pytest.raises(NotFound):
        registry.set_alias("nothing", "champion", 1, "bob")
    with pytest.raises(InvalidInput):
        registry.set_alias("m", "cham pion", 1, "bob")
    events = [(e.kind, e.actor, e.payload) for e in registry.events.page(subject="model:m")][2:]
    assert events == [
        ("model.alias_set", "ann", {"alias": "champion", "before": None, "version": 1}),
        ("model.alias_set", "bob", {"alias": "champion", "before": 1, "version": 2}),
        ("model.alias_set", "bob", {"alias": "challenger", "before": None, "version": 1}),
        ("model.alias_deleted", "bob", {"alias": "challenger", "before": 1, "version": None}),
    ]
    assert registry.events.verify().ok


def test_alias_moves_with_the_callers_transaction_or_not_at_all(registry: ModelStore) -> None:
    register(registry)
    with pytest.raises(ZeroDivisionError), registry.events.transaction() as conn:
        registry.set_alias("m", "champion", 1, "test", conn)
        raise ZeroDivisionError
    assert registry.aliases("m") == {}
    assert len(registry.events.page()) == 1
    with registry.events.transaction() as conn:
        registry.set_alias("m", "champion", 1, "test", conn)
    assert registry.aliases("m") == {"champion": 1}
    assert len(registry.events.page()) == 2


def test_the_database_itself_refuses_an_alias_to_nothing(registry: ModelStore) -> None:
    register(registry)
    row = {"model": "m", "alias": "champion", "version": 9, "updated": 1}
    with pytest.raises(sa.exc.IntegrityError), registry.db.write() as conn:
        conn.execute(sa.insert(model_aliases), row)


def test_pages_by_key(registry: ModelStore) -> None:
    for number in range(7):
        register(registry, key=str(number))
        register(registry, f"model{number}", key="k")
    first = registry.versions("m", limit=3)
    second = registry.versions("m", before=first[-1].version, limit=3)
    third = registry.versions("m", before=second[-1].version, limit=3)
    assert [v.version for v in first + second + third] == [7, 6, 5, 4, 3, 2, 1]
    page = registry.search_models(limit=5)
    rest = registry.search_models(limit=5, token=page.next)
    assert [m.name for m in page.items + rest.items] == ["m", *(f"model{n}" for n in range(7))]
    assert (page.items[0].newest, page.items[1].newest) == (7, 1)
    assert registry.versions("nothing") == []


def test_a_version_cannot_be_recorded_without_its_event(
    registry: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.events.signer, "sign", lambda data: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        register(registry)
    with registry.db.read() as conn:
        assert conn.execute(sa.select(model_versions)).all() == []

from __future__ import annotations

import pytest

from everloop.errors import InvalidInput
from everloop.registry.models import ModelStore
from everloop.registry.search import MOST_MODELS, MOST_VERSIONS
from everloop.registry.signing import Keys
from everloop.store.database import Database
from everloop.store.events import EventLog

PROMPT = {"mlflow.prompt.is_prompt": "true"}


@pytest.fixture(scope="module")
def filled(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """A registry that these tests only read."""
    keys = Keys.load_or_create(tmp_path_factory.mktemp("keys"))
    registry = ModelStore(shared_database, EventLog(shared_database, keys))
    registry.create_model("apple", actor="t", tags={"team": "red", "n": "1"}, created=30)
    registry.create_model("Banana", actor="t", tags={"team": "yellow"}, created=10)
    registry.create_model("cherry_1", actor="t", description="sour", created=20)
    registry.create_model("greeting", actor="t", tags=PROMPT, created=40)
    for name, number in (("apple", 3), ("Banana", 1), ("greeting", 1)):
        for one in range(number):
            registry.create_version(
                name,
                source=f"s3://{name}/{one}",
                actor="t",
                run="r1" if one == 0 else None,
                tags={"good": str(one % 2)},
                created=100 + one,
            )
    return registry


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ("", "Banana apple cherry_1"),
        ("name = 'apple'", "apple"),
        ("name != 'apple'", "Banana cherry_1"),
        ("name LIKE '%a%'", "Banana apple"),
        ("name LIKE 'b%'", ""),
        ("name ILIKE 'b%'", "Banana"),
        ("name LIKE 'cherry__'", "cherry_1"),
        ("name LIKE '%%'", "Banana apple cherry_1"),
        ("name IN ('apple', 'greeting')", "apple"),
        ("name NOT IN ('apple', 'greeting')", "Banana cherry_1"),
        ("tags.team = 'red'", "apple"),
        ("tag.team != 'red'", "Banana"),
        ("tags.team = 'red' AND tags.n = '1'", "apple"),
        ("tags.team = 'red' AND tags.n = '2'", ""),
        ("tags.team = 'red' OR name = 'cherry_1'", "apple cherry_1"),
        ("NOT tags.team = 'red'", "Banana cherry_1"),
        ("tags.team IS NULL", "cherry_1"),
        ("description LIKE 'so%'", "cherry_1"),
        ("description IS NULL", "Banana apple"),
        ("creation_timestamp >= 20", "apple cherry_1"),
        ("tags.`mlflow.prompt.is_prompt` = 'true'", "greeting"),
        ("tags.`mlflow.prompt.is_prompt` != 'true'", "Banana apple cherry_1"),
        ("tags.`mlflow.prompt.is_prompt` = 'false' AND name = 'apple'", "apple"),
        ("tags.`mlflow.prompt.is_prompt` = 'true' OR name = 'apple'", "apple greeting"),
        ("name = 'x'' OR 1=1 --'", ""),
        ("tags.\"a'b\" = 'x'", ""),
    ],
)
def test_models_that_a_filter_leaves(filled: ModelStore, filter: str, expected: str) -> None:
    found = filled.search_models(filter)
    assert sorted(model.name for model in found.items) == expected.split()
    assert found.next is None


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ("", "Banana/1 apple/1 apple/2 apple/3"),
        ("name = 'apple'", "apple/1 apple/2 apple/3"),
        ("run_id = 'r1'", "Banana/1 apple/1"),
        ("run_id IN ('r1', 'r2')", "Banana/1 apple/1"),
        ("run_id IS NULL", "apple/2 apple/3"),
        ("run_id NOT IN ('r1')", ""),
        ("version_number > 1", "apple/2 apple/3"),
        ("version_number = '2'", "apple/2"),
        ("source_path LIKE 's3://apple/%' AND tags.good = '1'", "apple/2"),
        ("current_stage = 'Production'", ""),
        ("creation_timestamp < 101 AND name ILIKE 'A%'", "apple/1"),
        ("tags.`mlflow.prompt.is_prompt` = 'true'", "greeting/1"),
    ],
)
def test_versions_that_a_filter_leaves(filled: ModelStore, filter: str, expected: str) -> None:
    found = filled.search_versions(filter)
    assert sorted(str(version) for version in found.items) == expected.split()


@pytest.mark.parametrize(
    "filter",
    [
        "nme = 'a'", "name > 'a'", "version_number = 'x'", "name = a", "metrics.a = 1",
        "name = 'a' AND", "tags.a = 1", "'a' = name",
    ],
)  # fmt: skip
def test_bad_filters_are_refused(filled: ModelStore, filter: str) -> None:
    with pytest.raises(InvalidInput):
        filled.search_models(filter)
    if "version" not in filter:
        with pytest.raises(InvalidInput):
            filled.search_versions(filter)


def test_orders(filled: ModelStore) -> None:
    def names(*order: str) -> list[str]:
        return [model.name for model in filled.search_models(order_by=order).items]

    assert names("creation_timestamp") == ["Banana", "cherry_1", "apple"]
    assert names("creation_timestamp DESC", "name") == ["apple", "cherry_1", "Banana"]
    assert (
        names("name DESC")[-1:] + names("name")[-1:] == names("name")[:1] + names("name DESC")[:1]
    )
    versions = [str(one) for one in filled.search_versions("name = 'apple'").items]
    assert versions == ["apple/3", "apple/2", "apple/1"]
    by = ["version_number ASC"]
    up = [str(one) for one in filled.search_versions("name = 'apple'", by).items]
    assert up == versions[::-1]
    for bad in ("tags.team", "name sideways", "nme"):
        with pytest.raises(InvalidInput):
            filled.search_models(order_by=[bad])


def test_pages_neither_skip_nor_repeat_while_others_write(registry: ModelStore) -> None:
    for number in range(7):
        registry.create_model(f"m{number}", actor="t")
    seen: list[str] = []
    token = None
    while True:
        found = registry.search_models(order_by=["name DESC"], limit=2, token=token)
        seen += [model.name for model in found.items]
        registry.create_model(f"m9{len(seen)}", actor="t")  # before where the page ended
        if found.next is None:
            break
        token = found.next
    assert seen == [f"m{number}" for number in reversed(range(7))]


@pytest.mark.parametrize("token", ["", "x", "é", "gqFhoWI", "kaFh", "A" * 30_000])
def test_forged_tokens_are_refused(filled: ModelStore, token: str) -> None:
    for search in (filled.search_versions, filled.search_models):
        with pytest.raises(InvalidInput) as raised:
            search(order_by=["creation_timestamp"], token=token)
        assert raised.value.code == "bad_page_token"


def test_page_sizes(filled: ModelStore) -> None:
    for limit in (0, -1, MOST_MODELS + 1):
        with pytest.raises(InvalidInput):
            filled.search_models(limit=limit)
    assert filled.search_models(limit=MOST_MODELS).next is None
    assert filled.search_versions(limit=MOST_VERSIONS).next is None
    with pytest.raises(InvalidInput):
        filled.search_versions(limit=MOST_VERSIONS + 1)

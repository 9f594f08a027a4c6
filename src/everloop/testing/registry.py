"""The contract of the registry."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from everloop.errors import Conflict, InvalidInput, NotFound
from everloop.testing._base import Backend, Stores, at_once

DIGEST = "a" * 64


def register(stores: Stores, model: str, key: str) -> int:
    """A version with a package; its number."""
    version = stores.registry.register(
        model, key=key, digest=DIGEST, algorithm="ridge", files={}, actor="me"
    )
    return version.version


def create(stores: Stores, model: str, **values: Any) -> int:
    """A version that is known by its source; its number."""
    return stores.registry.create_version(model, source="s3://b/m", actor="me", **values).version


class RegistryContract(Backend):
    """Models, versions, aliases and stages; each change an event."""

    def test_no_number_is_given_twice(self, servers: list[Stores]) -> None:
        servers[0].registry.create_model("m", actor="me")

        def write(server: Stores, n: int) -> list[int]:
            made = [register(server, "m", f"own{n}-{k}") for k in range(3)]
            made += [create(server, "m") for _ in range(3)]
            server.registry.set_alias("m", "champion", made[-1], f"w{n}")
            return made

        made = at_once([partial(write, server, n) for n, server in enumerate(servers * 4)])
        numbers = sorted(number for some in made for number in some)
        assert numbers == list(range(1, 49))
        assert servers[0].registry.get_model("m").newest == 48
        assert servers[0].registry.alias("m", "champion") in {some[-1] for some in made}
        assert servers[0].events.verify().ok

    def test_the_same_key_makes_one_version(self, servers: list[Stores]) -> None:
        calls = [partial(register, server, "m", "cycle-1") for server in servers * 4]
        assert set(at_once(calls)) == {1}
        assert [one.version for one in servers[0].registry.versions("m")] == [1]

    def test_a_number_is_not_given_again(self, stores: Stores) -> None:
        stores.registry.create_model("m", actor="me")
        assert [create(stores, "m"), create(stores, "m")] == [1, 2]
        stores.registry.delete_version("m", 2, "me")
        assert create(stores, "m") == 3
        with pytest.raises(NotFound):
            stores.registry.version("m", 2)

    def test_a_model_is_made_once(self, servers: list[Stores]) -> None:
        calls = [partial(server.registry.create_model, "m", actor="me") for server in servers * 3]
        done = at_once(calls, Conflict)
        assert [isinstance(one, Conflict) for one in done].count(False) == 1

    def test_aliases_and_tags(self, servers: list[Stores]) -> None:
        here, there = (server.registry for server in servers)
        here.create_model("m", actor="me", description="d", tags={"a": "1"})
        create(servers[0], "m", tags={"t": "é"})
        create(servers[1], "m")
        there.set_alias("m", "best", 1, "me")
        assert here.by_alias("m", "best").tags == {"t": "é"}
        assert here.set_alias("m", "best", 2, "me") == 1
        there.set_model_tag("m", "b", "2", "me")
        there.set_version_tag("m", 2, "c", "3", "me")
        model = here.get_model("m")
        assert (model.tags, model.aliases) == ({"a": "1", "b": "2"}, {"best": 2})
        assert here.version("m", 2).aliases == ["best"]
        here.delete_version("m", 2, "me")
        assert there.aliases("m") == {}
        kinds = [event.kind for event in servers[0].events.page(subject="model:m")]
        assert kinds.count("model.alias_set") == 2

    def test_one_version_is_alone_in_a_stage(self, servers: list[Stores]) -> None:
        servers[0].registry.create_model("m", actor="me")
        for _ in range(6):
            create(servers[0], "m")
        calls = [
            partial(
                server.registry.transition, "m", n + 1, "Production",
                actor="me", archive_existing=True,
            )
            for n, server in enumerate(servers * 3)
        ]  # fmt: skip
        at_once(calls)
        stages = [version.stage for version in servers[0].registry.versions("m")]
        assert sorted(stages) == ["Archived"] * 5 + ["Production"]

    def test_versions_are_found(self, stores: Stores) -> None:
        for model in ("a", "b"):
            stores.registry.create_model(model, actor="me", tags={"team": model})
            for _ in range(3):
                create(stores, model, run="1" * 32)
        found: list[int] = []
        token = None
        while True:
            page = stores.registry.search_versions("name = 'a'", limit=2, token=token)
            found, token = found + [version.version for version in page.items], page.next
            if token is None:
                break
            create(stores, "b")
        assert sorted(found) == [1, 2, 3]
        models = stores.registry.search_models("tags.team = 'b'").items
        assert [model.name for model in models] == ["b"]

    def test_unknown_and_bad_names(self, stores: Stores) -> None:
        registry = stores.registry
        for call in (
            partial(registry.get_model, "m"),
            partial(registry.version, "m", 1),
            partial(registry.set_alias, "m", "a", 1, "me"),
            partial(registry.create_version, "m", source="s", actor="me"),
            partial(registry.delete_version, "m", 1, "me"),
        ):
            with pytest.raises(NotFound):
                call()
        for name in ("", "n" * 300, "a\0"):
            with pytest.raises(InvalidInput):
                registry.create_model(name, actor="me")
        assert registry.search_models().items == []

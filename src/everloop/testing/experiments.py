"""The contract of experiments."""

from __future__ import annotations

from functools import partial

import pytest

from everloop.errors import Conflict, InvalidInput, NotFound
from everloop.testing._base import Backend, Stores, at_once


class ExperimentsContract(Backend):
    """Names, tags, deletion and restoring."""

    def test_there_is_a_default_experiment(self, stores: Stores) -> None:
        assert stores.experiments.get(0).name == "Default"

    def test_an_experiment_comes_back_whole(self, servers: list[Stores]) -> None:
        here, there = (server.experiments for server in servers)
        made = here.create("flights", tags={"team": "ops"})
        assert there.get(made.id) == there.by_name("flights") == made
        assert made.location == f"mlflow-artifacts:/{made.id}"
        there.rename(made.id, "departures")
        there.set_tag(made.id, "é", "")
        there.set_tag(made.id, "team", "data")
        got = here.get(made.id)
        assert (got.name, got.tags) == ("departures", {"team": "data", "é": ""})
        assert got.updated >= made.updated
        here.delete_tag(made.id, "é")
        assert there.get(made.id).tags == {"team": "data"}
        assert here.by_name("flights") is None

    def test_a_name_is_given_once(self, servers: list[Stores]) -> None:
        calls = [partial(server.experiments.create, "same") for server in servers * 4]
        made = at_once(calls, Conflict)
        refused = [one for one in made if isinstance(one, Conflict)]
        assert [error.code for error in refused] == ["experiment_exists"] * 7
        experiments = servers[0].experiments
        found = experiments.by_name("same")
        assert found is not None
        experiments.delete(found.id, "me")
        with pytest.raises(Conflict):
            experiments.create("same")

    def test_numbers_go_on_after_a_given_one(self, stores: Stores) -> None:
        assert stores.experiments.create("given", id=7).id == 7
        assert stores.experiments.create("next").id > 7

    def test_one_of_two_renamed_to_the_same_name_wins(self, servers: list[Stores]) -> None:
        experiments = servers[0].experiments
        ids = [experiments.create(f"e{n}").id for n in range(4)]
        calls = [
            partial(server.experiments.rename, id, "wanted")
            for server, id in zip(servers * 2, ids, strict=True)
        ]
        done = at_once(calls, Conflict)
        assert [isinstance(one, Conflict) for one in done].count(True) == 3
        assert sum(experiments.get(id).name == "wanted" for id in ids) == 1

    def test_tags_set_at_once_are_all_there(self, servers: list[Stores]) -> None:
        made = servers[0].experiments.create("e").id
        calls = [
            partial(server.experiments.set_tag, made, f"t{n}", str(n))
            for n, server in enumerate(servers * 4)
        ]
        at_once(calls)
        assert servers[0].experiments.get(made).tags == {f"t{n}": str(n) for n in range(8)}

    def test_deleting_takes_runs_along_and_restoring_brings_them_back(self, stores: Stores) -> None:
        experiments, runs = stores.experiments, stores.runs
        made = experiments.create("e").id
        run = runs.create(made).id
        experiments.delete(made, "me")
        assert experiments.get(made).deleted is not None
        assert runs.get(run).deleted is not None
        with pytest.raises(Conflict) as caught:
            experiments.set_tag(made, "a", "b")
        assert caught.value.code == "experiment_deleted"
        with pytest.raises(Conflict):
            runs.log_metrics(run, {"m": 1})
        experiments.restore(made, "me")
        assert experiments.get(made).deleted is None
        assert runs.get(run).deleted is None
        with pytest.raises(Conflict) as caught:
            experiments.restore(made, "me")
        assert caught.value.code == "experiment_active"

    def test_a_deleted_experiment_has_no_active_run(self, servers: list[Stores]) -> None:
        here, there = servers
        for round in range(8):
            made = here.experiments.create(f"e{round}").id
            create = [partial(server.runs.create, made) for server in servers * 3]
            at_once([*create, partial(there.experiments.delete, made, "me")], Conflict)
            found = here.runs.search([made], view="all").items
            assert [run.id for run in found if run.deleted is None] == []

    def test_changes_meet_a_deletion(self, servers: list[Stores]) -> None:
        here, there = servers
        for round in range(5):
            made = here.experiments.create(f"e{round}").id
            tag = [partial(server.experiments.set_tag, made, "a", "b") for server in servers * 2]
            done = at_once([*tag, partial(there.experiments.delete, made, "me")], Conflict)
            refused = [one for one in done if isinstance(one, Conflict)]
            assert {error.code for error in refused} <= {"experiment_deleted"}
            got = here.experiments.get(made)
            assert got.deleted is not None
            assert got.tags == ({"a": "b"} if len(refused) < len(tag) else {})

    @pytest.mark.parametrize("id", [77, -1, 2**40, 2**70])
    def test_unknown_experiments_are_not_found(self, stores: Stores, id: int) -> None:
        experiments = stores.experiments
        for call in (
            partial(experiments.get, id),
            partial(experiments.rename, id, "x"),
            partial(experiments.delete, id, "me"),
            partial(experiments.restore, id, "me"),
            partial(experiments.set_tag, id, "a", "b"),
            partial(experiments.delete_tag, id, "a"),
            partial(stores.runs.create, id),
        ):
            with pytest.raises(NotFound) as caught:
                call()
            assert caught.value.code == "experiment_not_found"

    def test_bad_experiments_make_nothing(self, stores: Stores) -> None:
        experiments = stores.experiments
        for call in (
            partial(experiments.create, ""),
            partial(experiments.create, "x" * 501),
            partial(experiments.create, "a\0"),
            partial(experiments.create, "e", tags={"": "b"}),
            partial(experiments.create, "e", tags={"a": "\0"}),
            partial(experiments.create, "e", tags={"k" * 251: "b"}),
        ):
            with pytest.raises(InvalidInput):
                call()
        assert [one.name for one in experiments.search(view="all").items] == ["Default"]

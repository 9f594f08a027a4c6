"""The contract of runs: their life, their params and tags, and deletions that meet writes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from everloop.errors import Conflict, InvalidInput, NotFound
from everloop.testing._base import Backend, Stores, at_once
from everloop.tracking.records import Point


class RunsContract(Backend):
    """A run from beginning to end, whoever else writes to it."""

    def test_a_run_comes_back_whole(self, servers: list[Stores]) -> None:
        here, there = (server.runs for server in servers)
        made = here.create(0, name="first", user="ann", started=5, tags={"a": "é"})
        assert there.get(made.id) == made
        assert (made.name, made.user, made.started, made.status) == ("first", "ann", 5, "RUNNING")
        assert made.location == f"mlflow-artifacts:/0/{made.id}/artifacts"
        there.log(made.id, points=[Point("m", 0.5, 1)], params={"p": 1}, tags={"b": "c"})
        got = here.get(made.id)
        assert got.metrics == {"m": Point("m", 0.5, 1)}
        assert got.params == {"p": "1"}
        assert got.tags.items() >= {("a", "é"), ("b", "c")}
        there.update(made.id, status="FAILED", finished=9, name="last")
        got = here.get(made.id)
        assert (got.status, got.finished, got.name) == ("FAILED", 9, "last")
        here.delete_tag(made.id, "a")
        with pytest.raises(NotFound) as caught:
            there.delete_tag(made.id, "a")
        assert caught.value.code == "tag_not_found"

    def test_the_same_id_makes_one_run(self, servers: list[Stores]) -> None:
        calls = [partial(server.runs.create, 0, run="ab" * 16) for server in servers * 4]
        assert {run.number for run in at_once(calls)} == {servers[0].runs.get("ab" * 16).number}
        assert len(servers[0].runs.search([0]).items) == 1

    def test_runs_made_at_once_have_numbers_of_their_own(self, servers: list[Stores]) -> None:
        made = at_once([partial(server.runs.create, 0) for server in servers * 4])
        assert len({run.number for run in made}) == len({run.id for run in made}) == 8
        assert all(run.number > 0 for run in made)

    # -- params and tags -------------------------------------------------------------------------

    def test_a_param_is_written_once(self, stores: Stores) -> None:
        runs = stores.runs
        run = runs.create(0).id
        runs.log_params(run, {"a": 1, "b": ""})
        runs.log_params(run, {"a": "1", "b": ""})
        with pytest.raises(Conflict) as caught:
            runs.log(run, points=[Point("m", 1, 1)], params={"c": 3, "a": 2}, tags={"t": "x"})
        assert caught.value.code == "param_changed"
        got = runs.get(run)
        assert (got.params, got.metrics) == ({"a": "1", "b": ""}, {})
        assert "t" not in got.tags

    def test_of_two_values_of_a_param_one_wins(self, servers: list[Stores]) -> None:
        runs = servers[0].runs
        for _ in range(5):
            run = runs.create(0).id
            calls = [
                partial(server.runs.log_params, run, {f"x{n}": n, "p": n, f"a{n}": n})
                for n, server in enumerate(servers * 4)
            ]
            done = at_once(calls, Conflict)
            won = [n for n, one in enumerate(done) if one is None]
            assert {one.code for one in done if one is not None} == {"param_changed"}
            assert len(won) == 1
            assert runs.get(run).params == {
                name: str(won[0]) for name in (f"x{won[0]}", "p", f"a{won[0]}")
            }

    def test_the_same_params_at_once_in_any_order(self, servers: list[Stores]) -> None:
        run = servers[0].runs.create(0).id
        params = {f"p{n}": n for n in range(50)}
        orders = [params, dict(reversed(params.items()))]
        calls = [
            partial(server.runs.log, run, params=orders[n % 2], tags=orders[n % 2])
            for n, server in enumerate(servers * 4)
        ]
        at_once(calls)
        got = servers[0].runs.get(run)
        assert got.params == {key: str(value) for key, value in params.items()}
        assert got.tags.items() >= got.params.items()

    def test_the_last_value_of_a_tag_wins(self, servers: list[Stores]) -> None:
        here, there = (server.runs for server in servers)
        run = here.create(0).id
        for runs, value in ((here, "1"), (there, "2"), (here, "3")):
            runs.log_tags(run, {"t": value})
            assert there.get(run).tags["t"] == value

    def test_changes_of_one_run_at_once(self, servers: list[Stores]) -> None:
        runs = servers[0].runs
        run = runs.create(0).id
        names = [f"n{n}" for n in range(6)]
        calls: list[Callable[[], object]] = []
        for name, server in zip(names, servers * 3, strict=True):
            calls += [
                partial(server.runs.log_tags, run, {"mlflow.runName": name}),
                partial(server.runs.update, run, status="RUNNING", name=name),
                partial(server.runs.log_metrics, run, {"m": 1.0}),
            ]
        at_once([*calls, partial(runs.finish, run)])
        got = runs.get(run)
        assert got.name in names
        assert got.tags["mlflow.runName"] == got.name
        assert got.finished is not None

    # -- deletion --------------------------------------------------------------------------------

    def test_a_deleted_run_refuses_writes_until_it_is_restored(self, stores: Stores) -> None:
        runs = stores.runs
        run = runs.create(0, tags={"a": "b"}).id
        runs.delete(run, "me")
        before = runs.get(run)
        assert before.deleted is not None
        for call in (
            partial(runs.log_metrics, run, {"m": 1}),
            partial(runs.log_params, run, {"p": 1}),
            partial(runs.log_tags, run, {"t": 1}),
            partial(runs.delete_tag, run, "a"),
            partial(runs.update, run, name="x"),
            partial(runs.finish, run),
            partial(stores.inputs.log_inputs, run),
            partial(stores.inputs.log_outputs, run, []),
        ):
            with pytest.raises(Conflict) as caught:
                call()
            assert caught.value.code == "run_deleted"
        assert runs.get(run) == before
        runs.restore(run, "me")
        runs.log_metrics(run, {"m": 1})
        with pytest.raises(Conflict) as caught:
            runs.restore(run, "me")
        assert caught.value.code == "run_active"

    def test_a_write_is_before_a_deletion_or_refused(self, servers: list[Stores]) -> None:
        here, there = servers
        for _ in range(8):
            run = here.runs.create(0).id

            def log(server: Stores, n: int, run: str = run) -> None:
                points = [Point("m", n, n, step) for step in range(20)]
                server.runs.log(run, points=points, params={f"p{n}": n}, tags={f"t{n}": n})

            calls = [partial(log, server, n) for n, server in enumerate(servers * 3)]
            done = at_once([*calls, partial(there.runs.delete, run, "me")], Conflict)
            kept = {n for n, one in enumerate(done[:-1]) if one is None}
            assert {one.code for one in done if one is not None} <= {"run_deleted"}
            got = here.runs.get(run)
            assert got.deleted is not None
            assert got.params == {f"p{n}": str(n) for n in kept}
            assert {key for key in got.tags if key.startswith("t")} == {f"t{n}" for n in kept}
            assert len(here.runs.history(run, "m").items) == 20 * len(kept)

    def test_a_run_is_deleted_and_restored_once(self, servers: list[Stores]) -> None:
        run = servers[0].runs.create(0).id
        for verb, code in (("delete", "run_deleted"), ("restore", "run_active")):
            calls = [partial(getattr(server.runs, verb), run, "me") for server in servers * 2]
            codes = [one.code for one in at_once(calls, Conflict) if one is not None]
            assert codes == [code] * 3
        events = servers[0].events.page(subject=f"run:{run}")
        assert [event.kind for event in events] == ["run.deleted", "run.restored"]

    # -- bad input -------------------------------------------------------------------------------

    def test_unknown_runs_are_not_found(self, stores: Stores) -> None:
        runs, run = stores.runs, "0" * 32
        for call in (
            partial(runs.get, run),
            partial(runs.update, run),
            partial(runs.finish, run),
            partial(runs.delete, run, "me"),
            partial(runs.restore, run, "me"),
            partial(runs.log_params, run, {"a": 1}),
            partial(runs.log_metrics, run, {"a": 1}),
            partial(runs.delete_tag, run, "a"),
            partial(runs.history, run, "m"),
            partial(stores.inputs.log_inputs, run),
            partial(stores.inputs.log_outputs, run, []),
        ):
            with pytest.raises(NotFound) as caught:
                call()
            assert caught.value.code == "run_not_found"

    def test_bad_params_and_tags_keep_nothing(self, stores: Stores) -> None:
        runs = stores.runs
        run = runs.create(0).id
        before = runs.get(run)
        refused: list[dict[str, Any]] = [
            {"": 1}, {"a\0": 1}, {"a": "\0"}, {"k" * 251: 1}, {"a": "v" * 8001},
        ]  # fmt: skip
        for bad in refused:
            for call in (
                partial(runs.log, run, points=[Point("m", 1, 1)], params=bad),
                partial(runs.log, run, params={"ok": 1}, tags=bad),
                partial(runs.create, 0, tags=bad),
            ):
                with pytest.raises(InvalidInput):
                    call()
        assert runs.get(run) == before
        assert len(runs.search([0]).items) == 1

"""The contract of logged models."""

from __future__ import annotations

import math
from functools import partial

import pytest

from everloop.errors import Conflict, InvalidInput, NotFound
from everloop.testing._base import Backend, Stores, at_once
from everloop.tracking.records import LoggedModelMetric, MeasuredOn, ModelOrder, Point


class LoggedModelsContract(Backend):
    """Models before they are registered."""

    def test_a_logged_model_comes_back_whole(self, servers: list[Stores]) -> None:
        here, there = (server.logged_models for server in servers)
        run = servers[0].runs.create(0).id
        made = here.create(
            0, name="forest", run=run, type="Agent", params={"depth": 7}, tags={"é": ""}
        )
        assert there.get(made.id) == made
        assert (made.status, made.name, made.run, made.type) == ("PENDING", "forest", run, "Agent")
        assert made.location == f"mlflow-artifacts:/0/models/{made.id}/artifacts"
        assert (made.params, made.tags, made.metrics) == ({"depth": "7"}, {"é": ""}, [])
        ready = there.finalise(made.id, "READY")
        assert (ready.status, ready.updated >= made.updated) == ("READY", True)
        here.set_tags(made.id, {"a": "1", "b": "2"})
        here.set_tags(made.id, {"a": "3"})
        there.delete_tag(made.id, "b")
        assert here.get(made.id).tags == {"a": "3", "é": ""}
        with pytest.raises(NotFound) as caught:
            here.delete_tag(made.id, "b")
        assert caught.value.code == "tag_not_found"
        assert here.create(0).name != here.create(0).name

    def test_artifacts_lie_below_the_experiments(self, stores: Stores) -> None:
        elsewhere = stores.experiments.create("e", location="s3://bucket/x/")
        made = stores.logged_models.create(elsewhere.id)
        assert made.location == f"s3://bucket/x/models/{made.id}/artifacts"
        stores.experiments.delete(elsewhere.id, "me")
        with pytest.raises(Conflict):
            stores.logged_models.create(elsewhere.id)

    def test_the_same_id_makes_one_model(self, servers: list[Stores]) -> None:
        id = "m-" + "a1" * 16
        calls = [
            partial(server.logged_models.create, 0, id=id, params={"a": n})
            for n, server in enumerate(servers * 2)
        ]
        first, *others = at_once(calls)
        assert others == [first] * 3

    def test_params_are_written_once(self, servers: list[Stores]) -> None:
        models = servers[0].logged_models
        made = models.create(0).id
        models.log_params(made, {"a": 1})
        models.log_params(made, {"a": 1, "b": 2})
        calls = [
            partial(server.logged_models.log_params, made, {"p": n, f"q{n}": n})
            for n, server in enumerate(servers * 3)
        ]
        done = at_once(calls, Conflict)
        won = [n for n, one in enumerate(done) if one is None]
        assert {one.code for one in done if one is not None} == {"param_changed"}
        assert len(won) == 1
        expected = {"a": "1", "b": "2", "p": str(won[0]), f"q{won[0]}": str(won[0])}
        assert models.get(made).params == expected

    def test_a_models_points_are_the_runs_too(self, stores: Stores) -> None:
        run, models = stores.runs.create(0).id, stores.logged_models
        one, two = models.create(0, run=run).id, models.create(0).id
        points = [
            Point("auc", 0.5, 1, 0, one, "flights", "d1"),
            Point("auc", 0.7, 2, 1, one, "flights", "d1"),
            Point("auc", math.nan, 2, 1, two),
            Point("auc", 0.9, 3, 2),
        ]
        for _ in range(2):
            stores.runs.log(run, points=points)
        assert models.get(one).metrics == [
            LoggedModelMetric(
                key="auc", value=value, at=at, step=at - 1, run=run,
                dataset_name="flights", dataset_digest="d1",
            )
            for at, value in ((1, 0.5), (2, 0.7))
        ]  # fmt: skip
        (measured,) = models.get(two).metrics
        assert math.isnan(measured.value)
        assert measured.dataset_name is None
        assert len(stores.runs.history(run, "auc").items) == 4
        with pytest.raises(NotFound) as caught:
            stores.runs.log(run, points=[Point("x", 1.0, 1), Point("x", 1.0, 1, 1, "m-nothing")])
        assert caught.value.code == "logged_model_not_found"
        assert "x" not in stores.runs.get(run).metrics

    def test_points_of_models_at_once(self, servers: list[Stores]) -> None:
        run = servers[0].runs.create(0).id
        made = [servers[0].logged_models.create(0).id for _ in range(2)]
        points = [Point("m", float(s), s, s, id) for s in range(20) for id in made]
        calls = [
            partial(server.runs.log, run, points=points[:: 1 if n % 2 else -1])
            for n, server in enumerate(servers * 4)
        ]
        at_once(calls)
        for id in made:
            got = servers[0].logged_models.get(id).metrics
            assert [one.step for one in got] == list(range(20))

    def test_a_deleted_model_is_there_for_those_who_ask(self, stores: Stores) -> None:
        models = stores.logged_models
        made = models.create(0).id
        models.delete(made)
        models.delete(made)
        with pytest.raises(NotFound) as caught:
            models.get(made)
        assert caught.value.code == "logged_model_not_found"
        assert models.get(made, deleted=True).deleted is not None
        assert models.search([0]).items == []

    def test_models_are_found(self, stores: Stores) -> None:
        models, run = stores.logged_models, stores.runs.create(0).id
        made = [
            models.create(
                0, name=f"n{n}", params={"p": str(n)}, tags={"odd": str(n % 2)}, created=n
            )
            for n in range(6)
        ]
        for n in range(4):
            on = ("train", "d1") if n % 2 else ("test", "d2")
            stores.runs.log(run, points=[Point("auc", n / 10, 1, 0, made[n].id, *on)])

        def names(**query: object) -> list[str]:
            found: list[str] = []
            token = None
            while True:
                page = models.search([0], limit=2, token=token, **query)  # type: ignore[arg-type]
                found, token = found + [model.name for model in page.items], page.next
                if token is None:
                    return found

        assert names() == ["n5", "n4", "n3", "n2", "n1", "n0"]
        assert names(filter="params.p = '3'") == ["n3"]
        assert names(filter="tags.odd = '1' AND name != 'n1'") == ["n5", "n3"]
        assert names(filter="metrics.auc >= 0.2") == ["n3", "n2"]
        assert names(filter="metrics.auc >= 0", datasets=[MeasuredOn("test")]) == ["n2", "n0"]
        assert names(datasets=[MeasuredOn("train", "d1")]) == ["n3", "n1"]
        by_auc = [ModelOrder("metrics.auc", ascending=False)]
        assert names(order_by=by_auc) == ["n3", "n2", "n1", "n0", "n5", "n4"]
        assert names(order_by=[ModelOrder("name")]) == [f"n{n}" for n in range(6)]
        assert models.search([7]).items == []

    def test_unknown_models_are_not_found(self, stores: Stores) -> None:
        models, id = stores.logged_models, "m-" + "0" * 32
        for call in (
            partial(models.get, id),
            partial(models.finalise, id, "READY"),
            partial(models.delete, id),
            partial(models.log_params, id, {"a": 1}),
            partial(models.set_tags, id, {"a": 1}),
            partial(models.delete_tag, id, "a"),
        ):
            with pytest.raises(NotFound) as caught:
                call()
            assert caught.value.code == "logged_model_not_found"

    def test_bad_models_make_nothing(self, stores: Stores) -> None:
        models = stores.logged_models
        for call in (
            partial(models.create, 0, name=""),
            partial(models.create, 0, name="a/b"),
            partial(models.create, 0, name="n" * 501),
            partial(models.create, 0, id="m-x"),
            partial(models.create, 0, type="t" * 501),
            partial(models.create, 0, params={"": 1}),
            partial(models.create, 0, tags={"t": "\0"}),
        ):
            with pytest.raises(InvalidInput):
                call()
        assert models.search([0]).items == []
        made = models.create(0)
        with pytest.raises(InvalidInput):
            models.finalise(made.id, "DONE")  # type: ignore[arg-type]
        with pytest.raises(InvalidInput):
            models.search([0], token="forged")
        assert models.get(made.id) == made

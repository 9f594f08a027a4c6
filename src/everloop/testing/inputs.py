"""The contract of what a run used and made."""

from __future__ import annotations

from functools import partial

import pytest

from everloop.errors import InvalidInput
from everloop.testing._base import Backend, Stores, at_once
from everloop.tracking.records import DatasetSummary, DatasetUse, ModelUse, RunInputs

MODELS = [f"m-{n:032x}" for n in range(4)]


def dataset(name: str = "flights", digest: str = "d1", context: str | None = None) -> DatasetUse:
    """A dataset, and what it is used for."""
    return DatasetUse(
        name=name,
        digest=digest,
        source_type="local",
        source=f"/data/{name}.csv",
        schema='{"columns": []}',
        profile=None,
        tags={} if context is None else {"mlflow.data.context": context},
    )


def used(stores: Stores, run: str) -> RunInputs:
    """What one run used and made."""
    return stores.inputs.of([stores.runs.get(run)])[run]


class InputsContract(Backend):
    """Datasets and models of runs."""

    def test_datasets_come_back_in_the_order_they_were_told(self, stores: Stores) -> None:
        run = stores.runs.create(0).id
        told = [dataset(name) for name in ("wind", "air", "sea")]
        stores.inputs.log_inputs(run, [*told, dataset("air", context="again")])
        assert used(stores, run).datasets == told

    def test_inputs_and_outputs_come_back(self, servers: list[Stores]) -> None:
        here, there = servers
        made = [here.runs.create(0) for _ in range(3)]
        run, other, bare = (one.id for one in made)
        train, test = dataset(context="training"), dataset("weather", "é")
        here.inputs.log_inputs(run, [train, test], [ModelUse(model=MODELS[0], kind="input")])
        here.inputs.log_outputs(run, [ModelUse(model=MODELS[1], kind="output", step=7)])
        here.inputs.log_inputs(other, [dataset(context="test")])
        got = there.inputs.of(made)
        assert got.keys() == {run, other, bare}
        assert got[run].datasets == [train, test]
        assert got[run].models == [
            ModelUse(model=MODELS[0], kind="input"),
            ModelUse(model=MODELS[1], kind="output", step=7),
        ]
        assert got[other].datasets == [dataset(context="test")]
        assert (got[bare].datasets, got[bare].models) == ([], [])
        assert there.inputs.of([]) == {}

    def test_told_again_changes_nothing(self, stores: Stores) -> None:
        run = stores.runs.create(0).id
        first = dataset(context="training")
        stores.inputs.log_inputs(run, [first, dataset(context="second")], [])
        again = DatasetUse(
            name="flights", digest="d1", source_type="s3", source="s3://b/x", tags={"a": "b"}
        )
        stores.inputs.log_inputs(run, [again])
        assert used(stores, run).datasets == [first]
        use = ModelUse(model=MODELS[0], kind="output", step=1)
        for step in (1, 5):
            stores.inputs.log_outputs(
                run, [use, ModelUse(model=use.model, kind="output", step=step)]
            )
        assert [model.step for model in used(stores, run).models] == [5]

    def test_datasets_of_experiments(self, stores: Stores) -> None:
        one, two = stores.experiments.create("one").id, stores.experiments.create("two").id
        runs = [stores.runs.create(one).id, stores.runs.create(one).id, stores.runs.create(two).id]
        for run, context in zip(runs, ("training", "test", None), strict=True):
            stores.inputs.log_inputs(run, [dataset(context=context), dataset("b", "d")])
        found = set(stores.inputs.datasets([one]))
        assert found == {
            DatasetSummary(one, "flights", "d1", "training"),
            DatasetSummary(one, "flights", "d1", "test"),
            DatasetSummary(one, "b", "d", None),
        }
        assert len(stores.inputs.datasets([one, two, 77])) == 5
        assert len(stores.inputs.datasets([one, two], limit=2)) == 2
        assert stores.inputs.datasets([]) == []

    def test_the_same_data_at_once(self, servers: list[Stores]) -> None:
        ids = [servers[0].runs.create(0).id for _ in range(4)]
        uses = [dataset(f"set{n}") for n in range(10)]
        calls = []
        for n in range(8):
            order = uses if n % 2 else uses[::-1]
            calls.append(partial(servers[n % 2].inputs.log_inputs, ids[n // 2], order))
        at_once(calls)
        for run in ids:
            datasets = used(servers[0], run).datasets
            assert sorted(use.name for use in datasets) == [use.name for use in uses]
        assert len(servers[0].inputs.datasets([0])) == 10

    def test_bad_inputs_keep_nothing(self, stores: Stores) -> None:
        run = stores.runs.create(0).id
        for bad in (
            dataset(""),
            dataset("n" * 501),
            dataset(digest="d" * 37),
            dataset("a\0"),
            DatasetUse(name="a", digest="b", source_type="t" * 37, source=""),
            DatasetUse(name="a", digest="b", source_type="t", source="s" * 65_536),
            DatasetUse(name="a", digest="b", source_type="t", source="s", schema="s" * 1_048_576),
            DatasetUse(name="a", digest="b", source_type="t", source="s", tags={"": "v"}),
            DatasetUse(name="a", digest="b", source_type="t", source="s", tags={"k": "v" * 501}),
        ):
            with pytest.raises(InvalidInput):
                stores.inputs.log_inputs(run, [dataset(), bad])
        for model in ("", "m" * 65, "\0"):
            with pytest.raises(InvalidInput):
                stores.inputs.log_inputs(run, [dataset()], [ModelUse(model=model, kind="input")])
        with pytest.raises(InvalidInput):
            stores.inputs.log_outputs(run, [ModelUse(model="m", kind="output", step=2**63)])
        assert used(stores, run).datasets == []
        assert stores.inputs.datasets([0]) == []

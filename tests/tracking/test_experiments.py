from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from everloop.errors import Conflict, InvalidInput, NotFound
from everloop.tracking.experiments import ExperimentStore
from everloop.tracking.runs import RunStore


def test_the_default_experiment_is_there(experiments: ExperimentStore) -> None:
    found = experiments.get(0)
    assert (found.name, found.location) == ("Default", "mlflow-artifacts:/0")


def test_an_experiment_from_beginning_to_end(experiments: ExperimentStore, runs: RunStore) -> None:
    made = experiments.create("flights", tags={"team": "ops"})
    assert made == experiments.get(made.id) == experiments.by_name("flights")
    assert made.location == f"mlflow-artifacts:/{made.id}"
    elsewhere = experiments.create("elsewhere", location="s3://bucket/x")
    assert elsewhere.location == "s3://bucket/x"
    renamed = experiments.rename(made.id, "departures")
    assert (renamed.name, renamed.tags) == ("departures", {"team": "ops"})
    experiments.set_tag(made.id, "team", "data")
    experiments.set_tag(made.id, "b", "")
    assert experiments.get(made.id).tags == {"b": "", "team": "data"}
    experiments.delete_tag(made.id, "b")
    assert experiments.get(made.id).tags == {"team": "data"}
    with pytest.raises(NotFound):
        experiments.delete_tag(made.id, "b")
    assert experiments.by_name("nothing") is None


def test_deleting_takes_the_runs_along_and_restoring_brings_those_back(
    experiments: ExperimentStore, runs: RunStore
) -> None:
    made = experiments.create("e").id
    kept, gone = runs.create(made).id, runs.create(made).id
    runs.delete(gone, "me")
    experiments.delete(made, "me")
    assert experiments.get(made).deleted == runs.get(kept).deleted is not None
    for change in (
        lambda: experiments.rename(made, "f"),
        lambda: experiments.set_tag(made, "a", "b"),
        lambda: experiments.delete(made, "me"),
        lambda: runs.create(made),
        lambda: runs.log_metrics(kept, {"a": 1}),
    ):
        with pytest.raises(Conflict, match="is deleted"):
            change()
    experiments.restore(made, "me")
    assert experiments.get(made).deleted is None
    assert runs.get(kept).deleted is None
    assert runs.get(gone).deleted is not None
    with pytest.raises(Conflict, match="not deleted"):
        experiments.restore(made, "me")
    kinds = [event.kind for event in experiments.events.page(subject=f"experiment:{made}")]
    assert kinds == ["experiment.deleted", "experiment.restored"]


def test_a_name_is_given_once(experiments: ExperimentStore) -> None:
    def make(_: int) -> str:
        try:
            return str(experiments.create("same").id)
        except Conflict as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(8)))
    assert sorted(made)[1:] == ["experiment_exists"] * 7
    number = experiments.by_name("same")
    assert number is not None
    experiments.delete(number.id, "me")
    with pytest.raises(Conflict, match="deleted experiment"):
        experiments.create("same")
    other = experiments.create("other").id
    with pytest.raises(Conflict, match="taken"):
        experiments.rename(other, "same")


@pytest.mark.parametrize("id", [77, -1, 2**40])
def test_unknown_experiments(experiments: ExperimentStore, runs: RunStore, id: int) -> None:
    for call in (
        lambda: experiments.get(id),
        lambda: experiments.rename(id, "x"),
        lambda: experiments.delete(id, "me"),
        lambda: experiments.set_tag(id, "a", "b"),
        lambda: runs.create(id),
    ):
        with pytest.raises(NotFound, match="There is no experiment"):
            call()


@pytest.mark.parametrize(
    "call",
    [
        lambda e: e.create(""),
        lambda e: e.create("x" * 501),
        lambda e: e.create("a\0"),
        lambda e: e.create("e", tags={"": "b"}),
        lambda e: e.create("e", tags={"a": "b" * 20_001}),
    ],
)
def test_bad_input_makes_nothing(experiments: ExperimentStore, call: Any) -> None:
    with pytest.raises(InvalidInput):
        call(experiments)
    assert [one.name for one in experiments.search(view="all").items] == ["Default"]

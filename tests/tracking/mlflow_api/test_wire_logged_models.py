"""The search of logged models: its order by dataset, its page tokens, its refusals."""

from __future__ import annotations

from typing import Any

import pytest
from wire_helpers import Wire

INVALID = "INVALID_PARAMETER_VALUE"
SEARCH = "logged-models/search"


def found(wire: Wire, **asked: Any) -> list[str]:
    models = wire.post(SEARCH, experiment_ids=["0"], **asked).get("models", [])
    return [model["info"]["model_id"] for model in models]


@pytest.fixture
def two(wire: Wire) -> list[str]:
    """Two models; the first is better on dataset a, the second on b."""
    run = wire.post("runs/create", experiment_id="0")["run"]["info"]["run_id"]
    made = [
        wire.post("logged-models", experiment_id="0")["model"]["info"]["model_id"] for _ in "12"
    ]
    for model, values in zip(made, ((0.9, 0.1), (0.8, 0.2)), strict=True):
        metrics = [
            {
                "key": "auc",
                "value": value,
                "timestamp": at,
                "step": 0,
                "model_id": model,
                "dataset_name": name,
                "dataset_digest": f"digest of {name}",
            }
            for at, (name, value) in enumerate(zip("ab", values, strict=True))
        ]
        wire.post("runs/log-batch", run_id=run, metrics=metrics)
    return made


@pytest.mark.parametrize(
    ("dataset", "first_wins"),
    [
        ({"dataset_name": "a"}, True),
        ({"dataset_digest": "digest of a"}, True),
        ({"dataset_name": "b", "dataset_digest": "digest of b"}, False),
        ({"dataset_digest": "digest of b"}, False),
    ],
)
def test_an_order_by_the_metric_on_a_dataset(
    wire: Wire, two: list[str], dataset: dict[str, str], first_wins: bool
) -> None:
    order = [{"field_name": "metrics.auc", "ascending": False, **dataset}]
    assert found(wire, order_by=order) == (two if first_wins else two[::-1])


def test_a_page_token_is_good_for_its_own_question_only(wire: Wire, two: list[str]) -> None:
    page = wire.post(SEARCH, experiment_ids=["0"], max_results=1)
    token = page["next_page_token"]
    rest = found(wire, max_results=5, page_token=token)
    assert [page["models"][0]["info"]["model_id"], *rest] == two[::-1]
    for asked, part in (
        ({"experiment_ids": ["0", "1"]}, "Experiment IDs in the page token do not match"),
        ({"filter": "name = 'x'"}, "Filter string in the page token does not match"),
        ({"order_by": [{"field_name": "name"}]}, "Order by in the page token does not match"),
    ):
        message = {"experiment_ids": ["0"], "page_token": token, **asked}
        status, code, said = wire.refused(SEARCH, **message)
        assert (status, code) == (400, INVALID)
        assert part in said


@pytest.mark.parametrize(
    ("filter", "part"),
    [
        ("Foo", "Invalid filter string: 'Foo'"),
        ("foo.bar = 'a'", "Invalid entity type 'foo'"),
        ("name > 'foo'", "Invalid comparison operator '>'"),
        ("metrics.foo LIKE 0", "Invalid comparison operator 'LIKE'"),
    ],
)
def test_refusals_are_in_the_words_of_the_protocol(wire: Wire, filter: str, part: str) -> None:
    status, code, said = wire.refused(SEARCH, experiment_ids=["0"], filter=filter)
    assert (status, code) == (400, INVALID)
    assert part in said

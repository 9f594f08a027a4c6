"""What the contract does not ask of inputs: what reading them costs, and how much comes at once.

Their meaning is tested by :class:`everloop.testing.InputsContract`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from everloop.errors import TooLarge
from everloop.store.database import Database
from everloop.tracking.inputs import MAX_USES, InputStore
from everloop.tracking.records import DatasetUse, ModelUse
from everloop.tracking.runs import RunStore


@pytest.fixture
def inputs(database: Database) -> InputStore:
    return InputStore(database)


@pytest.fixture
def statements(database: Database) -> Iterator[list[str]]:
    """What is asked of the database."""
    asked: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", note)
    yield asked
    sa.event.remove(database.engine, "before_cursor_execute", note)


def use(name: str) -> DatasetUse:
    return DatasetUse(name=name, digest="d", source_type="local", source="x")


def test_many_runs_cost_as_many_queries_as_one(
    inputs: InputStore, runs: RunStore, statements: list[str]
) -> None:
    made = [runs.create(0) for _ in range(20)]
    for run in made:
        inputs.log_inputs(run.id, [use("a"), use("b")], [ModelUse(model="m", kind="input")])
    costs = []
    for some in (made[:2], made):
        statements.clear()
        found = inputs.of(some)
        costs.append(len(statements))
        assert [len(found[run.id].datasets) for run in some] == [2] * len(some)
    assert costs[0] == costs[1] <= 3


def test_as_many_as_allowed_come_at_once(inputs: InputStore, runs: RunStore) -> None:
    run = runs.create(0)
    many = [use(f"set{n:04}") for n in range(MAX_USES)]
    inputs.log_inputs(run.id, many)
    assert inputs.of([run])[run.id].datasets == many
    with pytest.raises(TooLarge):
        inputs.log_inputs(run.id, [*many, use("one more")])
    with pytest.raises(TooLarge):
        inputs.log_outputs(run.id, [ModelUse(model="m", kind="output")] * (MAX_USES + 1))

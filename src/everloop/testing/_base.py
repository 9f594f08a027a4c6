"""What a back end gives to be tested, and what the contracts ask of it.

A back end gives two fixtures, in its class, its module or a ``conftest.py``:

``database``
    A :class:`~everloop.store.database.Database`, migrated and without rows, fresh for each test.
``blobs``
    :class:`~everloop.store.blobs.Blobs` without objects, fresh for each test.

One that has stores of its own replaces the fixture ``opened`` instead: a function that gives all
stores over the same data, each time as a server process of its own would open them. What the
contracts then ask:

- A change is made wholly or not at all, and what a call has returned from is not lost.
- Any number of threads and servers write at once. They may wait for each other, never for ever:
  no call is refused because of another one that came at the same time, unless the two contradict.
- A write that meets a deletion is either before it or refused.
- Errors are those of :mod:`everloop.errors`, told apart by their class and ``code``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from everloop.registry.models import ModelStore
from everloop.registry.signing import Keys
from everloop.store.blobs import Blobs
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.tracking.artifacts.store import ArtifactStore
from everloop.tracking.artifacts.uploads import Uploads
from everloop.tracking.experiments import ExperimentStore
from everloop.tracking.inputs import InputStore
from everloop.tracking.logged_models import LoggedModelStore
from everloop.tracking.runs import RunStore


@dataclass(frozen=True)
class Stores:
    """The stores of one server."""

    events: EventLog
    experiments: ExperimentStore
    runs: RunStore
    inputs: InputStore
    logged_models: LoggedModelStore
    artifacts: ArtifactStore
    uploads: Uploads
    registry: ModelStore

    @classmethod
    def over(cls, db: Database, blobs: Blobs, keys: Keys) -> Stores:
        """The stores of everloop itself."""
        events = EventLog(db, keys)
        artifacts = ArtifactStore(db, blobs)
        return cls(
            events=events,
            experiments=ExperimentStore(db, events),
            runs=RunStore(db, events),
            inputs=InputStore(db),
            logged_models=LoggedModelStore(db),
            artifacts=artifacts,
            uploads=Uploads(artifacts),
            registry=ModelStore(db, events),
        )


class Backend:
    """Base of the contracts: the fixtures that they take what they test from."""

    @pytest.fixture
    def opened(
        self, database: Database, blobs: Blobs, tmp_path: Path
    ) -> Iterator[Callable[[], Stores]]:
        """Opens the stores once more over the same data, as another server would."""
        url = database.engine.url.render_as_string(hide_password=False)
        keys = Keys.load_or_create(tmp_path / "keys")
        with ExitStack() as stack:

            def open_stores() -> Stores:
                db = Database(url)
                stack.callback(db.close)
                return Stores.over(db, Blobs(blobs.url), keys)

            yield open_stores

    @pytest.fixture
    def servers(self, opened: Callable[[], Stores]) -> list[Stores]:
        """Two servers over the same data."""
        return [opened(), opened()]

    @pytest.fixture
    def stores(self, servers: list[Stores]) -> Stores:
        """The stores of one server."""
        return servers[0]


def at_once(
    calls: Sequence[Callable[[], Any]], expected: type[Exception] | None = None
) -> list[Any]:
    """What the calls return when they begin together, each in a thread of its own.

    An error of the class ``expected`` takes the place of a result; any other is raised.
    """
    together = threading.Barrier(len(calls))

    def one(call: Callable[[], Any]) -> Any:
        together.wait(60)
        try:
            return call()
        except Exception as error:
            if expected is not None and isinstance(error, expected):
                return error
            raise

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))

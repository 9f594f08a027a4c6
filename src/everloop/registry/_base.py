"""What the parts of the registry share.

Each change happens in one transaction of the event log: the rows, the event that says who did
what, and the deliveries to webhooks that wait for it, all or nothing. The transaction holds the
log's lock, so changes of the registry pass one after another over all processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from everloop.errors import Conflict
from everloop.store.database import Database
from everloop.store.events import EventLog

Serving = Callable[[str], set[int]]
"""The versions of a model that endpoints serve now."""


class RegistryPart:
    """The registry in ``db``.

    ``serving`` tells what is in use, since whoever decides that lies above: such a version is not
    deleted, such a model is not renamed. Without it everything is free.
    """

    def __init__(self, db: Database, events: EventLog, serving: Serving | None = None) -> None:
        self.db = db
        self.events = events
        self.serving: Serving = serving or _nothing

    @contextmanager
    def _within(self, conn: sa.Connection | None) -> Iterator[sa.Connection]:
        if conn is not None:
            yield conn
        else:
            with self.events.transaction() as own:
                yield own

    def _event(
        self, conn: sa.Connection, kind: str, model: str, actor: str, payload: dict[str, Any]
    ) -> None:
        self.events.append(conn, actor=actor, kind=kind, subject=f"model:{model}", payload=payload)

    def _refuse_served(self, model: str, verb: str, version: int | None = None) -> None:
        """Raises :class:`~everloop.errors.Conflict` when an endpoint serves it."""
        served = self.serving(model)
        if not served if version is None else version not in served:
            return
        what = f"The model {model!r}" if version is None else f"The version {model}/{version}"
        numbers = ", ".join(str(number) for number in sorted(served))
        reason = f"an endpoint serves its version {numbers}" if version is None else (
            "an endpoint serves it"
        )  # fmt: skip
        raise Conflict(
            f"{what} cannot be {verb}: {reason}.",
            code="served",
            got=model if version is None else f"{model}/{version}",
            fix="Deploy another version first, with `everloop deploy`.",
        )


def _nothing(_model: str) -> set[int]:
    return set()

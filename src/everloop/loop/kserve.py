"""What KServe's payload logger sends, on its way into the prediction log.

The logger sends a request and its response as two CloudEvents of one id, each once, in any order,
and looks at no answer: https://github.com/kserve/kserve, ``pkg/logger``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import polars as pl

from everloop.data.columns import as_instant
from everloop.data.pseudonyms import PURPOSE, as_level
from everloop.data.segments import PredictionRecord
from everloop.deploy.serving.redaction import Redaction
from everloop.errors import InvalidInput, invalid
from everloop.loop.feeding import endpoint_of, schema_of
from everloop.loop.hiding import rules_of
from everloop.loop.logging import no_champion
from everloop.loop.project import Project
from everloop.monitor.foreign import ROUNDING
from everloop.monitor.halves import Answers, Asked, Half
from everloop.monitor.payloads import ID, TIME, answered, asked, names_of
from everloop.store.clock import now_ms

REQUEST = "org.kubeflow.serving.inference.request"
RESPONSE = "org.kubeflow.serving.inference.response"
LONGEST = 200  # characters of an id
FRESH_S = 2.0  # that a champion and a loop file are taken for the newest
_takers: WeakKeyDictionary[Project, dict[str, tuple[float, _Taker]]] = WeakKeyDictionary()


class Event(msgspec.Struct, frozen=True):
    """A CloudEvent (https://cloudevents.io, 1.0): what of its attributes counts here.

    ``component`` and ``endpoint`` are KServe's: which part of an inference service was asked, and
    whether its canary.
    """

    id: str
    type: str
    data: bytes
    time: datetime | None = None
    component: str = ""
    endpoint: str = ""


class Taken(msgspec.Struct, frozen=True):
    """What became of events; ``ignored`` are of another type or component, and ``why`` says what
    is wrong with the first one that was ``refused``."""

    events: int = 0
    new: int = 0
    repeated: int = 0
    ignored: int = 0
    refused: int = 0
    why: str = ""


def take(
    project: Project, endpoint: str, events: Sequence[Event], component: str = "predictor"
) -> Taken:
    """Keep the halves of predictions in ``events``; the log has them once both are there.

    What ``[monitor.log]`` hides is hidden before anything is kept. Of a batch, which its sender
    sends once, the sound events are kept. Raises :class:`~everloop.errors.InvalidInput` where no
    body holds rows, and :class:`~everloop.errors.NotFound` while the endpoint's loop has no
    champion.
    """
    taker = _taker(project, endpoint)
    wanted = [
        one
        for one in events
        if one.type in (REQUEST, RESPONSE) and (one.component or component) == component
    ]
    halves: list[Half] = []
    wrong: list[InvalidInput] = []
    for one in wanted:
        try:
            halves.append(taker.half(one))
        except InvalidInput as error:
            wrong.append(error)
    if wrong and not halves:
        raise wrong[0]
    new = project.log.halves.add(taker.endpoint, halves) if halves else 0
    return Taken(
        events=len(events), new=new, repeated=len(halves) - new,
        ignored=len(events) - len(wanted), refused=len(wrong), why=str(wrong[0]) if wrong else "",
    )  # fmt: skip


def _taker(project: Project, endpoint: str) -> _Taker:
    """What reads events of the endpoint; looked up anew every :data:`FRESH_S`."""
    known = _takers.setdefault(project, {})
    until, taker = known.get(endpoint, (0.0, None))
    if taker is None or time.monotonic() >= until:
        taker = _Taker(project, endpoint)
        known[endpoint] = (time.monotonic() + FRESH_S, taker)
    return taker


class _Taker:
    """Reads events of one endpoint."""

    def __init__(self, project: Project, endpoint: str) -> None:
        self.endpoint, declared = endpoint_of(project, endpoint)
        champion = project.champion(declared.name) if declared else None
        schema = schema_of(project, declared)
        if declared is None or champion is None or schema is None:
            raise no_champion(self.endpoint)
        self.version, self.schema = champion.version, schema
        rules = rules_of(declared.monitor.log, declared.data.id)
        secret = project.keys.derive(PURPOSE)
        self.redaction = None if rules is None else Redaction(rules, secret)

    def half(self, event: Event) -> Half:
        if not 0 < len(event.id) <= LONGEST:
            raise invalid("id", event.id, f"the event's id, in 1 to {LONGEST} characters")
        now = now_ms()
        # A clock that is ahead must not put rows into windows that are still to come.
        at = now if event.time is None else min(int(event.time.timestamp() * 1000), now)
        if event.type == REQUEST:
            return Half(event.id, "request", self._request(event, at))
        return Half(event.id, "response", self._response(event, at))

    def _request(self, event: Event, at: int) -> Asked:
        rows = asked(event.data, self.schema)
        if not rows:
            raise _nothing("instances or inputs", event.data)
        named = [row.get(ID) for row in rows]
        many = len(rows) > 1
        ids = [
            as_level(own) if own is not None else f"{event.id}-{place}" if many else event.id
            for place, own in enumerate(named)
        ]
        record = PredictionRecord(
            at=at, request=f"kserve:{event.id}", endpoint=self.endpoint, version=self.version,
            arm="canary" if event.endpoint == "canary" else "champion", ids=ids,
            times=_times(rows), columns={n: [r.get(n) for r in rows] for n in names_of(rows)},
            y=list(range(len(rows))), p=None, ms=0.0,
        )  # fmt: skip
        if self.redaction is not None:
            record = self.redaction.prediction(record) or msgspec.structs.replace(
                record, ids=[], times=None, columns={}, y=[]
            )
        return Asked(record, len(rows))

    def _response(self, event: Event, at: int) -> Answers:
        said = answered(event.data, self.schema)
        if not said:
            raise _nothing("predictions or outputs", event.data)
        shares = [one.p for one in said]
        p = [share for share in shares if share is not None]
        for share in p:
            if not all(-ROUNDING <= one <= 1 + ROUNDING for one in share):
                count = len(self.schema.classes)
                raise invalid("data", share, f"the probability of each of {count} classes, 0 to 1")
        return Answers(at, [one.y for one in said], p if len(p) == len(said) else None)


def _times(rows: list[dict[str, Any]]) -> list[int | None] | None:
    """Event times that the rows name; one that is no time counts as not given."""
    given = [row.get(TIME) for row in rows]
    if all(value is None for value in given):
        return None
    try:
        found = as_instant(pl.Series(TIME, given, strict=False)).dt.timestamp("ms")
    except InvalidInput:
        return None
    return found.to_list()


def _nothing(what: str, data: bytes) -> InvalidInput:
    return invalid("data", data[:60].decode("utf-8", "replace"), f"JSON with {what}")

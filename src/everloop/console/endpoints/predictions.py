"""What an endpoint was asked lately, as it was logged: answers, labels, and a way to ask why."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import polars as pl

from everloop.data.pseudonyms import MASK
from everloop.data.schema import Schema
from everloop.loop.project import Project
from everloop.monitor.parts import FEATURE, STRAY
from everloop.store.clock import now_ms

ROWS = 25
TWINS = 8  # answers to one row, at most
LONGEST = 1_800  # characters of an address that asks why


class Label(msgspec.Struct, frozen=True):
    """The label that came for a row, and when (ms)."""

    label: Any
    at: int


class Predicted(msgspec.Struct, frozen=True):
    """One row: ``time`` is that of the event, ``at`` of the request (ms); ``latency`` in ms.

    ``row`` is as it was logged, ``hidden`` names what of it the log does not tell. ``shares`` are
    probabilities by class where they are known. ``why`` is the path that explains the answer.
    """

    id: str
    time: int
    at: int
    version: int
    arm: str
    answer: str | None
    shares: list[tuple[str, float]]
    latency: float | None
    error: str | None
    marks: str | None
    row: dict[str, Any]
    hidden: list[str]
    feedback: Label | None
    why: str | None


class PredictionsPage(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/endpoints/NAME/predictions.json``; newest first."""

    at: int
    endpoint: str
    model: str
    rows: list[Predicted]
    next: str | None


def read_predictions(
    project: Project, name: str, schema: Schema | None, before: tuple[int, str] | None = None
) -> PredictionsPage:
    """A page of an endpoint's log; raises :class:`~everloop.errors.NotFound`."""
    endpoint = project.endpoints.get(name)
    rows = recent(project, name, endpoint.model, schema, ROWS + TWINS, before)
    shown = rows[:ROWS]
    # A row that a shadow answered too comes twice; both are of one page.
    for twin in rows[ROWS : ROWS + TWINS - 1]:
        if (twin.time, twin.id) != (shown[-1].time, shown[-1].id):
            break
        shown.append(twin)
    more = f"{shown[-1].time}.{shown[-1].id}" if len(rows) > len(shown) else None
    return PredictionsPage(now_ms(), name, endpoint.model, shown, more)


def recent(
    project: Project,
    endpoint: str,
    model: str,
    schema: Schema | None,
    limit: int,
    before: tuple[int, str] | None = None,
) -> list[Predicted]:
    """The newest rows with the labels that have come for them; ``schema`` names the classes."""
    frame = project.log.newest(endpoint, before, limit)
    if not frame.height:
        return []
    since = int(frame["at"].min())  # type: ignore[arg-type]
    found = project.log.labels(endpoint, frame["id"], since)
    labels = {row["id"]: Label(row["label"], row["at"]) for row in found.iter_rows(named=True)}
    return [_row(one, model, schema, labels.get(one["id"])) for one in _plain(frame)]


def _plain(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return list(frame.iter_rows(named=True))


def _row(
    found: dict[str, Any], model: str, schema: Schema | None, label: Label | None
) -> Predicted:
    sent = {
        name[len(FEATURE) :]: value
        for name, value in found.items()
        if name.startswith(FEATURE) and not name.startswith(STRAY)
    }
    row = {name: value for name, value in sent.items() if value is not None}
    hidden = [name for name, value in row.items() if value == MASK]
    answer = found["y"]
    return Predicted(
        id=found["id"],
        time=found["time"],
        at=found["at"],
        version=found["version"],
        arm=found["arm"],
        answer=None if answer is None else str(answer),
        shares=shares_of(found["p"], schema),
        latency=found["latency"],
        error=found["error"],
        marks=found.get("marks"),
        row=row,
        hidden=hidden,
        feedback=label,
        why=None
        if answer is None
        else why_path(
            model,
            found["version"],
            {n: None if n in hidden else v for n, v in sent.items()},
            schema,
        ),
    )


def shares_of(p: list[float] | None, schema: Schema | None) -> list[tuple[str, float]]:
    """Probabilities with the names of their classes; the largest first."""
    if not p or schema is None or len(p) != len(schema.classes):
        return []
    named = zip((str(one) for one in schema.classes), p, strict=True)
    return sorted(named, key=lambda pair: -pair[1])


def why_path(model: str, version: int, row: dict[str, Any], schema: Schema | None) -> str | None:
    """Where an answer is explained; None for a row that no address can hold.

    What is missing in the row is named: an explanation has to know every feature.
    """
    names = () if schema is None else schema.names
    try:
        text = msgspec.json.encode({**dict.fromkeys(names), **row}).decode()
    except (TypeError, ValueError):
        return None
    query = urlencode({"row": text, "do": "explain"})
    path = f"/models/{quote(model, safe='')}/versions/{version}/ask?{query}"
    return path if len(path) <= LONGEST else None

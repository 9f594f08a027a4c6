"""Who refers to a blob, and how one that nobody refers to is deleted.

A blob is written first and referred to afterwards, so a deletion could come in between. Both sides
hold one lock, in the transaction that counts: whoever refers to a blob holds it together with the
others (:func:`refer`) and looks whether the blob is there; whoever deletes blobs holds it alone
(:func:`free`) and looks whether a row refers to them. So no reference outlives its blob.

A reference that is not made with :func:`refer` is safe as well while it follows its put within
the time that deleters leave to young blobs, since a put renews a blob's time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TypeVar

import msgspec
import sqlalchemy as sa

from everloop.errors import Unavailable
from everloop.store.blobs import Blobs
from everloop.store.database import Database
from everloop.store.dialect import serialise
from everloop.store.tables import (
    artifact_parts,
    artifacts,
    cycle_steps,
    cycles,
    datasets,
    log_parts,
    model_versions,
    windows,
)

T = TypeVar("T")
LOCK = "everloop.blobs"
BATCH = 100
"""Blobs deleted in one transaction, during which no other refers to a blob."""

COLUMNS: tuple[sa.Column[str], ...] = (
    artifacts.c.digest,
    artifact_parts.c.digest,
    datasets.c.digest,
    log_parts.c.digest,
)
"""Columns whose values are blobs' digests."""

TEXTS: tuple[tuple[sa.Column[str], sa.ColumnElement[bool]], ...] = (
    (windows.c.checks, windows.c.checks.is_not(None)),  # the window's profile, and its reference
    (model_versions.c.files, model_versions.c.files != "{}"),
    # What a cycle's steps hand on; when it has ended, what is to stay is registered.
    (
        cycle_steps.c.result,
        cycle_steps.c.cycle.in_(sa.select(cycles.c.id).where(cycles.c.finished.is_(None))),
    ),
)
"""Columns of JSON with blobs' digests somewhere inside, and the rows where these count."""

WITHOUT = {
    "alert_deliveries.channel": "a name",
    "alert_deliveries.id": "a hash of what is told, and to whom",
    "alert_deliveries.key": "a hash of what is told",
    "alert_deliveries.payload": "what a channel is told",
    "alert_incidents.id": "an alert's id",
    "alert_incidents.told": "names of channels",
    "alerts.cycle": "a cycle's id",
    "alerts.evidence": "figures",
    "alerts.id": "a hash of what the alert is about",
    "alerts.incident": "an alert's id",
    "cycle_steps.cycle": "a cycle's id",
    "cycle_words.cycle": "a cycle's id",
    "cycle_words.roles": "names",
    "cycles.cause": "names and figures",
    "cycles.evidence": "figures",
    "cycles.id": "a cycle's id",
    "cycles.plan": "names of steps",
    "cycles.realised": "figures",
    "datasets.origin": "paths, and digests of files that are not ours",
    "datasets.schema": "names and types",
    "datasets.statistics": "figures",
    "decisions.cycle": "a cycle's id",
    "decisions.record": "hashes of evidence, and of a package that model_versions has",
    "decisions.rule": "names and figures",
    "endpoints.rollout": "versions and their packages' digests, whose files model_versions names",
    "event_head.hash": "of an event",
    "events.hash": "of an event",
    "events.kind": "a word",
    "events.payload": "what was done; a record does not keep what it tells of",
    "events.previous": "of an event",
    "health_windows.counts": "figures",
    "health_windows.found": "figures",
    "log_marks.state": "figures, and names of files",
    "logged_models.id": "a model's id",
    "logged_model_params.model": "a model's id",
    "logged_model_tags.model": "a model's id",
    "logged_model_metrics.dataset_digest": "what a client calls its data by",
    "logged_model_metrics.model": "a model's id",
    "loops.declaration": "a loop file",
    "model_versions.cycle": "a cycle's id",
    "model_versions.dataset": "of a dataset, which has a row of its own",
    "model_versions.digest": "of a package's manifest, which is among model_versions.files",
    "model_versions.logged_model": "a model's id",
    "model_versions.metrics": "figures",
    "moves.error": "words",
    "moves.options": "names",
    "moves.progress": "figures",
    "moves.report": "figures, and checksums of what was counted",
    "people.name": "a name",
    "people.roles": "names",
    "people.token_sha256": "of a token",
    "rollouts.cycle": "a cycle's id",
    "rollouts.evidence": "figures",
    "rollouts.spec": "words and figures",
    "rollouts.versions": "versions and their packages' digests, whose files model_versions names",
    "rollouts.wish": "a word",
    "run_datasets.digest": "what a client calls its data by",
    "run_inputs.tags": "tags",
    "run_models.model": "a model's id",
    "run_views.query": "words",
    "sessions.id_sha256": "of an id",
    "sessions.previous_sha256": "of an id",
    "sessions.secret": "random bits",
    "sessions.token_sha256": "of a token",
    "step_logs.cycle": "a cycle's id",
    "webhook_deliveries.event": "a word",
    "webhook_deliveries.payload": "what a webhook is told",
    "webhooks.events": "words",
    "windows.performance": "figures",
}
"""Columns that could hold a blob's digest by their type, and what they hold instead."""

_ATTEMPTS = 5
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Freed(msgspec.Struct, frozen=True):
    """What was deleted."""

    blobs: int
    bytes: int


def refer(
    db: Database,
    blobs: Blobs,
    keep: Callable[[], Sequence[str]],
    write: Callable[[sa.Connection, Sequence[str]], T],
) -> T:
    """Store content and refer to it.

    ``keep`` stores blobs and returns their digests; ``write`` refers to them in the transaction
    that it is given. Should a blob be deleted in between, ``keep`` is called again.
    """
    for _ in range(_ATTEMPTS):
        digests = keep()
        with db.write() as conn:
            serialise(conn, LOCK, shared=True)
            if all(blobs.exists(digest) for digest in digests):
                return write(conn, digests)
    raise Unavailable(
        f"Blobs are deleted as soon as they are stored, {_ATTEMPTS} times in a row.",
        code="blobs_vanish",
        fix="Try again.",
    )


def referred(conn: sa.Connection, digests: Collection[str]) -> set[str]:
    """Those of the digests that a row refers to."""
    wanted = set(digests)
    found: set[str] = set()
    for column in COLUMNS:
        query = sa.select(column).where(column.in_(wanted)).distinct()
        found.update(conn.execute(query).scalars())
    found.update(wanted.intersection(in_texts(conn)))
    return found


def in_texts(conn: sa.Connection) -> Iterator[str]:
    """Every digest that stands in one of the :data:`TEXTS`, some more than once."""
    for column, counts in TEXTS:
        query = sa.select(column).where(counts, column.is_not(None))
        for text in conn.execute(query.execution_options(yield_per=500)).scalars():
            yield from _DIGEST.findall(text)


def free(db: Database, blobs: Blobs, digests: Collection[str], before: int | None = None) -> Freed:
    """Delete those of the blobs that nothing refers to.

    With ``before`` (milliseconds since 1970) only those that were last put earlier than that.
    """
    count = size = 0
    with db.read() as conn:
        candidates = sorted(set(digests) - referred(conn, digests))
    for batch in _batches(candidates):
        with db.write() as conn:
            serialise(conn, LOCK)
            for digest in sorted(set(batch) - referred(conn, batch)):
                if (deleted := blobs.delete(digest, before)) is not None:
                    count, size = count + 1, size + deleted
    return Freed(count, size)


def _batches(digests: list[str]) -> Iterator[list[str]]:
    return (digests[at : at + BATCH] for at in range(0, len(digests), BATCH))

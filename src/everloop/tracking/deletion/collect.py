"""Real deletion: what was deleted long ago leaves the database and the blob store.

Deleting a run, a logged model or an experiment only marks it. :func:`collect` frees the marked
ones after their retention, their names and rows first, then the blobs that nothing refers to any
more. It works in batches of bounded size, so writers never wait long, and each batch stands for
itself: when it is killed at any point, the next one goes on where it ended.

Three rules keep what is needed. A run or a logged model that a registered version reads from stays
until the version is gone. A run is taken out of reach, by another id, before its parts are
deleted, so that nobody restores half of one. Blobs are deleted by the rules of
:mod:`everloop.store.references`, and those that nothing ever referred to only when they are a day
old.
"""

from __future__ import annotations

import time

import msgspec

from everloop.store.blobs import Blobs
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.tracking.deletion.collection import Collected, Collection, Progress
from everloop.tracking.deletion.preview import Preview

DAY = 24 * 3600 * 1000
RETENTION = 30 * DAY


def collect(
    db: Database,
    blobs: Blobs,
    events: EventLog,
    *,
    actor: str,
    older_than: int = RETENTION,
    grace: int = DAY,
    dry_run: bool = False,
    on_progress: Progress | None = None,
) -> Collected:
    """Free what was deleted more than ``older_than`` milliseconds ago.

    ``grace`` is how old, in milliseconds, a blob must be that nothing ever referred to. An event
    records what was freed. ``on_progress`` is called after each batch with what is done so far.
    """
    started = time.monotonic()
    now = now_ms()
    kind = Preview if dry_run else Collection
    done = kind(db, blobs, now - older_than, now - grace, on_progress or _silent).run()
    done.seconds = round(time.monotonic() - started, 3)
    if not dry_run and any((done.runs, done.models, done.experiments, done.uploads, done.blobs)):
        payload = {"older_than": older_than, **msgspec.to_builtins(done)}
        with events.transaction() as conn:
            events.append(conn, actor=actor, kind="gc.done", subject="project", payload=payload)
    return done


def _silent(done: Collected) -> None:
    return

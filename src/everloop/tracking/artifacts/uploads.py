"""Uploads in parts: a large file comes in pieces, in any order and several at a time."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from everloop.errors import Conflict, NotFound, invalid
from everloop.store.clock import now_ms
from everloop.store.dialect import upsert
from everloop.store.incoming import Incoming, Whole
from everloop.store.references import free, refer
from everloop.store.tables import artifact_parts, artifact_uploads
from everloop.tracking.artifacts.paths import check_path
from everloop.tracking.artifacts.store import ArtifactStore, Entry

MAX_PARTS = 10_000
_U, _P = artifact_uploads.c, artifact_parts.c
_PATH = sa.select(_U.path).where(_U.id == sa.bindparam("upload"))


class Uploads:
    """Uploads into the tree of ``artifacts``.

    Nothing of an upload is seen in the tree before :meth:`complete`. A part is a blob; one that
    comes again takes the place of the former.
    """

    def __init__(self, artifacts: ArtifactStore) -> None:
        self.artifacts = artifacts
        self.db = artifacts.db
        self.blobs = artifacts.blobs

    def begin(self, path: str) -> str:
        """Begin to upload the file ``path``; returns the upload's id."""
        check_path(path)
        upload = uuid.uuid4().hex
        with self.db.write() as conn:
            conn.execute(sa.insert(artifact_uploads).values(id=upload, path=path, created=now_ms()))
        return upload

    def part(self, upload: str, number: int, incoming: Incoming | Whole) -> str:
        """Keep a part, numbered from 1; returns its digest.

        ``incoming`` is a file of :meth:`~everloop.store.blobs.Blobs.receive`, or whole.
        """
        check_part(number)

        def write(conn: sa.Connection, digests: Sequence[str]) -> str:
            _path(conn, upload)
            conn.execute(
                _put_part(),
                {"upload": upload, "part": number, "digest": digests[0], "size": incoming.size},
            )
            return digests[0]

        return refer(self.db, self.blobs, lambda: [self.blobs.keep(incoming)], write)

    def complete(self, upload: str, parts: Sequence[tuple[int, str]]) -> Entry:
        """Put the parts together, in the order of their numbers, and end the upload.

        ``parts`` are the numbers and digests of all parts. Raises
        :class:`~everloop.errors.Conflict` when they are not what came.
        """
        with self.db.read() as conn:
            path = _path(conn, upload)
            rows = conn.execute(
                sa.select(artifact_parts).where(_P.upload == upload).order_by(_P.part)
            ).all()
        if not rows or sorted(parts) != [(row.part, row.digest) for row in rows]:
            raise Conflict(
                f"parts: got {len(parts)} numbers and digests, expected those of the "
                f"{len(rows)} parts that came.",
                code="parts_differ",
                path="parts",
            )
        if len(rows) == 1:
            digest = rows[0].digest
            entry = self.artifacts.record(path, rows[0].size, lambda: digest)
        else:
            entry = self.artifacts.put_stream(path, self._pieces(row.digest for row in rows))
        self._end(upload)
        return entry

    def abort(self, upload: str) -> None:
        """End an upload, its parts deleted."""
        with self.db.read() as conn:
            _path(conn, upload)
        self._end(upload)

    def stale(self, before: int, limit: int = 100) -> list[str]:
        """Uploads begun before a time in milliseconds since 1970 and never ended, the oldest."""
        query = sa.select(_U.id).where(_U.created < before).order_by(_U.created).limit(limit)
        with self.db.read() as conn:
            return list(conn.execute(query).scalars())

    def _pieces(self, digests: Iterable[str]) -> Iterator[bytes]:
        for digest in digests:
            yield from self.blobs.read(digest)

    def _end(self, upload: str) -> None:
        with self.db.write() as conn:
            query = sa.delete(artifact_parts).where(_P.upload == upload).returning(_P.digest)
            digests = list(conn.execute(query).scalars())
            conn.execute(sa.delete(artifact_uploads).where(_U.id == upload))
        free(self.db, self.blobs, digests)


@functools.cache
def _put_part() -> Any:
    return upsert(artifact_parts, ["upload", "part"], ["digest", "size"])


def check_part(number: int) -> int:
    """The number of a part; raises :class:`~everloop.errors.InvalidInput`."""
    if not 1 <= number <= MAX_PARTS:
        raise invalid("part", number, f"a number from 1 to {MAX_PARTS}")
    return number


def _path(conn: sa.Connection, upload: str) -> str:
    path = conn.execute(_PATH, {"upload": upload}).scalar()
    if path is None:
        raise NotFound(
            f"There is no upload {upload[:64]!r}; it was never begun, or has ended.",
            code="upload_not_found",
            path="upload",
        )
    return str(path)

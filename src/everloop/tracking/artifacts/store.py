"""Artifacts: a tree of names over content-addressed blobs.

A file's content is stored once, whoever logs it and under however many names; the tree holds
names, sizes and digests. Every folder above an entry has an entry of its own, and none is empty.

Deleting a name leaves its blob to :mod:`everloop.tracking.deletion`;
:mod:`everloop.store.references` says why no name outlives its blob.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.errors import Conflict, NotFound, invalid
from everloop.store.blobs import Blobs
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import insert_or_ignore, serialise, upsert
from everloop.store.incoming import Incoming, Whole
from everloop.store.paging import pack, unpack
from everloop.store.references import LOCK, refer
from everloop.store.tables import artifacts
from everloop.tracking.artifacts.paths import check_folder, check_path, join
from everloop.tracking.records import Found

PIECE = 1024 * 1024
_A = artifacts.c
_PLACE = sa.and_(_A.folder == sa.bindparam("folder"), _A.name == sa.bindparam("name"))
_DIGEST = sa.select(_A.digest).where(_PLACE)
_ENTRY = sa.select(artifacts).where(_PLACE)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A file or a folder of the tree; a folder has no size and no digest."""

    path: str
    is_dir: bool
    size: int | None
    digest: str | None
    updated: int

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


class ArtifactStore:
    """The tree in ``db``, the content in ``blobs``; may be shared by threads.

    Paths are checked by :func:`~everloop.tracking.artifacts.paths.check_path`. What needs much
    memory elsewhere does not here: content of any size passes in pieces.
    """

    def __init__(self, db: Database, blobs: Blobs) -> None:
        self.db = db
        self.blobs = blobs

    # -- writing ---------------------------------------------------------------------------------

    def put(self, path: str, data: bytes) -> Entry:
        """Store a file; one that is there is overwritten, at once.

        Raises :class:`~everloop.errors.Conflict` when a folder has the name, or a file has the
        name of a folder above; :class:`~everloop.errors.Unavailable` with the code ``disk_full``.
        """
        check_path(path)
        return self.record(path, len(data), lambda: self.blobs.put(data))

    def put_file(self, path: str, file: Path) -> Entry:
        """Store the content of a local file, which stays as it is. Raises as :meth:`put`."""
        with file.open("rb") as opened:
            return self.put_stream(path, iter(lambda: opened.read(PIECE), b""))

    def put_stream(self, path: str, pieces: Iterable[bytes]) -> Entry:
        """Store what ``pieces`` give; nothing is kept when they end in an exception.

        Raises as :meth:`put`.
        """
        check_path(path)
        with self.blobs.receive() as incoming:
            for piece in pieces:
                incoming.write(piece)
            return self.adopt(path, incoming)

    def adopt(self, path: str, incoming: Incoming | Whole) -> Entry:
        """Store what came, in a file of :meth:`Blobs.receive` or whole. Raises as :meth:`put`."""
        check_path(path)
        return self.record(path, incoming.size, lambda: self.blobs.keep(incoming))

    def record(self, path: str, size: int, keep: Callable[[], str]) -> Entry:
        """Give what ``keep`` stores the name ``path``.

        ``keep`` returns the digest of the blob; it is called again when the blob was deleted
        before it had its name.
        """
        return refer(
            self.db,
            self.blobs,
            lambda: [keep()],
            lambda conn, digests: _insert(conn, path, digests[0], size),
        )

    def delete(self, path: str) -> int:
        """Remove a file, or a folder with all inside; returns how many files that were.

        A folder that this leaves empty is removed too. Raises
        :class:`~everloop.errors.NotFound` when nothing has the name.
        """
        check_path(path)
        with self.db.write() as conn:
            serialise(conn, LOCK)
            files = delete_tree(conn, path)
            if files is None:
                raise _missing(path)
            prune(conn, path)
        return files

    # -- reading ---------------------------------------------------------------------------------

    def entry(self, path: str) -> Entry:
        """What has the name. Raises :class:`~everloop.errors.NotFound`."""
        folder, _, name = check_path(path).rpartition("/")
        with self.db.read() as conn:
            row = conn.execute(_ENTRY, {"folder": folder, "name": name}).first()
        if row is None:
            raise _missing(path)
        return _entry(row)

    def file(self, path: str) -> Entry:
        """The file that has the name. Raises NotFound, and InvalidInput for a folder."""
        found = self.entry(path)
        if found.is_dir:
            raise invalid("path", path, "a file and not a folder", code="is_a_folder")
        return found

    def read(self, path: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes of a file from ``start`` up to and without ``end``, in pieces.

        The name is looked up at once, not with the first piece. A whole file is verified: its
        last piece comes only when all of it is what was stored.
        """
        digest = self.file(path).digest
        assert digest is not None
        return self.blobs.read(digest, start, end)

    def list(self, folder: str = "", limit: int = 1000, after: str | None = None) -> Found[Entry]:
        """What lies directly in a folder, by name; nothing when there is no such folder."""
        check_folder(folder)
        query = sa.select(artifacts).where(_A.folder == folder)
        if after is not None:
            (last,) = unpack(after, tuple[str])
            query = query.where(_A.name > last.replace("\0", ""))
        with self.db.read() as conn:
            rows = conn.execute(query.order_by(_A.name).limit(limit + 1)).all()
        items = [_entry(row) for row in rows[:limit]]
        return Found(items, pack([items[-1].name]) if len(rows) > limit else None)

    def walk(self, folder: str = "") -> Iterator[Entry]:
        """All files below a folder; they are read some hundreds at a time."""
        check_folder(folder)
        place = ("", "")
        while True:
            query = (
                sa.select(artifacts)
                .where(below(folder), _A.digest.is_not(None))
                .where(sa.tuple_(_A.folder, _A.name) > sa.tuple_(*map(sa.literal, place)))
                .order_by(_A.folder, _A.name)
                .limit(500)
            )
            with self.db.read() as conn:
                rows = conn.execute(query).all()
            yield from map(_entry, rows)
            if len(rows) < 500:
                return
            place = (rows[-1].folder, rows[-1].name)


def below(folder: str) -> sa.ColumnElement[bool]:
    """The entries inside a folder, at any depth."""
    if not folder:
        return sa.true()
    return sa.or_(_A.folder == folder, sa.and_(_A.folder > folder + "/", _A.folder < folder + "0"))


def delete_tree(conn: sa.Connection, path: str) -> int | None:
    """Remove an entry and all inside; how many files that were, None when there is no entry.

    The caller holds the lock of :mod:`everloop.store.references` alone, so that nobody adds to
    the tree meanwhile, and prunes the folders above.
    """
    folder, _, name = path.rpartition("/")
    own = sa.and_(_A.folder == folder, _A.name == name)
    files = conn.execute(
        sa.select(sa.func.count()).where(sa.or_(own, below(path)), _A.digest.is_not(None))
    ).scalar_one()
    if not conn.execute(sa.delete(artifacts).where(own)).rowcount:
        return None
    conn.execute(sa.delete(artifacts).where(below(path)))
    return int(files)


def delete_files(conn: sa.Connection, folder: str, limit: int) -> list[str]:
    """Remove at most ``limit`` files inside a folder, not the folders; returns their digests.

    The caller holds the lock as for :func:`delete_tree`, and removes the folders in the end.
    """
    place = sa.tuple_(_A.folder, _A.name)
    some = sa.select(_A.folder, _A.name).where(below(folder), _A.digest.is_not(None)).limit(limit)
    query = sa.delete(artifacts).where(place.in_(some)).returning(_A.digest)
    return list(conn.execute(query).scalars())


def prune(conn: sa.Connection, path: str) -> None:
    """Remove the folders above ``path`` that hold nothing any more."""
    folder = path.rpartition("/")[0]
    inside = artifacts.alias("inside")
    while folder:
        parent, _, name = folder.rpartition("/")
        empty = ~sa.exists().where(inside.c.folder == folder)
        query = sa.delete(artifacts).where(_A.folder == parent, _A.name == name, empty)
        if not conn.execute(query).rowcount:
            return
        folder = parent


def _insert(conn: sa.Connection, path: str, digest: str, size: int) -> Entry:
    now = now_ms()
    folder, _, name = path.rpartition("/")
    if folder:
        _make_folders(conn, folder, now)
    values = {"folder": folder, "name": name, "digest": digest, "size": size, "updated": now}
    if conn.execute(_put_file(), values).first() is None:
        raise _occupied(path, "a folder")
    return Entry(path=path, is_dir=False, size=size, digest=digest, updated=now)


@functools.cache
def _put_file() -> Any:
    """Overwrites a file, never a folder; gives the name when it did."""
    updates = ["digest", "size", "updated"]
    statement = upsert(artifacts, ["folder", "name"], updates, _A.digest.is_not(None))
    return statement.returning(_A.name)


def _make_folders(conn: sa.Connection, folder: str, now: int) -> None:
    parts = folder.split("/")
    pairs = [("/".join(parts[:depth]), parts[depth]) for depth in range(len(parts))]
    # The lowest one has all those above it, since no folder goes before what it holds.
    lowest = conn.execute(_DIGEST, {"folder": pairs[-1][0], "name": pairs[-1][1]}).first()
    if lowest is not None and lowest.digest is None:
        return
    rows = [{"folder": f, "name": n, "updated": now} for f, n in pairs]
    conn.execute(_put_folders(), rows)
    for above, name in pairs:
        if conn.execute(_DIGEST, {"folder": above, "name": name}).scalar_one() is not None:
            raise _occupied(join(above, name), "a file")


@functools.cache
def _put_folders() -> Any:
    return insert_or_ignore(artifacts)


def _entry(row: Any) -> Entry:
    return Entry(
        path=join(row.folder, row.name),
        is_dir=row.digest is None,
        size=row.size,
        digest=row.digest,
        updated=row.updated,
    )


def _missing(path: str) -> NotFound:
    return NotFound(
        f"There is no artifact {path!r}.", code="artifact_not_found", path="path", got=path
    )


def _occupied(path: str, kind: str) -> Conflict:
    return Conflict(
        f"path: {path!r} is {kind}, and cannot be both a file and a folder.",
        code="path_occupied",
        path="path",
    )

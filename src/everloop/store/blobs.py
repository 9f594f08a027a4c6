"""Files by the sha256 of their content, in a local folder or an object store.

An object lies under ``ab/cd/<digest>``. What is read is hashed again, so a damaged or exchanged
object is never handed out.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

import msgspec
import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

from everloop.errors import Conflict, Integrity, NotFound, Unavailable, invalid
from everloop.passwords import without_users
from everloop.settings import Settings
from everloop.store.incoming import FOLDER, Incoming, Whole, no_space, sweep, write_whole

CHUNK = 1024 * 1024
FRESH_SECONDS = 3600.0
"""An object older than this is written anew when its content is put again, so that whoever
deletes what is old and unused sees that it is wanted."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SCHEMES = ("file", "s3", "gs", "az")
_PAGE = 1000  # objects listed at a time


class Stored(msgspec.Struct, frozen=True):
    """An object as a listing tells it; ``updated`` in milliseconds since 1970."""

    digest: str
    size: int
    updated: int


def blobs_url(state: Path, settings: Settings) -> str:
    """The blob store of a project: the one in the settings, or a folder in its state."""
    return settings.blobs_url or (state.absolute() / "blobs").as_uri()


class Blobs:
    """Content-addressed objects at ``url``; may be shared by threads.

    Credentials of ``s3://``, ``gs://`` and ``az://`` come from the environment that their own
    tools read (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``, ...). Every method raises
    :class:`~everloop.errors.Unavailable` when the store cannot be reached.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._store = _open(url)
        # Of a local store: files are renamed into place instead of being written twice.
        self._root = self._store.prefix if isinstance(self._store, LocalStore) else None
        self._verified: dict[str, tuple[int, int, int]] = {}  # of a local store, see `file`

    def put(self, data: bytes) -> str:
        """Keep ``data``; returns its digest. Content that is there is not written again."""
        return self.keep(Whole(data))

    def put_file(self, path: Path) -> str:
        """Keep the file at ``path``, in constant memory; returns its digest.

        Raises :class:`~everloop.errors.Conflict` when the file changes meanwhile.
        """
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            with self._errors(digest):
                if self._has(digest, before.st_size):
                    return digest
                file.seek(0)
                self._write(digest, file)
            after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            self.delete(digest)
            raise Conflict(f"{path}: the file changed while it was being stored.", path=str(path))
        return digest

    @property
    def local(self) -> bool:
        """Whether the objects are files of this machine, as far as one can tell."""
        return self._root is not None

    def receive(self) -> Incoming:
        """A file to write to, piece by piece; :meth:`keep` makes it an object."""
        return Incoming(None if self._root is None else self._root / FOLDER)

    def keep(self, incoming: Incoming | Whole) -> str:
        """Keep what was written to a file of :meth:`receive`, or is in memory; returns its digest.

        On a local store this is a rename. The same file may be kept again, should the object have
        been deleted.
        """
        digest = incoming.digest()
        with self._errors(digest):
            if self._has(digest, incoming.size):
                return digest
            if isinstance(incoming, Whole):
                self._write(digest, incoming.data)
            elif self._root is not None and incoming.path is not None:
                path = self._root / _key(digest)
                incoming.move(path)
                self._verified[digest] = _stamp(path.stat())  # hashed as it was written
            else:
                incoming.file.seek(0)
                self._write(digest, incoming.file)
        return digest

    def sweep(self) -> int:
        """Remove what killed processes left half written; returns how many files that were."""
        return 0 if self._root is None else sweep(self._root / FOLDER)

    def get(self, digest: str) -> bytes:
        """The content of an object.

        Raises :class:`~everloop.errors.NotFound`, or :class:`~everloop.errors.Integrity` when
        the content is not what the digest says.
        """
        with self._errors(digest):
            data = obstore.get(self._store, _key(digest)).bytes().to_bytes()
        _verify(digest, hashlib.sha256(data).hexdigest())
        return data

    def fetch(self, digest: str, to: Path) -> None:
        """Write an object to the file ``to``: all of it, verified, or nothing.

        Makes the folder of ``to``. Raises as :meth:`get`.
        """
        to.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{to.name[:100]}.", dir=to.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                _verify(digest, self._copy(digest, file))
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(to)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(name).unlink()
            raise

    @contextmanager
    def file(self, digest: str) -> Iterator[Path]:
        """A file with the content of an object, verified; to be read, and within the block only.

        Of a local store it is the object itself, hashed when this process first sees it as it is
        now; of any other a copy. Raises as :meth:`get`.
        """
        if self._root is None:
            with tempfile.TemporaryDirectory(prefix="everloop-") as scratch:
                self.fetch(digest, copy := Path(scratch) / digest)
                yield copy
            return
        path = self._root / _key(digest)
        with self._errors(digest), path.open("rb") as file:
            seen = _stamp(os.fstat(file.fileno()))
            if self._verified.get(digest) != seen:
                _verify(digest, hashlib.file_digest(file, "sha256").hexdigest())
                self._verified[digest] = seen
        yield path

    def read(self, digest: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes of an object from ``start`` up to and without ``end``, in pieces.

        A whole object is verified as it is read: its last piece comes only when the content is
        right. Raises as :meth:`get`.
        """
        with self._errors(digest):
            if start == 0 and end is None:
                yield from _verified(digest, self._stream(digest))
            else:
                yield from self._stream(digest, start, end)

    def exists(self, digest: str) -> bool:
        """Whether there is an object; its content is not read."""
        with self._errors(digest):
            return self._head(digest) is not None

    def size(self, digest: str) -> int:
        """The bytes of an object. Raises :class:`~everloop.errors.NotFound`."""
        with self._errors(digest):
            found = self._head(digest)
            if found is None:
                raise FileNotFoundError
            return found.size

    def delete(self, digest: str, before: int | None = None) -> int | None:
        """Remove an object; returns its size, None when nothing was removed.

        With ``before`` (milliseconds since 1970) only one that was last put earlier than that.
        """
        with self._errors(digest), suppress(NotFoundError, FileNotFoundError):
            found = self._head(digest)
            if found is None or not _earlier(found, before):
                return None
            if self._root is not None:
                return self._delete_local(self._root, digest, before)
            obstore.delete(self._store, _key(digest))
            return found.size
        return None

    def scan(self) -> Iterator[list[Stored]]:
        """All objects, some hundreds at a time."""
        with self._errors("listing"):
            for page in obstore.list(self._store, chunk_size=_PAGE):
                yield [_stored(meta) for meta in page if _DIGEST.fullmatch(_name(meta["path"]))]

    def _delete_local(self, root: Path, digest: str, before: int | None) -> int | None:
        # A put of the same content may renew the object's time just now. So it is put aside
        # first, where no put finds it, and looked at there.
        path, aside = root / _key(digest), root / FOLDER / f"trash-{digest}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        path.replace(aside)
        stat = aside.stat()
        if before is not None and stat.st_mtime_ns // 1_000_000 >= before:
            aside.replace(path)
            return None
        aside.unlink()
        return stat.st_size

    def _has(self, digest: str, size: int) -> bool:
        """Whether the object is there and stays, its time renewed where that is due."""
        found = self._head(digest)
        if found is None or found.size != size:
            return False
        if time.time() - found.updated / 1000 < FRESH_SECONDS:
            return True
        if self._root is None:
            return False  # to be written again, which renews it
        with suppress(FileNotFoundError):
            os.utime(self._root / _key(digest))
            return True
        return False

    def _stream(self, digest: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        if self._root is not None:
            yield from _read(self._root / _key(digest), start, end)
            return
        options: Any = {}
        if (start, end) != (0, None):
            options["range"] = {"offset": start} if end is None else (start, end)
        result = obstore.get(self._store, _key(digest), options=options)
        for chunk in result.stream(min_chunk_size=CHUNK):
            yield bytes(chunk)

    def _write(self, digest: str, content: bytes | BinaryIO) -> None:
        if self._root is not None and isinstance(content, bytes):
            write_whole(self._root / FOLDER, content, self._root / _key(digest))
            return
        try:
            obstore.put(self._store, _key(digest), content)
        except (NotFoundError, FileNotFoundError) as error:
            raise self._unavailable("its bucket or folder does not exist.") from error

    def _copy(self, digest: str, file: BinaryIO) -> str:
        found = hashlib.sha256()
        with self._errors(digest):
            for chunk in self._stream(digest):
                found.update(chunk)
                file.write(chunk)
        return found.hexdigest()

    def _head(self, digest: str) -> Stored | None:
        try:
            if self._root is None:
                return _stored(obstore.head(self._store, _key(digest)))
            stat = (self._root / _key(digest)).stat()
            return Stored(digest, stat.st_size, stat.st_mtime_ns // 1_000_000)
        except (NotFoundError, FileNotFoundError):
            return None

    @contextmanager
    def _errors(self, digest: str) -> Iterator[None]:
        try:
            yield
        except (NotFoundError, FileNotFoundError):
            raise NotFound(
                f"There is no object {digest} in {self.url}.", code="blob_not_found", got=digest
            ) from None
        except BaseError as error:
            if "(os error 28)" in str(error):  # ENOSPC
                raise no_space() from error
            raise self._unavailable(str(error).strip().splitlines()[0]) from error

    def _unavailable(self, reason: str) -> Unavailable:
        return Unavailable(
            f"The blob store {without_users(self.url)} is not available: {reason}",
            code="blobs_unavailable",
            fix="Check settings.blobs_url, the credentials and the network.",
        )


def _key(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise invalid("digest", digest, "64 lower-case hexadecimal digits")
    return f"{digest[:2]}/{digest[2:4]}/{digest}"


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _stored(meta: Any) -> Stored:
    updated = int(meta["last_modified"].timestamp() * 1000)
    return Stored(_name(meta["path"]), meta["size"], updated)


def _stamp(stat: os.stat_result) -> tuple[int, int, int]:
    """What changes when a file does."""
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _earlier(found: Stored, before: int | None) -> bool:
    return before is None or found.updated < before


def _read(path: Path, start: int, end: int | None) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        left = os.fstat(file.fileno()).st_size - start if end is None else end - start
        while left > 0 and (chunk := file.read(min(left, CHUNK))):
            left -= len(chunk)
            yield chunk


def _verified(digest: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    found, held = hashlib.sha256(), b""
    for chunk in chunks:
        if held:
            yield held
        found.update(chunk)
        held = chunk
    _verify(digest, found.hexdigest())
    if held:
        yield held


def _verify(digest: str, found: str) -> None:
    if digest != found:
        raise Integrity(
            f"The object {digest} holds other content, with digest {found}.",
            code="blob_damaged",
            got=found,
            expected=digest,
        )


def _open(url: str) -> ObjectStore:
    expected = "file:///folder, s3://bucket/prefix, gs://bucket/prefix or az://account/container"
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or (parts.scheme == "file" and parts.netloc):
        raise invalid("settings.blobs_url", without_users(url), expected)
    try:
        if parts.scheme == "file":
            return LocalStore(Path(url2pathname(parts.path)), mkdir=True)
        # Options for the client given here would put out those of the environment.
        return from_url(
            url, retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
        )
    except (BaseError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise invalid(
            "settings.blobs_url",
            without_users(url),
            expected,
            fix=reason.replace(url, without_users(url)),
        ) from None

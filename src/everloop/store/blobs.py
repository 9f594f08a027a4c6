"""Files by the sha256 of their content, in a local folder or an object store.

An object lies under ``ab/cd/<digest>``. What is read is hashed again, so a damaged or exchanged
object is never handed out.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

from everloop.errors import Conflict, Integrity, NotFound, Unavailable, invalid
from everloop.settings import Settings

CHUNK = 4 * 1024 * 1024
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SCHEMES = ("file", "s3", "gs", "az")


def blobs_url(state: Path, settings: Settings) -> str:
    """The blob store of a project: the one in the settings, or a folder in its state."""
    return settings.blobs_url or (state.absolute() / "blobs").as_uri()


def shown(url: str) -> str:
    """A URL as messages may show it: without a user's name and password."""
    return re.sub(r"//[^/@]*@", "//***@", url)


class Blobs:
    """Content-addressed objects at ``url``; may be shared by threads.

    Credentials of ``s3://``, ``gs://`` and ``az://`` come from the environment that their own
    tools read (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``, ...). Every method raises
    :class:`~everloop.errors.Unavailable` when the store cannot be reached.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._store = _open(url)

    def put(self, data: bytes) -> str:
        """Keep ``data``; returns its digest. Content that is there is not written again."""
        digest = hashlib.sha256(data).hexdigest()
        with self._errors(digest):
            if self._size(digest) != len(data):
                self._write(digest, data)
        return digest

    def put_file(self, path: Path) -> str:
        """Keep the file at ``path``, in constant memory; returns its digest.

        Raises :class:`~everloop.errors.Conflict` when the file changes meanwhile.
        """
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            with self._errors(digest):
                if self._size(digest) == before.st_size:
                    return digest
                file.seek(0)
                self._write(digest, file)
            after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            self.delete(digest)
            raise Conflict(f"{path}: the file changed while it was being stored.", path=str(path))
        return digest

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

    def exists(self, digest: str) -> bool:
        """Whether there is an object; its content is not read."""
        with self._errors(digest):
            return self._size(digest) is not None

    def delete(self, digest: str) -> None:
        """Remove an object; nothing happens when there is none."""
        with self._errors(digest), suppress(NotFoundError, FileNotFoundError):
            obstore.delete(self._store, _key(digest))

    def _write(self, digest: str, content: bytes | BinaryIO) -> None:
        try:
            obstore.put(self._store, _key(digest), content)
        except (NotFoundError, FileNotFoundError) as error:
            raise self._unavailable("its bucket or folder does not exist.") from error

    def _copy(self, digest: str, file: BinaryIO) -> str:
        found = hashlib.sha256()
        with self._errors(digest):
            for chunk in obstore.get(self._store, _key(digest)).stream(min_chunk_size=CHUNK):
                found.update(chunk)
                file.write(chunk)
        return found.hexdigest()

    def _size(self, digest: str) -> int | None:
        try:
            return obstore.head(self._store, _key(digest))["size"]
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
            raise self._unavailable(str(error).strip().splitlines()[0]) from error

    def _unavailable(self, reason: str) -> Unavailable:
        return Unavailable(
            f"The blob store {shown(self.url)} is not available: {reason}",
            code="blobs_unavailable",
            fix="Check settings.blobs_url, the credentials and the network.",
        )


def _key(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise invalid("digest", digest, "64 lower-case hexadecimal digits")
    return f"{digest[:2]}/{digest[2:4]}/{digest}"


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
        raise invalid("settings.blobs_url", shown(url), expected)
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
            "settings.blobs_url", shown(url), expected, fix=reason.replace(url, shown(url))
        ) from None

"""Files in an object store, fetched and then read like files of this machine."""

from __future__ import annotations

import glob
import re
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from fnmatch import translate
from pathlib import Path, PurePosixPath

import obstore
import polars as pl
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import ObjectStore, from_url

from everloop.data.sources.files import read_files
from everloop.errors import InvalidInput, Unavailable, invalid

_CHUNK = 8 << 20


def read_objects(address: str, text: Collection[str] = ()) -> pl.DataFrame:
    """The rows of the objects that ``address`` names; it may be a pattern, as of files.

    Credentials come from the environment that the store's own tools read
    (``AWS_ACCESS_KEY_ID``, ``GOOGLE_APPLICATION_CREDENTIALS``, …). The objects are fetched in
    pieces to a folder that is removed again.
    """
    with available(address):
        _, store = opened_store(address)
        keys = found_keys(address, store)
        with tempfile.TemporaryDirectory(prefix="everloop-") as scratch:
            for key in keys:
                _fetch(store, key, Path(scratch) / key)
            ending = glob.escape(PurePosixPath(keys[0]).suffix)
            source = keys[0] if len(keys) == 1 else f"**/*{ending}"
            return read_files(source, Path(scratch), text)


@contextmanager
def available(address: str) -> Iterator[None]:
    """What a store says while it is read, as our sentences."""
    try:
        yield
    except (NotFoundError, FileNotFoundError):
        raise _missing(address) from None
    except (BaseError, ValueError, OSError) as error:
        raise Unavailable(
            f"data.source: {address} is not available: {str(error).strip().splitlines()[0]}",
            code="source_unavailable",
            path="data.source",
            fix="Check the address, the credentials in the environment and the network.",
        ) from None


def opened_store(address: str) -> tuple[str, ObjectStore]:
    """The store of an address, and its own address."""
    root, _ = _parts(address)
    patience = timedelta(seconds=20)
    return root, from_url(root, retry_config={"max_retries": 3, "retry_timeout": patience})


def found_keys(address: str, store: ObjectStore) -> list[str]:
    """The objects that an address names, all of one kind, in the order of their names."""
    keys = _keys(store, _parts(address)[1])
    if not keys:
        raise _missing(address)
    if len(keys) > 1:
        _one_kind(keys, PurePosixPath(keys[0]).suffix, address)
    return keys


def _parts(address: str) -> tuple[str, str]:
    """The store and the key or pattern in it; Azure's store is an account and a container."""
    kind, _, rest = address.partition("://")
    pieces = rest.strip("/").split("/", 2 if kind == "az" else 1)
    if len(pieces) < (3 if kind == "az" else 2) or not all(pieces):
        raise invalid(
            "data.source", address, f"{kind}://BUCKET/FILE, or a pattern", code="unknown_source"
        )
    return f"{kind}://" + "/".join(pieces[:-1]), pieces[-1]


def _keys(store: ObjectStore, pattern: str) -> list[str]:
    if not glob.has_magic(pattern):
        obstore.head(store, pattern)
        return [pattern]
    fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0].rpartition("/")[0]
    wanted = re.compile(translate(pattern.replace("**/", "*")))
    anywhere = "**" in pattern
    return sorted(
        str(meta["path"])
        for page in obstore.list(store, prefix=fixed or None)
        for meta in page
        if wanted.match(meta["path"])
        and (anywhere or meta["path"].count("/") == pattern.count("/"))
    )


def _fetch(store: ObjectStore, key: str, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    with to.open("wb") as file:
        for chunk in obstore.get(store, key).stream(min_chunk_size=_CHUNK):
            file.write(chunk)


def _one_kind(keys: list[str], ending: str, address: str) -> None:
    other = next((key for key in keys if PurePosixPath(key).suffix != ending), None)
    if other is not None:
        raise invalid(
            "data.source",
            address,
            f"files of one kind, but {keys[0]} and {other} match",
            code="unknown_file_type",
            fix=f'Let the pattern end in "*{ending}".',
        )


def _missing(address: str) -> InvalidInput:
    return invalid("data.source", address, "an object that exists", code="missing_file")

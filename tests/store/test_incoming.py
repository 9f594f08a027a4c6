"""Files on their way into a blob store: kept whole, or gone."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import everloop.store.incoming as incoming_module
from everloop.errors import Unavailable
from everloop.store.blobs import Blobs, Stored
from everloop.store.database import Database
from everloop.store.incoming import FOLDER, Incoming


def root(blobs: Blobs) -> Path:
    return Path(blobs.url.removeprefix("file://"))


def waiting(blobs: Blobs) -> list[str]:
    folder = root(blobs) / FOLDER
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


@pytest.fixture(params=["folder", "s3"])
def anywhere(request: pytest.FixtureRequest, blobs: Blobs) -> Blobs:
    return Blobs(request.getfixturevalue("s3_url")) if request.param == "s3" else blobs


@pytest.mark.parametrize("size", [0, 5, 9_000_000])
def test_kept(anywhere: Blobs, size: int) -> None:
    data = os.urandom(size)
    for _ in range(2):
        with anywhere.receive() as incoming:
            for at in range(0, size, 1_000_000):
                incoming.write(data[at : at + 1_000_000])
            digest = anywhere.keep(incoming)
    assert digest == hashlib.sha256(data).hexdigest()
    assert b"".join(anywhere.read(digest)) == data
    assert anywhere.size(digest) == size
    assert [one.digest for page in anywhere.scan() for one in page] == [digest]


def test_a_kept_file_is_readable_like_others(blobs: Blobs, tmp_path: Path) -> None:
    with blobs.receive() as incoming:
        digest = blobs.keep(incoming)
    (tmp_path / "other").touch()
    kept = root(blobs) / digest[:2] / digest[2:4] / digest
    assert kept.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_kept_once_more_after_it_was_deleted(anywhere: Blobs) -> None:
    with anywhere.receive() as incoming:
        incoming.write(b"data")
        digest = anywhere.keep(incoming)
        anywhere.delete(digest)
        assert anywhere.keep(incoming) == digest
    assert anywhere.get(digest) == b"data"


def test_dropped(blobs: Blobs) -> None:
    with pytest.raises(KeyError), blobs.receive() as incoming:
        incoming.write(b"data")
        assert len(waiting(blobs)) == 1
        raise KeyError
    assert waiting(blobs) == []


KILLED = """
import os, signal, sys
from everloop.store.blobs import Blobs
with Blobs(sys.argv[1]).receive() as incoming:
    incoming.write(b"half")
    incoming.digest()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_sweeping_takes_what_killed_processes_left_and_no_more(blobs: Blobs) -> None:
    command = [sys.executable, "-c", KILLED, blobs.url]
    assert subprocess.run(command, timeout=60, check=False).returncode == -signal.SIGKILL
    with blobs.receive() as incoming:
        incoming.write(b"data")
        assert len(waiting(blobs)) == 2
        assert blobs.sweep() == 1
        assert blobs.get(blobs.keep(incoming)) == b"data"
    assert waiting(blobs) == []


def test_deletion_gives_back_what_was_put_again_meanwhile(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = blobs.put(b"data")
    monkeypatch.setattr(blobs, "_head", lambda digest: Stored(digest, 4, 1))  # as it was
    assert blobs.delete(digest, before=1000) is None
    monkeypatch.undo()
    assert blobs.get(digest) == b"data"
    assert blobs.delete(digest, before=1000) is None
    assert blobs.delete(digest) == 4
    assert blobs.delete(digest) is None
    assert waiting(blobs) == []


def test_sweeping_gives_back_what_a_killed_deletion_had_put_aside(blobs: Blobs) -> None:
    digest = blobs.put(b"data")
    path = root(blobs) / digest[:2] / digest[2:4] / digest
    (root(blobs) / FOLDER).mkdir(exist_ok=True)
    path.rename(root(blobs) / FOLDER / f"trash-{digest}")
    assert not blobs.exists(digest)
    blobs.sweep()
    assert blobs.get(digest) == b"data"


def test_a_put_renews_what_is_old(anywhere: Blobs) -> None:
    digest = anywhere.put(b"data")
    first = next(anywhere.scan())[0].updated
    if anywhere.url.startswith("file:"):
        path = root(anywhere) / digest[:2] / digest[2:4] / digest
        os.utime(path, (first / 1000 - 7200, first / 1000 - 7200))
        anywhere.put(b"data")
        assert next(anywhere.scan())[0].updated >= first
    else:  # written again when it is found to be old
        assert anywhere._has(digest, 4)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("everloop.store.blobs.FRESH_SECONDS", -10.0)
            assert not anywhere._has(digest, 4)
            assert anywhere.put(b"data") == digest


def test_a_full_disk(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable) as caught, blobs.receive() as incoming:
        incoming.file.close()
        incoming.file = Path("/dev/full").open("w+b")  # noqa: SIM115 - refuses as a full disk does
        for _ in range(3):
            incoming.write(b"x" * 1_000_000)
    assert caught.value.code == "disk_full"
    assert waiting(blobs) == []
    with pytest.raises(Unavailable) as caught, Incoming(None) as nameless:
        nameless.file.close()
        nameless.file = Path("/dev/full").open("w+b")  # noqa: SIM115
        nameless.write(b"x")
        nameless.digest()
    assert caught.value.code == "disk_full"


def test_small_content_is_placed_beside_what_others_left(blobs: Blobs) -> None:
    folder = root(blobs) / FOLDER
    blobs.put(b"first")
    for number in range(next(incoming_module._numbers), 10_000, 7):
        (folder / f"{os.getpid()}-{number}").write_bytes(b"of a process that was killed")
        if len(waiting(blobs)) == 3:
            break
    left = waiting(blobs)
    digests = [blobs.put(bytes([number])) for number in range(25)]
    assert [blobs.get(digest) for digest in digests] == [bytes([n]) for n in range(25)]
    assert waiting(blobs) == left
    assert blobs.sweep() == 3


def test_small_content_survives_sweeping(blobs: Blobs) -> None:
    ended = threading.Event()

    def sweep() -> None:
        while not ended.is_set():
            blobs.sweep()

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        digests = [blobs.put(f"{number}".encode()) for number in range(500)]
    finally:
        ended.set()
        sweeper.join()
    assert [blobs.get(digest) for digest in digests] == [f"{n}".encode() for n in range(500)]


def test_small_content_on_a_full_disk(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def some(descriptor: int, data: bytes) -> int:
        if len(data) < 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:3])

    monkeypatch.setattr(os, "write", some)
    with pytest.raises(Unavailable) as caught:
        blobs.put(b"more than fits")
    monkeypatch.undo()
    assert caught.value.code == "disk_full"
    assert waiting(blobs) == []
    assert list(blobs.scan()) in ([], [[]])
    assert blobs.get(blobs.put(b"more than fits")) == b"more than fits"


def test_a_full_database(sqlite_database: Database) -> None:
    with sqlite_database.write() as conn:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
    with pytest.raises(Unavailable) as caught, sqlite_database.write() as conn:
        conn.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        conn.exec_driver_sql("CREATE TABLE large AS SELECT hex(randomblob(1000000))")
    assert caught.value.code == "disk_full"

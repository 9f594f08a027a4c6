"""The tree of artifacts, on both databases and both kinds of blob store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from everloop.errors import Conflict, Integrity, InvalidInput, NotFound
from everloop.store.blobs import Blobs
from everloop.store.database import Database
from everloop.store.paging import pack
from everloop.store.tables import artifacts as table
from everloop.tracking.artifacts.paths import check_path, decoded, key_of
from everloop.tracking.artifacts.store import ArtifactStore

TRICKS = (
    "",
    "/etc/passwd",
    "//a",
    "a//b",
    "a/",
    ".",
    "..",
    "a/./b",
    "a/../b",
    "../../etc/passwd",
    "a\\b",
    "..\\a",
    "a#b",
    "a\0b",
    "a\nb",
    "a\x7fb",
    "a\u2028b",
    "a\ud800b",
    "C:/windows",
    "a/c:evil",
    "file:///etc/passwd",
    "%2e%2e/a",
    "a/%2E%2e/b",
    "%252e%252e/a",
    "%25252e%25252e/a",
    "a%2f..%2fb",
    "%2fetc",
    "a%5cb",
    "a%00b",
    "a%23b",
    "a\x85b",
    "n" * 256,
    "é" * 128,
    "/".join(["n" * 250] * 7),
)
PLAIN = (
    "a",
    "a/b c/d.txt",
    "é/日本",
    "100%",
    "50%25",
    "a?b",
    "..a/b..",
    "...",
    "ab:c",
    "~",
    "n" * 255,
)


@pytest.fixture
def store(database: Database, blobs: Blobs) -> ArtifactStore:
    return ArtifactStore(database, blobs)


@pytest.fixture(params=["folder", "s3"])
def anywhere(
    request: pytest.FixtureRequest, sqlite_database: Database, tmp_path: Path
) -> ArtifactStore:
    url = request.getfixturevalue("s3_url") if request.param == "s3" else tmp_path.as_uri() + "/b"
    return ArtifactStore(sqlite_database, Blobs(url))


def left_over(blobs: Blobs) -> list[Path]:
    folder = Path(blobs.url.removeprefix("file://")) / ".incoming"
    return list(folder.iterdir()) if folder.exists() else []


def tree(store: ArtifactStore) -> set[str]:
    with store.db.read() as conn:
        return {f"{r.folder}/{r.name}".lstrip("/") for r in conn.execute(sa.select(table))}


@pytest.mark.parametrize("path", TRICKS)
def test_tricks_are_refused(store: ArtifactStore, path: str) -> None:
    for call in (check_path, lambda p: store.put(p, b""), store.entry, store.read, store.delete):
        with pytest.raises(InvalidInput) as caught:
            call(path)
        assert caught.value.code == "invalid_path"
    if path:
        with pytest.raises(InvalidInput):
            store.list(path)
    assert tree(store) == set()


@pytest.mark.parametrize("path", PLAIN)
def test_other_names_are_kept_as_they_are(store: ArtifactStore, path: str) -> None:
    store.put(path, b"data")
    assert store.entry(path).path == path
    assert b"".join(store.read(path)) == b"data"
    assert [e.path for e in store.walk()] == [path]


def test_decoding_ends() -> None:
    assert decoded("a%2520b") == "a b"
    with pytest.raises(InvalidInput):
        decoded("%" + "25" * 20 + "2e")


@pytest.mark.parametrize(
    ("location", "key"),
    [
        ("mlflow-artifacts:/0/r/artifacts", "0/r/artifacts"),
        ("mlflow-artifacts:", ""),
        ("mlflow-artifacts:/models///a/", "models/a"),
        ("mlflow-artifacts://host:9000/a", "a"),
    ],
)
def test_locations(location: str, key: str) -> None:
    assert key_of(location) == key


@pytest.mark.parametrize("location", ["s3://bucket/a", "file:///a", "/a", "a", "dbfs:/a"])
def test_other_places_are_not_touched(location: str) -> None:
    with pytest.raises(NotFound) as caught:
        key_of(location)
    assert caught.value.code == "artifacts_elsewhere"


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024, 12_345_678])
def test_what_is_put_comes_back(anywhere: ArtifactStore, tmp_path: Path, size: int) -> None:
    data = bytes(i % 251 for i in range(min(size, 100_003))) * (size // 100_003 + 1)
    data = data[:size]
    file = tmp_path / "file"
    file.write_bytes(data)
    entry = anywhere.put_file("a/b", file)
    assert file.read_bytes() == data
    assert (entry.size, entry.is_dir) == (size, False)
    assert anywhere.put("copy", data).digest == entry.digest
    assert b"".join(anywhere.read("a/b")) == data
    if size > 10:
        assert b"".join(anywhere.read("a/b", 3, 9)) == data[3:9]
        assert b"".join(anywhere.read("a/b", size - 5)) == data[-5:]
    assert sum(len(page) for page in anywhere.blobs.scan()) == 1
    assert left_over(anywhere.blobs) == []


def test_a_stream_that_breaks_leaves_nothing(store: ArtifactStore) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x" * 100
        assert len(left_over(store.blobs)) == 1
        raise ConnectionError

    with pytest.raises(ConnectionError):
        store.put_stream("a/b", pieces())
    assert tree(store) == set()
    assert left_over(store.blobs) == []
    assert list(store.blobs.scan()) in ([], [[]])


def test_overwriting(store: ArtifactStore) -> None:
    store.put("a/b", b"one")
    begun = store.read("a/b")
    store.put("a/b", b"other")
    assert b"".join(begun) == b"one"
    assert b"".join(store.read("a/b")) == b"other"
    assert store.entry("a/b").size == 5
    assert [e.path for e in store.list("a").items] == ["a/b"]


def test_a_file_is_no_folder(store: ArtifactStore) -> None:
    store.put("a/file", b"")
    store.put("b/c/d", b"")
    before = tree(store)
    for path in ("a/file/x", "a/file/x/y", "b", "b/c"):
        with pytest.raises(Conflict) as caught:
            store.put(path, b"new")
        assert caught.value.code == "path_occupied"
    assert tree(store) == before
    with pytest.raises(InvalidInput):
        store.read("a")
    with pytest.raises(NotFound):
        store.read("a/nothing")


def test_folders_are_listed_page_by_page(store: ArtifactStore) -> None:
    names = ["Z", "a", "a b", "a-b", "a0", "b", "sub", "é"]
    for name in names:
        store.put(f"top/{name}/x" if name == "sub" else f"top/{name}", name.encode())
    store.put("top0/elsewhere", b"")
    found, after = [], None
    while True:
        page = store.list("top", 3, after)
        found += page.items
        after = page.next
        if after is None:
            break
    assert [e.path for e in found] == sorted((f"top/{n}" for n in names), key=str.encode)
    assert {e.name: (e.is_dir, e.size) for e in found}["sub"] == (True, None)
    assert store.list("nothing").items == store.list("top/a").items == []
    for forged in ("", "x", "gA", "kqFhoWI", "!"):
        with pytest.raises(InvalidInput):
            store.list("top", 3, forged)
    assert store.list("top", 3, pack(["a\0"])).items


def test_deleting(store: ArtifactStore) -> None:
    for path in ("a/b/c", "a/b/d/e", "a/b0/c", "a/b/-", "x/y/z"):
        store.put(path, path.encode())
    assert store.delete("a/b") == 3
    assert {e.path for e in store.walk()} == {"a/b0/c", "x/y/z"}
    assert tree(store) == {"a", "a/b0", "a/b0/c", "x", "x/y", "x/y/z"}
    assert store.delete("x/y/z") == 1
    assert tree(store) == {"a", "a/b0", "a/b0/c"}
    with pytest.raises(NotFound):
        store.delete("x")


def test_walking_goes_through_all_pages(store: ArtifactStore) -> None:
    paths = {f"a/{i % 7}/{i}" for i in range(1203)}
    for path in paths:
        store.put(path, b"same")
    store.put("b", b"")
    assert [e.path for e in store.walk("a")] == sorted(
        paths, key=lambda p: tuple(p.rpartition("/")[::2])
    )


def test_damage_is_noticed_before_the_last_piece(store: ArtifactStore) -> None:
    entry = store.put("a", b"x" * 3_000_000)
    assert entry.digest
    root = Path(store.blobs.url.removeprefix("file://"))
    (root / entry.digest[:2] / entry.digest[2:4] / entry.digest).write_bytes(b"y" * 3_000_000)
    got = 0
    with pytest.raises(Integrity):
        for piece in store.read("a"):
            got += len(piece)
    assert got < 3_000_000


def test_writers_and_deleters_leave_a_whole_tree(store: ArtifactStore) -> None:
    start = threading.Barrier(6)

    def work(number: int) -> None:
        start.wait()
        for i in range(25):
            try:
                if number == 5:
                    store.delete("top")
                elif number == 4:
                    store.put("top/mid", b"a file")
                else:
                    store.put(f"top/mid/{number}", f"{i}".encode())
            except (Conflict, NotFound):
                pass

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    with store.db.read() as conn:
        rows = conn.execute(sa.select(table)).all()
    folders = {f"{r.folder}/{r.name}".lstrip("/") for r in rows if r.digest is None}
    assert {r.folder for r in rows} - {""} == folders

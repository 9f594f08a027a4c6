from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
import pytest

from everloop.errors import Conflict, Integrity, InvalidInput, NotFound, Unavailable
from everloop.settings import Settings
from everloop.store.blobs import Blobs, blobs_url

MISSING = "0" * 64


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "s3":
        return Blobs(request.getfixturevalue("s3_url"))
    return Blobs((tmp_path / "a b%41#?é" / "blobs").as_uri())


def damage(store: Blobs, digest: str, data: bytes) -> None:
    obstore.put(store._store, f"{digest[:2]}/{digest[2:4]}/{digest}", data)


def objects(store: Blobs) -> list[tuple[str, int]]:
    return [(meta["path"], meta["size"]) for page in obstore.list(store._store) for meta in page]


@pytest.mark.parametrize("data", [b"", b"data", bytes(range(256)) * 40_000])
def test_what_is_put_comes_back(store: Blobs, tmp_path: Path, data: bytes) -> None:
    digest = store.put(data)
    assert digest == hashlib.sha256(data).hexdigest()
    assert store.get(digest) == data
    assert store.exists(digest)
    assert objects(store) == [(f"{digest[:2]}/{digest[2:4]}/{digest}", len(data))]
    store.fetch(digest, tmp_path / "out" / "copy")
    assert (tmp_path / "out" / "copy").read_bytes() == data
    store.delete(digest)
    store.delete(digest)
    assert not store.exists(digest)


@pytest.mark.parametrize("size", [0, 10, 12_000_000])
def test_files(store: Blobs, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    digest = store.put_file(tmp_path / "file")
    assert digest == hashlib.sha256(data).hexdigest()
    assert store.get(digest) == data


def test_the_same_content_is_written_once(
    store: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = store.put(b"data")
    (tmp_path / "file").write_bytes(b"data")
    monkeypatch.setattr("everloop.store.blobs.obstore.put", lambda *_: pytest.fail("written"))
    assert store.put(b"data") == digest
    assert store.put_file(tmp_path / "file") == digest


def test_missing_objects(store: Blobs, tmp_path: Path) -> None:
    assert not store.exists(MISSING)
    store.delete(MISSING)
    with pytest.raises(NotFound, match=MISSING):
        store.get(MISSING)
    with pytest.raises(NotFound):
        store.fetch(MISSING, tmp_path / "out" / "copy")
    assert list((tmp_path / "out").iterdir()) == []


def test_damage_is_found_and_nothing_is_left(store: Blobs, tmp_path: Path) -> None:
    digest = store.put(b"data")
    damage(store, digest, b"DATA")
    with pytest.raises(Integrity, match="holds other content"):
        store.get(digest)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "copy").write_bytes(b"before")
    with pytest.raises(Integrity):
        store.fetch(digest, tmp_path / "out" / "copy")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["copy"]
    assert (tmp_path / "out" / "copy").read_bytes() == b"before"


def test_a_torn_object_is_mended_by_the_next_put(store: Blobs, tmp_path: Path) -> None:
    digest = store.put(b"data")
    damage(store, digest, b"")
    assert store.put(b"data") == digest
    assert store.get(digest) == b"data"


def test_a_file_that_changes_meanwhile_is_refused(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    put = obstore.put

    def slow_put(store: object, key: str, file: object) -> object:
        path.write_bytes(b"afterwards")
        return put(store, key, file)  # type: ignore[arg-type]

    monkeypatch.setattr("everloop.store.blobs.obstore.put", slow_put)
    with pytest.raises(Conflict, match="changed while"):
        blobs.put_file(path)
    assert objects(blobs) == []


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_a_digest_is_nothing_else(blobs: Blobs, tmp_path: Path, digest: str) -> None:
    for call in (blobs.get, blobs.exists, blobs.delete):
        with pytest.raises(InvalidInput, match="64 lower-case"):
            call(digest)
    with pytest.raises(InvalidInput):
        blobs.fetch(digest, tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "url", ["", "/var/blobs", "blobs", "ftp://h/d", "file://host/d", "http://h/d", "s3:"]
)
def test_bad_urls(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"settings\.blobs_url"):
        Blobs(url)


def test_a_store_that_is_away_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "verysecret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    store = Blobs("s3://bucket/prefix")
    with pytest.raises(Unavailable) as raised:
        store.put(b"data")
    assert raised.value.code == "blobs_unavailable"
    assert "verysecret" not in str(raised.value.to_dict())


def test_a_missing_bucket_is_no_missing_object(s3_url: str) -> None:
    store = Blobs("s3://no-such-bucket/prefix")
    with pytest.raises(Unavailable, match="bucket or folder does not exist"):
        store.put(b"data")


def test_many_threads_put_and_get_the_same(store: Blobs) -> None:
    data = [bytes([n % 4]) * 100_000 for n in range(24)]
    with ThreadPoolExecutor(8) as pool:
        digests = list(pool.map(store.put, data))
        assert list(pool.map(store.get, digests)) == data
    assert len(objects(store)) == 4


def test_default_is_a_folder_of_the_project(tmp_path: Path) -> None:
    url = blobs_url(tmp_path / "x y", Settings())
    digest = Blobs(url).put(b"data")
    assert (tmp_path / "x y" / "blobs" / digest[:2] / digest[2:4] / digest).exists()
    assert blobs_url(tmp_path, Settings(blobs_url="s3://b/p")) == "s3://b/p"


def test_no_message_shows_a_password() -> None:
    with pytest.raises(InvalidInput) as refused:
        Blobs("weird://me:hunter2@bucket/x")
    assert "hunter2" not in str(refused.value.to_dict())


def test_a_file_with_the_content_is_verified_again_when_it_changes(store: Blobs) -> None:
    digest = store.put(b"data" * 1000)
    for _ in range(2):
        with store.file(digest) as path:
            assert path.read_bytes() == b"data" * 1000
    damage(store, digest, b"atad" * 1000)
    with pytest.raises(Integrity), store.file(digest):
        pass
    with pytest.raises(NotFound), store.file(MISSING):
        pass

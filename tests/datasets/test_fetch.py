"""Archives are taken only when their hash is right, and read without unpacking them."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import polars as pl
import pytest

from everloop.datasets.fetch import Archive, cache_folder, cached_table, fetch, read_member
from everloop.errors import NotFound, Unavailable


def archive(name: str, data: bytes) -> Archive:
    return Archive("everloop-no-such-project", "1.0", name, hashlib.sha256(data).hexdigest(), 0.1)


def put(cache: Path, name: str, data: bytes) -> Path:
    path = cache / "archives" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_the_cache_is_the_users():
    assert cache_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/everloop")
    home = Path.home() / ".cache" / "everloop"
    assert cache_folder({}) == home
    assert cache_folder({"XDG_CACHE_HOME": "relative"}) == home


def test_a_file_put_into_the_cache_is_used(tmp_path):
    path = put(tmp_path, "a.whl", b"content")
    assert fetch(archive("a.whl", b"content"), cache=tmp_path) == path


def test_another_content_is_never_used(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    path = put(tmp_path, "a.whl", b"something else")
    said: list[str] = []
    with pytest.raises(Unavailable) as caught:
        fetch(archive("a.whl", b"content"), said.append, tmp_path)
    assert "damaged" in said[0]
    assert f"Put the file into {path.parent}" in caught.value.message
    assert "\n" not in caught.value.message
    assert [p.name for p in path.parent.iterdir()] == ["a.whl"]  # nothing half-written is left


def test_pip_is_refused_another_hash(tmp_path, monkeypatch):
    """A wheel that pip does find, but with other bytes than the pinned ones."""
    offered = tmp_path / "offered"
    offered.mkdir()
    name = "everloop_no_such_project-1.0-py3-none-any.whl"
    with zipfile.ZipFile(offered / name, "w") as wheel:
        info = "everloop_no_such_project-1.0.dist-info"
        wheel.writestr(
            f"{info}/METADATA",
            "Metadata-Version: 2.1\nName: everloop-no-such-project\nVersion: 1.0\n",
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(offered))
    good = archive(name, (offered / name).read_bytes())
    with pytest.raises(Unavailable, match=r"(?i)hash"):
        fetch(archive(name, b"what was pinned"), cache=tmp_path / "cache")
    assert fetch(good, cache=tmp_path / "cache").read_bytes() == (offered / name).read_bytes()


def test_members_are_read_and_links_are_not(tmp_path):
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("pkg/data.csv")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"a,b"))
        link = tarfile.TarInfo("pkg/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
    assert read_member(path, "pkg/data.csv") == b"a,b"
    for name in ("pkg/link", "pkg/none"):
        with pytest.raises(NotFound):
            read_member(path, name)


def test_a_table_is_built_once_and_again_when_damaged(tmp_path):
    put(tmp_path, "a.whl", b"content")
    source = archive("a.whl", b"content")
    built: list[Path] = []

    def build(path: Path) -> pl.DataFrame:
        built.append(path)
        return pl.DataFrame({"x": [1, 2]})

    for layout in (1, 1, 2):
        table = cached_table(source, "t", layout, build, cache=tmp_path)
        assert table["x"].to_list() == [1, 2]
    assert len(built) == 2
    for path in (tmp_path / "tables").iterdir():
        path.write_bytes(b"PAR1")
    assert cached_table(source, "t", 1, build, cache=tmp_path).height == 2
    assert len(built) == 3

"""The contract of artifacts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from everloop.errors import Conflict, InvalidInput, NotFound
from everloop.testing._base import Backend, Stores, at_once
from everloop.tracking.artifacts.store import Entry

MEGABYTE = 1024 * 1024


def objects(stores: Stores) -> int:
    """How many blobs there are."""
    return sum(len(page) for page in stores.artifacts.blobs.scan())


class ArtifactsContract(Backend):
    """A tree of names over content that is stored once."""

    def test_a_file_comes_back(self, servers: list[Stores]) -> None:
        here, there = (server.artifacts for server in servers)
        data = bytes(range(256)) * 5000 + b"end"
        entry = here.put("0/run/artifacts/model/weights", data)
        assert (entry.size, entry.is_dir) == (len(data), False)
        path = "0/run/artifacts/model/weights"
        assert there.entry(path) == entry
        assert b"".join(there.read(path)) == data
        assert b"".join(there.read(path, 10, 300)) == data[10:300]
        assert b"".join(there.read(path, len(data) - 3)) == b"end"
        there.put(path, b"")
        assert b"".join(here.read(path)) == b""
        assert here.entry(path).size == 0

    def test_the_same_content_is_stored_once(self, servers: list[Stores]) -> None:
        calls = [
            partial(server.artifacts.put, f"a/{n}", b"same" * 1000)
            for n, server in enumerate(servers * 4)
        ]
        assert len({entry.digest for entry in at_once(calls)}) == 1
        assert objects(servers[0]) == 1
        for n in range(8):
            assert b"".join(servers[0].artifacts.read(f"a/{n}")) == b"same" * 1000

    def test_a_folder_is_listed_page_by_page(self, stores: Stores) -> None:
        names = ["Z", "a", "a b", "a-b", "b", "sub", "é"]
        for name in names:
            stores.artifacts.put(f"top/{name}" + "/x" * (name == "sub"), name.encode())
        stores.artifacts.put("top0/elsewhere", b"")
        found: list[Entry] = []
        after = None
        while True:
            page = stores.artifacts.list("top", 3, after)
            found, after = found + page.items, page.next
            if after is None:
                break
        assert [entry.name for entry in found] == sorted(names, key=str.encode)
        assert [entry.is_dir for entry in found].count(True) == 1
        assert stores.artifacts.list("nothing").items == []
        assert [entry.path for entry in stores.artifacts.walk("top/sub")] == ["top/sub/x"]

    def test_deleting(self, stores: Stores) -> None:
        for path in ("a/b/c", "a/b/d/e", "a/b0/c"):
            stores.artifacts.put(path, path.encode())
        assert stores.artifacts.delete("a/b") == 2
        assert [entry.path for entry in stores.artifacts.walk()] == ["a/b0/c"]
        stores.artifacts.delete("a/b0/c")
        assert stores.artifacts.list().items == []
        for call in (stores.artifacts.delete, stores.artifacts.entry, stores.artifacts.read):
            with pytest.raises(NotFound) as caught:
                call("a/b")
            assert caught.value.code == "artifact_not_found"

    def test_a_file_is_no_folder(self, stores: Stores) -> None:
        stores.artifacts.put("a/file", b"")
        for path in ("a/file/x", "a"):
            with pytest.raises(Conflict) as caught:
                stores.artifacts.put(path, b"new")
            assert caught.value.code == "path_occupied"
        with pytest.raises(InvalidInput):
            stores.artifacts.read("a")

    def test_what_breaks_off_leaves_nothing(self, stores: Stores) -> None:
        def pieces() -> Iterator[bytes]:
            yield b"x" * MEGABYTE
            raise ConnectionError

        with pytest.raises(ConnectionError):
            stores.artifacts.put_stream("a/b", pieces())
        assert stores.artifacts.list().items == []
        assert objects(stores) == 0

    def test_an_upload_in_parts(self, servers: list[Stores]) -> None:
        here, there = servers
        upload = here.uploads.begin("a/big")
        sent = []
        for number, server in ((2, there), (1, here)):
            with server.artifacts.blobs.receive() as incoming:
                incoming.write(bytes([number]) * MEGABYTE)
                sent.append((number, server.uploads.part(upload, number, incoming)))
        assert there.artifacts.list().items == []
        with pytest.raises(Conflict):
            there.uploads.complete(upload, sent[:1])
        entry = there.uploads.complete(upload, sorted(sent))
        assert entry.size == 2 * MEGABYTE
        assert b"".join(here.artifacts.read("a/big")) == b"\1" * MEGABYTE + b"\2" * MEGABYTE
        with pytest.raises(NotFound):
            here.uploads.abort(upload)

    @pytest.mark.parametrize(
        "path",
        [
            "", "/etc/passwd", "a//b", "a/", ".", "..", "a/../b", "../../x", "a\\b", "a#b", "a\0b",
            "a\nb", "C:/x", "file:///x", "%2e%2e/a", "%252e%252e/a", "a%2f..%2fb", "a%00b",
            "n" * 256,
        ],
    )  # fmt: skip
    def test_tricks_are_refused(self, stores: Stores, path: str) -> None:
        artifacts = stores.artifacts
        for call in (
            partial(artifacts.put, data=b""),
            artifacts.entry,
            artifacts.read,
            artifacts.delete,
            stores.uploads.begin,
        ):
            with pytest.raises(InvalidInput) as caught:
                call(path)
            assert caught.value.code == "invalid_path"
        assert artifacts.list().items == []

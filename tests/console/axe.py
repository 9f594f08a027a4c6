"""axe-core, which finds what keeps people with disabilities out; npm brings it when it is needed.

It is used by tests alone, so it is no part of the package; the lock file beside this says which.
"""

from __future__ import annotations

import hashlib
import importlib.util
import tempfile
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
LOCKED = Path(__file__).parent / "npm"


def build_hook() -> ModuleType:
    """The build hook, which knows npm."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def source() -> str:
    """The script; several processes may ask at once."""
    lock = hashlib.sha256((LOCKED / "package-lock.json").read_bytes()).hexdigest()[:16]
    kept = LOCKED / "node_modules" / lock
    if not kept.is_dir():
        kept.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            packages = build_hook().npm_ci(LOCKED, Path(folder))
            with suppress(OSError):  # another process was first
                (packages / "axe-core").rename(kept)
    return (kept / "axe.min.js").read_text()


def violations(page: Page, *rules: str) -> list[str]:
    """What is seriously or critically wrong with a page: by some rules, or by WCAG 2.1 AA."""
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    chosen = {"type": "rule", "values": list(rules)} if rules else {"type": "tag", "values": WCAG}
    options["runOnly"] = chosen
    found = page.evaluate("(options) => axe.run(document, options)", options)
    return [
        f"{one['id']}: {one['help']}: {node['target']} {node.get('failureSummary', '')[:300]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"][:3]
    ]

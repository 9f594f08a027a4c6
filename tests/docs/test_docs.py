"""The docs tell the truth: the reference is complete, and the examples run."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from everloop.loop.declaration import parse
from ports import free_port

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
PORT = re.compile(r"(--(?:serve-)?port |127\.0\.0\.1:)(\d+)")
BLOCK = re.compile(r"^```(python|console|toml)( [^\n]*)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_every_option_key_setting_and_route_is_documented() -> None:
    done = subprocess.run(
        [sys.executable, "docs/build.py", "--check"], cwd=ROOT, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def blocks(page: Path) -> list[tuple[str, str, str]]:
    return [(m[1], (m[2] or "").strip(), m[3]) for m in BLOCK.finditer(page.read_text())]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_examples_run(page: Path, tmp_path: Path) -> None:
    """Blocks marked ``run`` are run in order, in one folder; ``file=NAME`` blocks are written.

    Each port of the page stands for a free one, since other tests run at the same time.
    """
    ports: defaultdict[str, int] = defaultdict(free_port)
    for language, mark, code in blocks(page):
        if mark.startswith("file="):
            (tmp_path / mark.removeprefix("file=")).write_text(code)
        elif mark == "run":
            run(language, PORT.sub(lambda m: f"{m[1]}{ports[m[2]]}", code), tmp_path)
        elif language == "toml":
            parse(code)


def run(language: str, code: str, folder: Path) -> None:
    """Run a block; what it leaves running is ended, also when it fails in the middle."""
    if language == "python":
        script = [sys.executable, "-c", code]
    else:
        lines = [line[2:] for line in code.splitlines() if line.startswith("$ ")]
        script = ["bash", "-euc", "\n".join(lines)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said = folder / "said.txt"
    with said.open("w") as out:
        process = subprocess.Popen(
            script,
            cwd=folder,
            stdout=out,
            stderr=out,
            env={**os.environ, "PATH": path},
            start_new_session=True,
        )
    try:
        assert process.wait(timeout=600) == 0, f"{code}\n{said.read_text()}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"

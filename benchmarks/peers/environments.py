"""Environments of the peers' own, below the user's cache folder, made at their first use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "everloop" / "benchmarks"
EVIDENTLY = ("evidently==0.7.23", "pandas<3")  # it cannot be imported with pandas 3
NANNYML = ("nannyml==0.13.1", "statsmodels")  # which its wheel does not ask for


def python_of(peer: str, packages: Sequence[str]) -> Path:
    """The interpreter of a peer's environment; another list of packages makes it anew."""
    folder = CACHE / peer
    python, ready = folder / "bin" / "python", folder / "ready"
    wanted = "\n".join(packages)
    if not ready.exists() or ready.read_text() != wanted:
        print(f"installing {', '.join(packages)} into {folder} …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
        ready.write_text(wanted)
    return python

"""Start-up and idle cost: `import everloop`, `everloop up` until ready, memory of the idle set.

Run: python benchmarks/startup.py
"""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

REPEATS = 7


def import_ms() -> float:
    """Median wall time that `import everloop` adds to a bare interpreter."""

    def run(code: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return (time.perf_counter() - began) * 1000

    bare = statistics.median(run("pass") for _ in range(REPEATS))
    return statistics.median(run("import everloop") for _ in range(REPEATS)) - bare


def up(folder: Path, settle: float = 5.0) -> tuple[float, list[tuple[str, float, float]]]:
    """Seconds until the ready line; (name, RSS, PSS) in MB of each process after ``settle`` s."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("everloop")),
            "up",
            "--dir",
            str(folder),
            "--json",
            "--port",
            str(_free()),
            "--serve-port",
            str(_free()),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        json.loads(process.stdout.readline())
        ready = time.perf_counter() - began
        time.sleep(settle)
        root = psutil.Process(process.pid)
        found = [root, *root.children(recursive=True)]
        return ready, [(_name(p), *_memory(p)) for p in found]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _memory(process: psutil.Process) -> tuple[float, float]:
    full = process.memory_full_info()
    return full.rss / 1e6, getattr(full, "pss", full.rss) / 1e6


def _name(process: psutil.Process) -> str:
    words = [w for w in process.cmdline() if w.startswith("everloop.") or w.endswith("everloop")]
    return words[0].rsplit("/", 1)[-1] if words else process.name()


def train_a_model(folder: Path) -> None:
    """A project with a served champion, so that the idle set is one that does its work."""
    from sklearn.datasets import load_diabetes

    load_diabetes(as_frame=True, scaled=False).frame.to_csv(folder / "diabetes.csv", index=False)
    everloop = str(Path(sys.executable).with_name("everloop"))
    subprocess.run(
        [everloop, "train", "diabetes.csv", "--json"],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
        env=dict(os.environ),
    )


def main() -> None:
    console = Console()
    table = Table("figure", "here", "reach", box=None)
    table.add_row("import everloop", f"{import_ms():.0f} ms", "< 150 ms")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train_a_model(folder)
        runs = [up(folder, settle=5.0 if last else 0.2) for last in (False, False, True)]
        table.add_row(
            "everloop up, ready", f"{statistics.median(r for r, _ in runs):.2f} s", "< 3 s"
        )
        memory = runs[-1][1]
        for process, rss, pss in memory:
            table.add_row(f"  idle: {process}", f"{rss:.0f} MB RSS, {pss:.0f} MB PSS", "")
        total = sum(rss for _, rss, _ in memory)
        shared = sum(pss for _, _, pss in memory)
        table.add_row(
            "idle set, all processes", f"{total:.0f} MB RSS, {shared:.0f} MB PSS", "< 350 MB"
        )
    console.print(table)


if __name__ == "__main__":
    main()

"""A server of a project, as a process."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from everloop.server.child import answers_ready
from ports import free_port
from waiting import wait_for


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of the control plane of a folder."""
    port = free_port()
    command = [sys.executable, "-m", "everloop.server", "--dir", str(folder), "--port", str(port)]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen([*command, "--no-controller"], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: answers_ready(("127.0.0.1", port)) or process.poll() is not None)
        assert process.poll() is None, (folder / "server.log").read_text()
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)

"""A server of a project, as a process."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from ports import free_port


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of the control plane of a folder."""
    port = free_port()
    command = [sys.executable, "-m", "everloop.server", "--dir", str(folder), "--port", str(port)]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen([*command, "--no-controller"], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(url + "/health").is_success:
                    break
            assert process.poll() is None, (folder / "server.log").read_text()
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)

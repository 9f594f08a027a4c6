"""A batch in a process of its own, for a server: it takes its memory with it when it ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from everloop.errors import EverloopError
from everloop.loop.batches.records import Batch
from everloop.loop.executors._process import revived
from everloop.loop.project import Project
from everloop.memory import frugal_environment


def predict_in_child(
    project: Project, batch: Batch, tell: Callable[[str, int, int | None], None]
) -> dict[str, Any]:
    """The totals of a batch; ``tell`` may stop it by raising, and the same batch goes on later.

    Raises what :func:`~everloop.predict_batch` does. The process ends when this one does, even by
    ``kill -9``: its standard input closes.
    """
    logs = project.state / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / "batches.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "everloop.loop.batches.worker", str(project.dir)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=frugal_environment(),
        )  # fmt: skip
    try:
        return _followed(process, batch, tell)
    finally:
        process.kill()
        process.wait()


def _followed(
    process: subprocess.Popen[bytes], batch: Batch, tell: Callable[[str, int, int | None], None]
) -> dict[str, Any]:
    assert process.stdin is not None and process.stdout is not None
    with process.stdin as asked, process.stdout as told:
        asked.write(msgspec.json.encode(batch) + b"\n")
        asked.flush()
        for line in told:
            said: dict[str, Any] = msgspec.json.decode(line)
            if "rows" in said:
                tell("rows", said["rows"], None)
            elif "error" in said:
                raise revived(said["error"])
            else:
                found: dict[str, Any] = said["finished"]
                return found
    raise EverloopError(
        f"The process of the batch ended with {process.wait()} before its last row.",
        code="batch_lost",
        fix="The end of .everloop/logs/batches.log says why; exit -9 is often lack of memory.",
    )

"""A long job in a process of its own, for a server: it takes its memory with it when it ends.

The server's half is :func:`do_apart`, the process's :func:`answer`. They speak JSON lines: the job
comes first, then how far it is and its result go back. When the asker is gone, even by ``kill -9``,
standard input closes and the process ends at once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from everloop.errors import EverloopError
from everloop.loop.executors._process import revived, whole_lines
from everloop.loop.project import Project
from everloop.memory import frugal_environment

TOLD_SECONDS = 0.5  # between two words of how far it is
Tell = Callable[[str, int, int | None], None]
J = TypeVar("J")


def do_apart(project: Project, module: str, job: Any, what: str, tell: Tell) -> dict[str, Any]:
    """The result of a job that ``python -m module DIR`` does; ``tell`` may stop it by raising.

    Raises what the job raises, and :class:`~everloop.errors.EverloopError` (``WHAT_lost``) when
    its process ends before.
    """
    logs = project.state / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / f"{what}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(project.dir)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=frugal_environment(),
        )  # fmt: skip
    try:
        return _followed(process, job, what, tell)
    finally:
        process.kill()
        process.wait()


def _followed(process: subprocess.Popen[bytes], job: Any, what: str, tell: Tell) -> dict[str, Any]:
    assert process.stdin is not None and process.stdout is not None
    with process.stdin as asked, process.stdout as told:
        with suppress(BrokenPipeError):  # it has ended, as its silence will say
            asked.write(msgspec.json.encode(job) + b"\n")
            asked.flush()
        for line in whole_lines(told):
            said: dict[str, Any] = msgspec.json.decode(line)
            if "told" in said:
                tell(*said["told"])
            elif "error" in said:
                raise revived(said["error"])
            else:
                found: dict[str, Any] = said["finished"]
                return found
    raise EverloopError(
        f"The process of the {what} ended with {process.wait()} before it was done.",
        code=f"{what}_lost",
        fix=f"The end of .everloop/logs/{what}.log says why; exit -9 is often lack of memory.",
    )


def answer(folder: str, kind: type[J], do: Callable[[Project, J, Tell], Any]) -> None:
    """Do the one job that comes on standard input, and answer on standard output."""
    # Libraries print to standard output; keep it for the protocol alone.
    channel = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=kind)
    threading.Thread(target=_end_with_asker, name="asker", daemon=True).start()
    said, last = [0.0], list[Any]()

    def send(message: dict[str, Any]) -> None:
        channel.write(msgspec.json.encode(message) + b"\n")

    def tell(what: str, done: int, total: int | None) -> None:
        last[:] = [what, done, total]
        if time.monotonic() - said[0] > TOLD_SECONDS:
            said[0] = time.monotonic()
            send({"told": last})

    try:
        with Project.open(Path(folder)) as project:
            finished = do(project, job, tell)
        if last:
            send({"told": last})
        send({"finished": finished})
    except EverloopError as error:
        send({"error": {"class": type(error).__name__, **error.to_dict()}})
    except Exception:
        traceback.print_exc()


def _end_with_asker() -> None:
    sys.stdin.buffer.read()
    os._exit(1)

"""A process that does heavy work for this one and gives its memory back.

It speaks JSON lines over its standard input and output. It is kept for a little while after a
job, since starting it costs more than a second of imports, and ends by itself when its standard
input closes: a controller that is killed leaves no orphan behind. Temporary files, such as objects
that it has fetched, lie in a folder that is removed whichever of the two is killed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from everloop import errors
from everloop.ahead import take_worker
from everloop.errors import Unavailable
from everloop.loop.executors.limits import Limits, Watchdog, watched
from everloop.loop.steps import Report, silent
from everloop.memory import end_tree, frugal_environment, resident_megabytes
from everloop.settings import state_dir

# What a process prints goes there, in the folder of the project's state.
LOGS = {"steps": "logs/worker.log", "windows": "logs/windows.log"}
WORKER_LOG = LOGS["steps"]
IDLE_SECONDS = 20.0
SOON_SECONDS = 60.0  # that one which was only announced is waited for
REST_SECONDS = 1.0
GROWN_MB = 360  # all imported it holds 320; one that holds more when it rests is replaced


class WorkerLost(Unavailable):
    """The process ended without an answer."""

    code = "worker_lost"


class WorkerProcess:
    """One process of ``python -m everloop.loop.worker``, started when first needed.

    Jobs are done one after the other; threads wait for each other.
    """

    def __init__(self, folder: Path, jobs: Literal["steps", "windows"]) -> None:
        self.folder, self.jobs = folder, jobs
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: str | None = None  # its temporary files
        self._lock = threading.Lock()
        self._idle: threading.Timer | None = None
        self.doing: dict[str, Any] | None = None  # the job under way

    def warm(self) -> None:
        """Start it, and return at once; it ends by itself when no job comes."""
        if self._lock.acquire(blocking=False):  # else it is at a job, and warm
            try:
                self._cancel_idle()
                self._worker()
                self._after(SOON_SECONDS, self._let_go)
            finally:
                self._lock.release()

    def ask(
        self,
        job: dict[str, Any],
        what: str = "",
        report: Report = silent,
        limits: Limits | None = None,
    ) -> Any:
        """What comes of a job; ``what`` names it where whoever hears of its end does not.

        Raises what the job raised, and :class:`WorkerLost` when the process ended before, by
        itself or at one of the ``limits``.
        """
        with self._lock:
            self._cancel_idle()
            worker = self._worker()
            self.doing = job
            try:
                if limits is None:
                    return self._answer(worker, job, what, report)
                with watched(worker.pid, limits, ready=False) as dog:
                    return self._answer(worker, job, what, report, dog)
            finally:
                self.doing = None
                self._after(REST_SECONDS, self._rest)

    def close(self) -> None:
        """End it, in the middle of a job too."""
        self._cancel_idle()
        process = self._process
        if process is not None and process.poll() is None:
            end_tree(process.pid)
            process.wait()
        self._sweep()

    def _answer(
        self,
        worker: subprocess.Popen[bytes],
        job: dict[str, Any],
        what: str,
        report: Report,
        dog: Watchdog | None = None,
    ) -> Any:
        assert worker.stdin is not None and worker.stdout is not None
        try:
            worker.stdin.write(msgspec.json.encode(job) + b"\n")
            worker.stdin.flush()
        except OSError:
            raise self._lost(worker, what, dog) from None
        for line in whole_lines(worker.stdout):
            message: dict[str, Any] = msgspec.json.decode(line)
            if "begun" in message:
                if dog is not None:
                    dog.begin()
            elif "report" in message:
                report(*message["report"])
            elif "error" in message:
                raise revived(message["error"])
            else:
                return message["outcome"]
        raise self._lost(worker, what, dog)

    def _worker(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            printed = state_dir(self.folder) / LOGS[self.jobs]
            printed.parent.mkdir(parents=True, exist_ok=True)
            self._sweep()
            with suppress(OSError):  # of a full disk: whoever writes to it will say so
                self._scratch = tempfile.mkdtemp(prefix="everloop-")
            self._process = self._begun(printed) or self._new(printed)
        return self._process

    def _sweep(self) -> None:
        """What the process left that has ended."""
        scratch, self._scratch = self._scratch, None
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)

    def _begun(self, printed: Path) -> subprocess.Popen[bytes] | None:
        """The worker that a verb let begin ahead; None when there is none, or it has ended."""
        early = take_worker(self.folder) if self.jobs == "steps" else None
        if early is None or early.stdin is None:
            return None
        try:
            told = {"log": str(printed), "scratch": self._scratch}
            early.stdin.write(msgspec.json.encode(told) + b"\n")
            early.stdin.flush()
        except OSError:
            return None
        return early

    def _new(self, printed: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "everloop.loop.worker", "--dir", str(self.folder)]
        scratch = [] if self._scratch is None else ["--scratch", self._scratch]
        with printed.open("ab") as log:
            return subprocess.Popen(
                [*command, "--ahead", self.jobs, *scratch],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=frugal_environment(),
            )

    def _lost(self, worker: subprocess.Popen[bytes], what: str, dog: Watchdog | None) -> WorkerLost:
        code = worker.wait()
        self._process = None
        self._sweep()
        about = f"{what}: " if what else ""
        if dog is not None and dog.said:
            fix = "Give it less to do, or raise [train] limits."
            said = f"{about}it {dog.said}, and was ended."
            return WorkerLost(said, code="over_limit", fix=fix)
        return WorkerLost(
            f"{about}its process ended with {code} before it answered.",
            fix=f"The end of .everloop/{LOGS[self.jobs]} says why; "
            "exit -9 is often lack of memory.",
        )

    def _after(self, seconds: float, then: Callable[[], None]) -> None:
        self._idle = threading.Timer(seconds, self._while_idle, [then])
        self._idle.daemon = True
        self._idle.start()

    def _while_idle(self, then: Callable[[], None]) -> None:
        if self._lock.acquire(blocking=False):
            try:
                then()
            finally:
                self._lock.release()

    def _rest(self) -> None:
        """No step came at once: the moment to begin the next one with little memory."""
        if self._process is not None and resident_megabytes(self._process.pid) > GROWN_MB:
            self._let_go()
            self._worker()
        self._after(IDLE_SECONDS, self._let_go)

    def _let_go(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            process.wait()
        self._sweep()

    def _cancel_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None


def whole_lines(told: IO[bytes]) -> Iterator[bytes]:
    """The lines that a process says, without one in whose middle it was killed."""
    return (line for line in told if line.endswith(b"\n"))


def revived(error: dict[str, Any]) -> Exception:
    """The worker's exception, as the class it was raised as."""
    kind = getattr(errors, error.pop("class"), errors.EverloopError)
    message = error.pop("message")
    if kind is errors.MissingExtra:
        return errors.EverloopError(message, **error)
    revived: Exception = kind(message, **error)
    return revived

"""``python -m everloop.deploy.serving.workers``: several worker processes behind one port.

The parent binds the port once, and the workers inherit the socket: a connection that waits to be
taken waits for any of them, so that one that ends or is killed loses none but those it had taken.
Each has models, a prediction log and a following of the desired state of its own. The parent starts
a worker again that ends by itself, says where all of them stand, and follows a control plane
elsewhere for them. It ends when told to, after its workers; they end when it is gone.
"""

from __future__ import annotations

import http.client
import logging
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from everloop.deploy.serving.access import Access
from everloop.deploy.serving.arguments import parse, settings_of, worker_count
from everloop.deploy.serving.counts import Totals
from everloop.deploy.serving.following import Follower
from everloop.deploy.serving.group import standing_path, standings, tally_path
from everloop.deploy.serving.standing import Standing, remove_standing, write_standing
from everloop.deploy.serving.tally import read_all
from everloop.errors import EverloopError, Unavailable
from everloop.settings import state_dir
from everloop.version import __version__

DRAIN_S = 15.0
TURN_S = 0.1
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0  # before a worker is started again
STEADY_S = 10.0  # of life, after which it is started again at once
BACKLOG = 1024

_log = logging.getLogger(__name__)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent is told. ``arguments`` are handed to each worker."""

    size: int
    state: Path
    host: str
    port: int
    token: str = ""
    follow: str = ""
    log: Path | None = None
    pinned: bool = False  # a state of its own, of which nobody else hears
    watch_stdin: bool = False
    as_json: bool = False
    arguments: Sequence[str] = ()


class Worker:
    """One slot and the process that is in it."""

    def __init__(self, slot: int, command: list[str], fd: int) -> None:
        self.slot = slot
        self.ready = False
        self.due = 0.0
        self._command = command
        self._fd = fd
        self._pause = FIRST_PAUSE
        self._begun = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._begun = time.monotonic()
        self.ready = False
        self.process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[self._fd],
        )

    def rest(self) -> None:
        """After its end: when it is to be started again."""
        self.close()
        steady = time.monotonic() - self._begun > STEADY_S
        self._pause = FIRST_PAUSE if steady else min(2 * self._pause, LONGEST_PAUSE)
        self.due = time.monotonic() + (0.0 if steady else self._pause)
        self.process = None

    def close(self) -> None:
        """Let go of its pipes, which ends it too."""
        if self.process is not None:
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    pipe.close()


class Workers:
    """Starts, watches and restarts the workers of one port."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._socket = _bound(plan.host, plan.port)
        self._port = int(self._socket.getsockname()[1])
        self._folder = plan.state / "serving" / f"workers-{self._port}"
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._workers = [
            Worker(slot, self._command(slot), self._socket.fileno()) for slot in range(plan.size)
        ]
        self._follower: Follower | None = None
        self._announced = False
        self._stopping = False
        self._status = 0
        self._told: Standing | None = None

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT (or the end of stdin); the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop())
        try:
            self._begin_following()
            for worker in self._workers:
                worker.start()
            while not self._stopping:
                self._wait()
                self._turn()
        finally:
            self._end()
        return self._status

    def _stop(self) -> None:
        self._stopping = True

    def _wait(self) -> None:
        """Until something is said, or a moment has passed."""
        heard: dict[Any, Worker | None] = {
            worker.process.stdout: worker
            for worker in self._workers
            if worker.process is not None and not worker.ready
        }
        if self._plan.watch_stdin:
            heard[sys.stdin] = None
        for pipe in select.select(list(heard), [], [], TURN_S)[0]:
            worker = heard[pipe]
            if worker is None:
                self._stopping = self._stopping or not os.read(sys.stdin.fileno(), 1024)
            else:
                worker.ready = bool(pipe.readline())

    def _turn(self) -> None:
        for worker in self._workers:
            process = worker.process
            if process is None and time.monotonic() >= worker.due:
                worker.start()
            elif process is not None and process.poll() is not None:
                self._ended(worker, process.returncode)
        if not self._announced and all(worker.ready for worker in self._workers):
            self._announce()
        self._tell()

    def _ended(self, worker: Worker, status: int) -> None:
        standing_path(self._folder, worker.slot).unlink(missing_ok=True)
        if not self._announced and not worker.ready:
            self._status, self._stopping = max(status, 1), True  # it has said why
        else:
            _log.error("worker %d ended with status %d; it is started again", worker.slot, status)
        worker.rest()

    def _announce(self) -> None:
        self._announced = True
        if self._plan.as_json:
            said = {"ready": True, "url": self._url, "workers": self._plan.size}
            print(msgspec.json.encode(said).decode(), flush=True)
        else:
            print(f"everloop serving ready on {self._url}", flush=True)

    # -- what is told of all ---------------------------------------------------------------------

    def _standing(self) -> Standing:
        """Of all workers: what each has applied, whatever is wrong with one, all losses."""
        size = self._plan.size
        found = standings(self._folder, size)
        revision = min((one.revision for one in found), default=0) if len(found) == size else 0
        errors = {name: said for one in found for name, said in one.errors.items()}
        if self._follower is not None and self._follower.error:
            errors[""] = self._follower.error
        total = Totals(read_all(tally_path(self._folder, slot) for slot in range(size)))
        return Standing(os.getpid(), self._url, revision, errors, total.losses_by_endpoint())

    def _tell(self) -> None:
        if self._plan.pinned or not self._announced:
            return
        standing = self._standing()
        if standing.revision == 0 and self._told is not None:
            # One of them is being started again: what the others apply is what counts.
            standing = msgspec.structs.replace(standing, revision=self._told.revision)
        if standing != self._told:
            write_standing(self._plan.state / "serving", standing)
            self._told = standing

    def _report(self) -> Standing:
        """For the control plane elsewhere: with what a worker says of all."""
        said = self._ask("/endpoints")
        return msgspec.structs.replace(
            self._told or self._standing(), version=__version__,
            ready=all(worker.ready for worker in self._workers),
            traffic=said.get("endpoints", {}),
        )  # fmt: skip

    def _ask(self, path: str) -> Any:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._plan.host, self._plan.host)
        connection = http.client.HTTPConnection(host, self._port, timeout=5)
        given = {"authorization": f"Bearer {self._plan.token}"} if self._plan.token else {}
        try:
            connection.request("GET", path, headers=given)
            return msgspec.json.decode(connection.getresponse().read())
        except (OSError, http.client.HTTPException, msgspec.DecodeError):
            return {}
        finally:
            connection.close()

    def _begin_following(self) -> None:
        plan = self._plan
        if not plan.follow:
            return
        log = plan.log or plan.state / "log"
        self._follower = Follower(plan.follow, plan.token, plan.state, log, self._port)
        try:
            self._follower.fetch()
        except EverloopError as error:
            _log.warning("what was published last is served: %s", error.message)
        self._follower.start(self._report)

    # -- beginning and end -----------------------------------------------------------------------

    @property
    def _url(self) -> str:
        host = f"[{self._plan.host}]" if ":" in self._plan.host else self._plan.host
        return f"http://{host}:{self._port}"

    def _command(self, slot: int) -> list[str]:
        place = f"{slot}/{self._plan.size}/{self._socket.fileno()}"
        return [
            sys.executable, "-m", "everloop.deploy.serving", *self._plan.arguments,
            "--port", str(self._port), "--watch-stdin",
            "--group", str(self._folder), "--place", place,
        ]  # fmt: skip

    def _end(self) -> None:
        """Let every worker finish what is under way, and kill those that do not come to an end."""
        running = [worker for worker in self._workers if worker.process is not None]
        for worker in running:
            assert worker.process is not None, "it runs"
            worker.process.terminate()
        give_up = time.monotonic() + DRAIN_S
        for worker in running:
            assert worker.process is not None, "it runs"
            try:
                worker.process.wait(max(0.01, give_up - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            worker.close()
        if self._follower is not None:
            self._follower.close()
        if not self._plan.pinned:
            remove_standing(self._plan.state / "serving")
        self._socket.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _bound(host: str, port: int) -> socket.socket:
    """The socket that all workers take connections from."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    # Without SO_REUSEPORT: with it, a second server would share the port in silence.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host.strip("[]"), port))
    except OSError as error:
        listening.close()
        raise Unavailable(
            f"port: {host}:{port} cannot be bound: {error.strerror}.",
            code="address_in_use", path="port", got=port, fix="Choose another with --port.",
        ) from None  # fmt: skip
    listening.listen(BACKLOG)
    listening.setblocking(False)
    return listening


def _free(host: str) -> int:
    """A port for gRPC that all workers can be told of."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host.strip("[]"), 0))
        return int(probe.getsockname()[1])


def plan(arguments: list[str]) -> Plan:
    """The command line and the settings as a plan. Raises InvalidInput."""
    given = parse(arguments)
    settings = settings_of(given.dir)
    Access(given.host, settings.token, settings.access == "network")
    grpc_port = given.grpc_port if given.grpc_port is not None else settings.grpc_port or None
    handed = ["--dir", str(given.dir), "--host", given.host]
    if grpc_port is not None:
        handed += ["--grpc-port", str(grpc_port or _free(given.host))]
    for option, value in (("--state", given.state), ("--log", given.log)):
        handed += [option, str(value)] if value is not None else []
    return Plan(
        size=worker_count(given.workers, settings), state=state_dir(given.dir).absolute(),
        host=given.host, port=given.port, token=settings.token, follow=given.follow,
        log=given.log, pinned=given.state is not None, watch_stdin=given.watch_stdin,
        as_json=given.json, arguments=handed,
    )  # fmt: skip


def main() -> int:
    """Serve; 0 after a clean end, 2 for what the caller can mend."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        return Workers(plan(sys.argv[1:])).run()
    except EverloopError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())

"""The cycles that this process runs, each under the lease of its loop.

Controllers on one database share the loops: whoever has a loop's lease runs its cycle. A thread
renews the leases; when one was lost, to another controller that found this one silent, what runs
under it is stopped, and whatever it still tries to write is refused by its token.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TextIO

from everloop.durations import seconds
from everloop.errors import EverloopError
from everloop.loop.cycles import Cycle
from everloop.loop.project import Project
from everloop.repeats import Repeats
from everloop.store.leases import Lease, LeaseStore

log = logging.getLogger("everloop.engine")
TAKEN = "cycle %s: another controller has taken it over"
BEATS = 4  # in the time that a lease lasts
ASK_SECONDS = 0.5  # between two attempts to take a lease that somebody has


@dataclass
class Run:
    """One cycle under way here. ``heavy`` while it needs the executor."""

    lease: Lease
    workflow: str
    heavy: bool
    stop: threading.Event = field(default_factory=threading.Event)


class Holding:
    """What runs here. ``lock`` is the folder's: of its controllers one lives at a time.

    ``lost`` is called with each cycle that another controller has taken over.
    """

    def __init__(self, project: Project, lock: TextIO, lost: Callable[[str], None]) -> None:
        self.project = project
        self._lost = lost
        info = os.fstat(lock.fileno())
        self.place = f"{socket.gethostname()[:100]}-{info.st_dev:x}-{info.st_ino:x}"
        self._lasts = seconds(project.settings.lease, "settings.lease")
        holder = f"{self.place}:{uuid.uuid4().hex[:12]}"
        self.leases = LeaseStore(project.db, holder, f"{self.place}:", self._lasts)
        self._runs: dict[str, Run] = {}
        self._taking: set[str] = set()  # loops
        self._asked: dict[str, float] = {}  # loop -> until when its lease is not asked for
        self._guard = threading.Lock()
        self._presence: Lease | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="leases", daemon=True)

    def start(self) -> None:
        """Say that this controller is here, and go on saying so."""
        self._show()
        self._thread.start()

    def stop(self) -> None:
        """Stop what runs, and leave all of it to others."""
        self._over.set()
        for run in self._all().values():
            run.stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        with suppress(EverloopError):  # they run out by themselves
            self.leases.drop_all()

    def begin(self, cycle: Cycle, heavy: bool) -> Run | None:
        """The right to run a cycle; None when somebody runs it, here or elsewhere."""
        with self._guard:
            here = cycle.id in self._runs or cycle.loop in self._taking
            if here or time.monotonic() < self._asked.get(cycle.loop, 0.0):
                return None
            self._taking.add(cycle.loop)
        lease, run = None, None
        try:
            lease = self.leases.take(f"loop/{cycle.loop}")
        finally:
            with self._guard:
                self._taking.discard(cycle.loop)
                if lease is None:
                    self._asked[cycle.loop] = time.monotonic() + ASK_SECONDS
                else:
                    workflow = f"{cycle.id}:{lease.token}:{uuid.uuid4().hex[:8]}"
                    run = self._runs[cycle.id] = Run(lease, workflow, heavy)
        return run

    def end(self, cycle: str) -> None:
        """It runs here no more."""
        with self._guard:
            run = self._runs.pop(cycle, None)
        if run is not None:
            with suppress(EverloopError):  # it runs out by itself
                self.leases.drop(run.lease)

    def run(self, cycle: str) -> Run | None:
        with self._guard:
            return self._runs.get(cycle)

    @property
    def count(self) -> int:
        """How many cycles run here."""
        return len(self._all())

    @property
    def heavy(self) -> int:
        """How many of the cycles need the executor."""
        return sum(run.heavy for run in self._all().values())

    def served_elsewhere(self) -> bool:
        """Whether a controller with a data plane beside it lives, and none serves here.

        What moves traffic is for that one, since it sees how the new version fares.
        """
        if self.project.serving() is not None:
            return False
        return any(name != self._name() for name in self.leases.living("plane/"))

    def _all(self) -> dict[str, Run]:
        with self._guard:
            return dict(self._runs)

    def _beat(self) -> None:
        says = Repeats(log)
        while not self._over.wait(self._lasts / BEATS):
            runs = self._all()  # before the leases are read: a newer one is not among those
            try:
                self._show()
                kept = self.leases.renew()
            except EverloopError as error:
                says.warning(f"leases: {error.message}")
                continue
            except Exception:
                log.exception("leases: the next beat may be in time")
                continue
            for cycle, run in runs.items():
                if (run.lease.name, run.lease.token) not in kept and self.run(cycle) is run:
                    log.warning(TAKEN, cycle)
                    run.stop.set()
                    self._lost(cycle)

    def _show(self) -> None:
        """A lease of one's own tells the others whether this controller has a data plane."""
        name = self._name()
        if self._presence is not None and self._presence.name == name:
            return
        if self._presence is not None:
            self.leases.drop(self._presence)
        self._presence = self.leases.take(name)

    def _name(self) -> str:
        kind = "controller" if self.project.serving() is None else "plane"
        return f"{kind}/{self.place}"

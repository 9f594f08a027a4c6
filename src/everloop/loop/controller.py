"""The controller: looks, decides, and starts cycles, for every loop of a project.

It runs as one thread beside the HTTP API in ``everloop up``, or alone in ``everloop control``; any
number of them share a database (:mod:`everloop.loop.holding`). Everything it knows is in the
database, so that it can be killed at any moment.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from everloop.errors import EverloopError
from everloop.loop.attention import Attention
from everloop.loop.engine import Engine
from everloop.loop.health import HealthWatch
from everloop.loop.loop import Loop
from everloop.loop.losses import tell_silence
from everloop.loop.project import Project
from everloop.loop.rollouts import drop_standbys
from everloop.loop.steps import Report
from everloop.loop.watching import look
from everloop.repeats import Repeats
from everloop.store.changes import Changes
from everloop.store.clock import now_ms

log = logging.getLogger("everloop.controller")
TICK_SECONDS = 0.5
LOOK_EVERY = 10  # ticks between two looks at the monitors
TIDY_EVERY = 120  # ticks between two looks at what the prediction logs keep


class Controller:
    """Drives the loops of a project until it is stopped.

    ``automatic`` False only runs the cycles that others ask for; ``loops`` names the loops that it
    is for, all of them unless given.
    """

    def __init__(
        self, project: Project, automatic: bool = True, loops: frozenset[str] | None = None
    ) -> None:
        self.project = project
        self.automatic = automatic
        self.loops = loops
        self.engine = Engine(project, loops=loops)
        self.attention = Attention(project, loops)
        self.health = HealthWatch(project)
        self._since = now_ms()
        self._changes = Changes(project.db)
        self._rests = False  # no cycle is under way, as long as nobody writes
        self._stop = threading.Event()
        self._says = Repeats(log)
        self._thread = threading.Thread(target=self._run, name="controller", daemon=True)

    def start(self, report: Report | None = None) -> None:
        """Publish the desired state, recover cycles, and begin to look.

        Raises :class:`~everloop.errors.Conflict` when another process controls the folder.
        """
        self.project.sync_file()
        self.project.publish()
        self.engine.launch(report)
        self._thread.start()

    @property
    def holder(self) -> str:
        """The name under which it holds leases."""
        return self.engine.held.leases.holder

    def stop(self) -> None:
        """Stop at the next boundary; cycles under way are resumed by the next controller."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self._changes.close()
        self.engine.close()

    def _run(self) -> None:
        tick = 0
        while not self._stop.wait(TICK_SECONDS):
            tick += 1
            try:
                self._go_on()
                if self.automatic and tick % LOOK_EVERY == 0:
                    self._look()
                if self.automatic and tick % TIDY_EVERY == 1:
                    self.project.tidy_log("controller")
            except EverloopError as error:
                self._says.warning(error.message)
            except Exception:
                log.exception("the controller goes on after an error")

    def _go_on(self) -> None:
        """Carry on with the cycles that are under way; asks only where something changed."""
        if self._changes.any() or not self._rests:
            self._rests = not self.project.cycles.unfinished()
        if not self._rests:
            self.project.decisions.settle()
            self.engine.pick_up()

    def _look(self) -> None:
        self.health.begin()
        due, every = self.attention.due()
        for loop in self.attention.loops:
            self._apart(loop, lambda loop: self.health.look(loop.declaration))
        began = time.thread_time()
        for loop in due:
            self._apart(loop, self._look_at)
        if every:
            drop_standbys(self.project)
            # Heals a publication that an outage cut off after the database had changed.
            self.project.publish()
            self.attention.looked_at_all(time.thread_time() - began)

    def _look_at(self, loop: Loop) -> None:
        looked = look(self.project, loop.declaration, actor="controller")
        if looked.cycle is not None:
            self.engine.pick_up()  # at once, and not by the next tick
        tell_silence(self.project, loop.declaration, self._since)

    def _apart(self, loop: Loop, do: Callable[[Loop], object]) -> None:
        """What goes wrong with one loop is no matter of the others."""
        try:
            do(loop)
        except EverloopError as error:
            self._says.warning(f"loop {loop.name}: {error.message}")
        except Exception:
            log.exception("loop %s: the other loops go on", loop.name)

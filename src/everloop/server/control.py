"""The controller beside the server: started once the server answers, kept trying, stopped first."""

from __future__ import annotations

import importlib
import logging
import threading
from typing import Any

from everloop.errors import Conflict
from everloop.loop.project import Project

log = logging.getLogger("everloop.server")
RETRY_SECONDS = 1.0


class Control:
    """Starts :class:`everloop.loop.controller.Controller` in a thread of its own.

    The engine under it takes most of the start-up's imports, which readers need not wait for. While
    another process runs the folder's cycles (``everloop run`` in a terminal) it waits its turn.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self._controller: Any = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        """Return at once; the controller follows."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the controller; cycles under way are resumed by the next one."""
        self._stop.set()
        self._thread.join(timeout=10)
        if self._controller is not None:
            self._controller.stop()

    def _run(self) -> None:
        module = importlib.import_module("everloop.loop.controller")
        waiting = False
        while not self._stop.is_set():
            controller = module.Controller(self.project)
            try:
                controller.start()
            except Conflict as error:
                if not waiting:
                    log.info("%s The controller waits for it to end.", error.message)
                waiting = True
            except Exception:
                log.exception("the controller did not start; trying again")
            else:
                log.info("the controller runs")
                self._controller = controller
                return
            self._stop.wait(RETRY_SECONDS)

"""What a worker process may take: it is watched from outside, and ended when it takes more.

Limits of the kernel would not do: ``RLIMIT_AS`` counts address space, of which libraries reserve
far more than they use, and a process that hangs uses no CPU time for ``RLIMIT_CPU`` to count.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from everloop.memory import available_bytes, end_largest, end_tree, tree_megabytes

LOOK_SECONDS = 0.5
START_SECONDS = 60.0  # that a process may take to get ready, on top of the work's own limit
# What runs a trial in a process of its own: ours, and Ray's by the name of its task.
TRIALS = ("everloop.train.search.workers.child", "ray::_run")
LEFT = 0.95  # of what was free: a step that takes more would make the machine end some process


class Limits(msgspec.Struct, frozen=True):
    """Seconds by a clock that nobody sets, and megabytes of a process and those it started.

    Without ``megabytes``, what the machine or the container has free when the work begins.
    """

    seconds: float | None = None
    megabytes: float | None = None


class Watchdog:
    """Ends a process that takes more than its limits; ``said`` is why, once it has.

    Where trials of a search have processes of their own, the largest of them goes in its place:
    that trial fails, and the study goes on.

    With ``ready`` False the process is still to get ready for its work, and :meth:`begin` says
    when it has: what its imports took on a busy machine is not the work's.
    """

    def __init__(self, pid: int, limits: Limits, ready: bool = True) -> None:
        self.pid, self.limits, self.said = pid, limits, ""
        free = (available_bytes() / 1e6 + tree_megabytes(pid)) * LEFT
        self._megabytes = limits.megabytes or free
        self._began = time.monotonic() + (0.0 if ready else START_SECONDS)

    def begin(self) -> None:
        """The work begins now."""
        self._began = time.monotonic()

    def look(self) -> bool:
        """Whether it goes on."""
        took, limit = time.monotonic() - self._began, self.limits.seconds
        held = tree_megabytes(self.pid)
        if limit is not None and took > limit:
            self.said = f"ran for more than {limit:g} s, its limit (train.limits.time)"
        elif held > self._megabytes and end_largest(self.pid, TRIALS):
            return True
        elif held > self._megabytes:
            whose = "train.limits.memory" if self.limits.megabytes else "what was free"
            self.said = (
                f"took {held:,.0f} MB of memory, more than its limit of "
                f"{self._megabytes:,.0f} MB ({whose})"
            )
        else:
            return True
        end_tree(self.pid)
        return False


@contextmanager
def watched(pid: int, limits: Limits, ready: bool = True) -> Iterator[Watchdog]:
    """Watch a process in the block."""
    dog, over = Watchdog(pid, limits, ready), threading.Event()

    def run() -> None:
        while not over.wait(LOOK_SECONDS) and dog.look():
            pass

    thread = threading.Thread(target=run, name="watchdog", daemon=True)
    thread.start()
    try:
        yield dog
    finally:
        over.set()
        thread.join()

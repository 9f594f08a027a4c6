"""What our own processes do about memory."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
from collections.abc import Collection, Iterator
from pathlib import Path

# Environment of a child process. Allocators that keep the pages they once had would make one
# large step the size of every later one; threads that spin would take the core of another process.
FRUGAL = {
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:200,muzzy_decay_ms:0,narenas:2",
    "MALLOC_ARENA_MAX": "2",
    "OMP_WAIT_POLICY": "PASSIVE",
}


def frugal_environment() -> dict[str, str]:
    """The present environment with our settings; what the user has set stays."""
    return {**FRUGAL, **os.environ}


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Import modules in it, in a process of our own: a fifth less time, and later ones gain too.

    No garbage is looked for meanwhile, and what modules hold, which stays, is never looked
    through again: of the libraries that train that took a seventh of a second each time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def give_back() -> None:
    """Hand what was freed back to the system, where its allocator can."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def available_bytes() -> int:
    """Memory that new work may take, on this machine or in this container; 4 GB where untold."""
    return min([_free_of_machine(), *_left_in_groups()])


def _free_of_machine() -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 4_000_000_000


def _left_in_groups() -> list[int]:
    """Of the control group that a container is (version 2, then 1), where it has a limit."""
    found = []
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with contextlib.suppress(OSError, ValueError):
            root = Path("/sys/fs/cgroup")
            most = int((root / limit).read_text())
            stat = (root / limit).with_name("memory.stat").read_text().split()
            cached = int(stat[stat.index("inactive_file") + 1])  # is given up when it is wanted
            found.append(most - int((root / used).read_text()) + cached)
    return found


def resident_megabytes(pid: int) -> float:
    """Resident memory of a process; 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def tree_megabytes(pid: int) -> float:
    """What a process and all that it started hold and the system could not have back from them.

    Files that they map, as rows are by trials and by scans, are no part of it: those pages are
    given up when memory is wanted. What they share in memory counts once, and pages that none of
    them has written to since a fork for each.
    """
    held = [_held_megabytes(one) for one in _quickly_below(pid)]
    return sum(own for own, _ in held) + max(shared for _, shared in held)


def _held_megabytes(pid: int) -> tuple[float, float]:
    """Of its own, and shared with others."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0, 0.0
    told = dict(line.partition(":")[::2] for line in status.splitlines())
    if "RssAnon" not in told:
        return resident_megabytes(pid), 0.0
    own, shared = (int(told[name].split()[0]) * 1024 / 1e6 for name in ("RssAnon", "RssShmem"))
    return own, shared


def end_tree(pid: int) -> None:
    """Kill a process and all that it started."""
    for one in processes_below(pid):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(one, signal.SIGKILL)


def end_largest(pid: int, words: Collection[str]) -> bool:
    """Kill the largest process below one whose command line has one of ``words``; whether there
    was any."""
    found = [one for one in processes_below(pid)[1:] if not _words(one).isdisjoint(words)]
    for one in sorted(found, key=resident_megabytes, reverse=True):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(one, signal.SIGKILL)
            return True
    return False


def _words(pid: int) -> set[str]:
    """The command line of a process; none of one that has ended."""
    try:
        return set(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").split())
    except (OSError, UnicodeDecodeError):
        return set()


def _quickly_below(pid: int) -> list[int]:
    """The same as :func:`processes_below` without a look at every process of the machine, where
    the kernel can; one that begins or ends just now may be missed."""
    found = [pid]
    for one in found:  # grows meanwhile
        with contextlib.suppress(OSError):  # it has ended since
            for task in Path(f"/proc/{one}/task").iterdir():
                with contextlib.suppress(OSError, ValueError):
                    found += map(int, (task / "children").read_text().split())
    return found if Path("/proc/thread-self/children").exists() else processes_below(pid)


def processes_below(pid: int) -> list[int]:
    """A process and its descendants, the process first."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The name before it, in brackets, may hold anything.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for one in found:  # grows meanwhile
        found += children.get(one, [])
    return found

"""Several workers that serve together: what each knows of the others, through one folder.

``SLOT.tally`` holds what the worker in a slot counted, in all its lives; ``SLOT.json`` where it
stands now. ``unloaded.json`` names what was unloaded by request, so that all of them let it go.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from everloop.deploy.serving.standing import Standing
from everloop.deploy.serving.tally import Tally
from everloop.replacing import replace_file

UNLOADED = "unloaded.json"


class Group(msgspec.Struct, frozen=True):
    """A worker's place: its ``slot`` among ``size``, and the socket that all of them share."""

    folder: Path
    slot: int
    size: int
    socket: int

    def tally(self) -> Tally:
        """What this slot counted so far; but nothing is under way in a new life."""
        tally = Tally(tally_path(self.folder, self.slot))
        tally.zero("now")
        return tally

    @property
    def siblings(self) -> list[Path]:
        """The tallies of the others."""
        slots = (slot for slot in range(self.size) if slot != self.slot)
        return [tally_path(self.folder, slot) for slot in slots]

    def tell(self, standing: Standing) -> None:
        """Where this worker stands."""
        _tell(standing_path(self.folder, self.slot), msgspec.json.encode(standing))

    @property
    def unloaded_path(self) -> Path:
        return self.folder / UNLOADED

    def read_unloaded(self) -> frozenset[str]:
        """What was unloaded by a request to any of the workers."""
        try:
            return frozenset(msgspec.json.decode(self.unloaded_path.read_bytes(), type=list[str]))
        except FileNotFoundError:
            return frozenset()

    def write_unloaded(self, names: frozenset[str]) -> None:
        """Tell the others, who look for it as they do for the desired state."""
        _tell(self.unloaded_path, msgspec.json.encode(sorted(names)))

    def revision(self, own: int) -> int:
        """Of the desired state that every worker has applied."""
        return min([own, *(one.revision for one in standings(self.folder, self.size))])

    def share(self, whole: int) -> int:
        """This worker's part of a limit that holds for all together; a limit is not made 0."""
        return max(1, whole // self.size) if whole else 0


def tally_path(folder: Path, slot: int) -> Path:
    return folder / f"{slot}.tally"


def standing_path(folder: Path, slot: int) -> Path:
    return folder / f"{slot}.json"


def standings(folder: Path, size: int) -> list[Standing]:
    """Where the workers stand that have said so."""
    found = []
    for slot in range(size):
        try:
            data = standing_path(folder, slot).read_bytes()
        except FileNotFoundError:
            continue
        found.append(msgspec.json.decode(data, type=Standing))
    return found


def _tell(path: Path, data: bytes) -> None:
    """A disk that is full costs the news, never an answer."""
    with contextlib.suppress(OSError):
        replace_file(path, data, lasting=False)

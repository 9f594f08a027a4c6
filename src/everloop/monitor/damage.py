"""What of the log cannot be read is set apart and named; everything beside it is read.

A segment is damaged where a record is cut off or does not match its checksum: the records before
it are shipped, and its rest lies from then on in ``log/quarantine``, for whoever can mend it. A
part in the object store whose content is not what its digest says is left out of every reading.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from everloop.replacing import replace_file

FOLDER = "quarantine"


class Damage(msgspec.Struct, frozen=True):
    """One thing that cannot be read.

    ``endpoint`` is empty for the rest of a segment, which may concern each; ``at`` is when it was
    found, in ms.
    """

    name: str
    what: str
    bytes: int
    at: int
    endpoint: str = ""

    def sentence(self) -> str:
        if self.endpoint:
            return f"{self.what} cannot be read: its rows are left out"
        kept = f"{self.bytes:,} bytes were set apart as log/{FOLDER}/{self.name}"
        return f"{self.what} cannot be read: {kept}"


class Quarantine:
    """The folder of what was set apart; several processes may use it at once."""

    def __init__(self, log: Path) -> None:
        self.folder = log / FOLDER

    def take_rest(self, path: Path, end: int) -> bool:
        """Copy what lies behind the last good record of a segment; False without such a rest."""
        with path.open("rb") as file:
            file.seek(end)
            rest = file.read()
        place = self.folder / f"{path.parent.name}-{path.name}.{end}"
        if not rest or place.exists():
            return False
        replace_file(place, rest)
        return True

    def note_part(self, endpoint: str, number: int, digest: str, why: str) -> None:
        """Remember a part that could not be read; once."""
        place = self.folder / f"part-{digest[:16]}.json"
        if not place.exists():
            noted = {"endpoint": endpoint, "part": number, "why": why}
            replace_file(place, msgspec.json.encode(noted))

    def listing(self) -> list[Damage]:
        """Everything that was set apart, oldest first."""
        found = [_damage(path) for path in self.folder.glob("[!.]*")]
        return sorted(found, key=lambda damage: (damage.at, damage.name))


def _damage(path: Path) -> Damage:
    stat = path.stat()
    at = int(stat.st_mtime * 1000)
    if path.suffix == ".json":
        noted = msgspec.json.decode(path.read_bytes())
        what = f"part {noted['part']} of the log ({noted['why']})"
        return Damage(path.name, what, 0, at, noted["endpoint"])
    segment, _, end = path.name.rpartition(".")
    what = f"the segment {segment} from byte {int(end):,} on"
    return Damage(path.name, what, stat.st_size, at)

"""A folder's own stores as the target, in this process."""

from __future__ import annotations

from pathlib import Path

from everloop.registry.signing import Keys
from everloop.settings import Settings, state_dir
from everloop.store.blobs import Blobs, blobs_url
from everloop.store.database import Database, database_url
from everloop.store.events import EventLog
from everloop.tracking.artifacts.paths import join, key_of
from everloop.tracking.artifacts.store import ArtifactStore
from everloop.tracking.client._base import Target
from everloop.tracking.ingest import Ingest
from everloop.tracking.runs import RunStore
from everloop.tracking.wire import decode_record


class LocalTarget(Target):
    """The stores of the project in ``folder``; they are opened when they are first needed."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.name = str(folder)
        self._settings = settings
        self._state = state_dir(folder)
        self._state.mkdir(parents=True, exist_ok=True)
        self._db = Database(database_url(self._state, settings))
        self._ingest: Ingest | None = None

    def send(self, run: str, record: bytes) -> None:
        self._opened().keep(decode_record(record))

    def put_file(self, run: str, name: str, file: Path) -> None:
        location = self._opened().runs.get(run).location
        blobs = Blobs(blobs_url(self._state, self._settings))
        ArtifactStore(self._db, blobs).put_file(join(key_of(location), name), file)

    def url(self, run: str) -> str | None:
        return None

    def close(self) -> None:
        self._db.close()

    def _opened(self) -> Ingest:
        if self._ingest is None:
            self._db.upgrade()
            events = EventLog(self._db, Keys.load_or_create(self._state / "keys"))
            self._ingest = Ingest(RunStore(self._db, events))
        return self._ingest

"""A project: one folder, its state, and the small stores that read and write it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from everloop.data.versions import DatasetStore
from everloop.deploy.endpoints import EndpointStore
from everloop.deploy.package import Package, read_package
from everloop.deploy.packaging import materialise
from everloop.deploy.rollouts import RolloutStore
from everloop.deploy.serving.standing import (
    KNOWN_S,
    Standing,
    read_reports,
    read_standing,
)
from everloop.deploy.state import Bounds, LogRules
from everloop.durations import milliseconds
from everloop.errors import InvalidInput
from everloop.loop.approving import DecisionStore
from everloop.loop.cycles import CycleStore
from everloop.loop.declaration import FILE_NAME, Declaration, load_file
from everloop.loop.hiding import rules_of
from everloop.loop.pausing import PauseStore
from everloop.loop.step_logs import StepLogStore
from everloop.monitor.alerting.channels._base import Channel, Surroundings, channel_of
from everloop.monitor.alerting.desk import AlertDesk
from everloop.monitor.health import HealthStore
from everloop.monitor.importing import Importer
from everloop.monitor.keeping import LogKeeper
from everloop.monitor.log import PredictionLog
from everloop.monitor.marks import MarkStore
from everloop.monitor.quality.expectations import parse_expectations
from everloop.monitor.receiving import Receiver
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.watch import Watch
from everloop.monitor.windows import WindowStore
from everloop.registry.models import ModelStore, ModelVersion
from everloop.registry.signing import Keys
from everloop.registry.webhooks.guard import allowed_hosts
from everloop.registry.webhooks.store import WebhookStore
from everloop.registry.webhooks.vault import Vault
from everloop.settings import Settings, load_settings, state_dir
from everloop.store.blobs import Blobs, blobs_url
from everloop.store.database import Database, database_url
from everloop.store.events import EventLog
from everloop.store.people import PeopleStore
from everloop.store.sessions import SessionStore
from everloop.tracking.artifacts.store import ArtifactStore
from everloop.tracking.deletion.collect import RETENTION, collect
from everloop.tracking.deletion.collection import Collected, Progress
from everloop.tracking.experiments import ExperimentStore
from everloop.tracking.inputs import InputStore
from everloop.tracking.logged_models import LoggedModelStore
from everloop.tracking.moving.queue import MoveStore
from everloop.tracking.runs import RunStore
from everloop.tracking.views import ViewStore


class Project:
    """Everything of one project folder, opened.

    Use :meth:`open`; it creates ``.everloop/`` and brings the database up to date. Stores are safe
    to share between threads. Close it, or use it as a context manager.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.dir = folder
        self.settings = settings
        self.state = state_dir(folder)
        self.keys = Keys.load_or_create(self.state / "keys")
        self.db = Database(database_url(self.state, settings))
        self.db.upgrade()
        self.blobs = Blobs(blobs_url(self.state, settings))
        self.events = EventLog(self.db, self.keys)
        self.datasets = DatasetStore(self.db, self.blobs)
        self.endpoints = EndpointStore(self.db, self.events)
        self.rollouts = RolloutStore(self.db, self.events)
        self.registry = ModelStore(self.db, self.events, serving=self.endpoints.serving)
        hosts = allowed_hosts(settings.webhook_hosts)
        self.webhooks = WebhookStore(self.db, self.events, Vault(self.keys), hosts)
        self.experiments = ExperimentStore(self.db, self.events)
        self.runs = RunStore(self.db, self.events)
        self.views = ViewStore(self.db, self.events)
        self.inputs = InputStore(self.db)
        self.logged_models = LoggedModelStore(self.db)
        self.artifacts = ArtifactStore(self.db, self.blobs)
        self.moves = MoveStore(self.db, self.events)
        self.cycles = CycleStore(self.db, self.events)
        self.step_logs = StepLogStore(self.db)
        self.people = PeopleStore(self.db, self.events)
        self.sessions = SessionStore(
            self.db,
            self.events,
            self.people,
            milliseconds(settings.session_idle, "settings.session_idle"),
            milliseconds(settings.session_life, "settings.session_life"),
        )
        self.decisions = DecisionStore(self.db, self.events, self.people)
        self.pauses = PauseStore(self.db, self.events)
        self.log = PredictionLog(self.db, self.blobs, self.state / "log")
        self.importer = Importer(self.db, self.blobs)
        self.marks = MarkStore(self.db)
        self.windows = WindowStore(self.db)
        self.receiver = Receiver(self.db, self.state / "log")
        self.log_keeper = LogKeeper(self.db, self.blobs, self.events)
        self.watch = Watch(self.db, self.log, self.events)
        # Evaluates a loop's windows, by its name, where this process is to stay small.
        self.windows_elsewhere: Callable[[str], None] | None = None
        # A step is likely soon: whoever runs the steps may begin to get ready for it.
        self.step_soon: Callable[[], None] = _nothing
        around = Surroundings(os.environ, folder, hosts)
        self.health = HealthStore(self.db)
        self.alerts = AlertDesk(
            self.windows, self.events, self._channels, around, self.cycles.outcome
        )

    @classmethod
    def open(cls, folder: Path | str = ".", settings: Settings | None = None) -> Project:
        """Open a folder, with the settings of its loop file and the environment."""
        path = Path(folder).resolve()
        if settings is None:
            file = path / FILE_NAME
            settings = load_file(file).settings if file.exists() else load_settings()
        state_dir(path).mkdir(parents=True, exist_ok=True)
        return cls(path, settings)

    def close(self) -> None:
        self.db.close()

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what is declared ------------------------------------------------------------------------

    def sync_file(self) -> Declaration | None:
        """Record the folder's loop file, if there is one, and return what it declares."""
        file = self.dir / FILE_NAME
        if not file.exists():
            return None
        declaration = load_file(file).declaration
        self.cycles.save_loop(declaration, actor="file")
        return declaration

    # -- what was deleted ------------------------------------------------------------------------

    def gc(
        self,
        older_than: int = RETENTION,
        *,
        dry_run: bool = False,
        actor: str = "python",
        on_progress: Progress | None = None,
    ) -> Collected:
        """Free what was deleted more than ``older_than`` milliseconds ago, and unused blobs."""
        log_rows = self.tidy_log(actor, dry_run=dry_run)
        done = collect(
            self.db,
            self.blobs,
            self.events,
            actor=actor,
            older_than=older_than,
            dry_run=dry_run,
            on_progress=on_progress,
        )
        done.log_rows = log_rows
        return done

    def tidy_log(self, actor: str, *, dry_run: bool = False) -> int:
        """Delete what of the prediction logs is past ``monitor.log.keep``, merge small parts, and
        delete shipped segments of this machine; returns the rows deleted."""
        rows = 0
        for declared in self.cycles.declarations():
            if keep := declared.monitor.log.keep:
                age = milliseconds(keep, "monitor.log.keep")
                expired = self.log_keeper.expire(declared.endpoint, age, actor, dry_run=dry_run)
                rows += expired.rows
        if not dry_run:
            self.log_keeper.let_go()
            for endpoint in sorted(self.log_keeper.mergeable()):
                self.log_keeper.compact(endpoint)
            self.log.purge()
            self.log.halves.forget()
        return rows

    def declared_monitor(self, endpoint: str) -> MonitorSpec:
        """What the loop of an endpoint declares of its monitoring; the defaults without a loop."""
        for declared in self.cycles.declarations():
            if declared.endpoint == endpoint:
                return declared.monitor
        return MonitorSpec()

    def _channels(self, endpoint: str) -> dict[str, Channel]:
        """Where the loop of an endpoint tells its alerts, by name."""
        declared = self.declared_monitor(endpoint).channels
        return {
            name: channel_of(table, f"monitor.channels.{name}") for name, table in declared.items()
        }

    # -- packages --------------------------------------------------------------------------------

    def package(self, version: ModelVersion) -> tuple[Path, Package]:
        """A version's package in the local cache, every hash and the signature checked."""
        digest = version.package_digest()
        folder = materialise(version.files, self.blobs, self.state / "packages", digest)
        return folder, read_package(folder, self.keys)

    def champion(self, model: str) -> ModelVersion | None:
        """The version that serves, or None before the first promotion."""
        number = self.registry.alias(model, "champion")
        return None if number is None else self.registry.version(model, number)

    # -- the data plane --------------------------------------------------------------------------

    @property
    def serving_dir(self) -> Path:
        return self.state / "serving"

    def publish(self) -> int:
        """Write the desired state for the data plane from the database; returns its revision."""
        rules, expected = self.log_rules(), self.expected_values()
        found = self.endpoints.publish(self.state, self.registry, self.blobs, rules, expected)
        return found.revision

    def log_rules(self) -> dict[str, LogRules]:
        """What may be logged, by endpoint, where a loop says so."""
        found = {}
        for declared in self.cycles.declarations():
            rules = rules_of(declared.monitor.log, declared.data.id)
            if rules is not None:
                found[declared.endpoint] = rules
        return found

    def expected_values(self) -> dict[str, dict[str, Bounds]]:
        """What the values of requests should be, by endpoint, where a loop's file says so.

        A file that cannot be read is left out here, and told of where windows are looked at.
        """
        found = {}
        for declared in self.cycles.declarations():
            path = self.dir / declared.monitor.expectations
            with suppress(InvalidInput, FileNotFoundError, IsADirectoryError):
                said = msgspec.to_builtins(parse_expectations(path).features)
                found[declared.endpoint] = msgspec.convert(said, dict[str, Bounds])
        return found

    def serving(self) -> Standing | None:
        """The data plane that is furthest behind, or None when none is known to run."""
        return min(self.planes(), key=lambda plane: plane.revision, default=None)

    def planes(self) -> list[Standing]:
        """Every data plane that is known to run: on this folder, and on other machines."""
        own = read_standing(self.serving_dir)
        return [*([] if own is None else [own]), *read_reports(self.serving_dir)]

    def remote_planes(self) -> list[Standing]:
        """What the data planes on other machines said last, those that are silent now too."""
        return read_reports(self.serving_dir, KNOWN_S)

    def supervisor(self) -> dict[str, str] | None:
        """Addresses of the ``everloop up`` that runs on this folder, or None."""
        try:
            info: dict[str, str] = json.loads((self.state / "up.json").read_text())
            os.kill(int(info["pid"]), 0)
        except (OSError, ValueError, KeyError):
            return None
        return info


def _nothing() -> None:
    """Nobody here runs steps."""

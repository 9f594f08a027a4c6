"""Moving out: a project's experiments, runs, models and artifacts into an MLflow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec
import sqlalchemy as sa

from everloop.store.database import Database
from everloop.store.tables import experiments, logged_models, models, runs
from everloop.tracking.artifacts.store import ArtifactStore
from everloop.tracking.experiments import ARTIFACTS
from everloop.tracking.moving.census import Census, reconcile
from everloop.tracking.moving.importing import Imported, Tell
from everloop.tracking.moving.plan import ORIGIN
from everloop.tracking.moving.reading import (
    read_experiments,
    read_logged_models,
    read_model,
    read_points,
    read_runs,
)
from everloop.tracking.moving.records import (
    MovedExperiment,
    MovedLoggedModel,
    MovedModel,
    MovedRun,
    without,
)
from everloop.tracking.moving.sources.base import BATCH, Source, Totals
from everloop.tracking.moving.targets.base import Target
from everloop.tracking.moving.targets.rest import MODEL_ID, RUN_ID, RestTarget
from everloop.tracking.records import MODEL_VERSIONS, RUN_NAME

T = TypeVar("T")


class Export:
    """One export of ``db`` into ``target``; again, it adds what is new."""

    def __init__(
        self, db: Database, artifacts: ArtifactStore, target: Target, *,
        with_artifacts: bool = True, tell: Tell = lambda what, done, total: None,
    ) -> None:  # fmt: skip
        self.db = db
        self.artifacts = artifacts
        self.target = target
        self.with_artifacts = with_artifacts
        self.tell = tell
        self.theirs, self.ours = Census(), Census()
        self.back: dict[str, str] = {}  # id of a run or logged model there: its id here
        self._files = self._runs = 0

    def run(self) -> Imported:
        """Export everything, read it back, and compare both sides."""
        with self.db.read() as conn:
            found = read_experiments(conn)
            totals = self._totals(conn)
        source = self.target.source()
        try:
            put = []
            for number, one in enumerate(found, 1):
                put.append(self._experiment(one, source))
                self.tell("experiments", number, len(found))
            self._experiments_back(put, source)
            self._models(source)
        finally:
            source.close()
        return Imported(
            source=self.target.shown,
            lines=reconcile(self.theirs, self.ours),
            renamed={},
            notes=self.target.notes(),
            totals=totals,
        )

    @staticmethod
    def _totals(conn: sa.Connection) -> Totals:
        counts = [
            int(conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
            for table in (experiments, runs, models)
        ]
        return Totals(experiments=counts[0], runs=counts[1], points=None, models=counts[2])

    def _experiment(self, one: MovedExperiment, source: Source) -> MovedExperiment:
        """Put an experiment with all that is in it; as it is there."""
        one = msgspec.structs.replace(one, tags=without(one.tags, ORIGIN))
        id = self.target.experiment(one)
        wanted = msgspec.structs.replace(one, id=id)
        with self.db.read() as conn:
            ids = list(
                conn.execute(
                    sa.select(runs.c.id).where(runs.c.experiment == one.id).order_by(runs.c.number)
                ).scalars()
            )
            query = sa.select(logged_models.c.id).where(logged_models.c.experiment == one.id)
            trained = list(conn.execute(query.order_by(logged_models.c.id)).scalars())
        # Runs name the models they made, models the run that made them, and what is deleted takes
        # nothing more.
        for part in _parts(ids, BATCH):
            self._points(id, part)
        for part in _parts(trained, BATCH):
            self._logged_models(id, part)
        for part in _parts(ids, BATCH):
            self._settle(id, part)
        if isinstance(self.target, RestTarget) and one.deleted is not None:
            self.target.delete_experiment(id)
        self.ours.add_experiment(wanted)
        self._read_back(id, source)
        return wanted

    def _points(self, experiment: int, ids: Sequence[str]) -> None:
        with self.db.read() as conn:
            there = self.target.runs([_moved(run, experiment) for run in read_runs(conn, ids)])
            self.back |= {new: old for old, new in there.items()}
            for points in read_points(conn, ids):
                self.target.points([p._replace(run=there[p.run]) for p in points])
                self.ours.add_points(points)

    def _settle(self, experiment: int, ids: Sequence[str]) -> None:
        with self.db.read() as conn:
            found = read_runs(conn, ids)
        moved = [_moved(run, experiment) for run in found]
        self.target.settle(moved)
        self.ours.add_runs(moved if self.target.exact else map(_named, moved))
        for run, own in zip(found, moved, strict=True):
            self._send_files("run", run.id, run.location, own.location)
        self._runs += len(found)
        self.tell("runs", self._runs, None)

    def _logged_models(self, experiment: int, ids: Sequence[str]) -> None:
        with self.db.read() as conn:
            found = read_logged_models(conn, ids)
        moved = [
            msgspec.structs.replace(
                one, experiment=experiment, location=_at(one.location, one.experiment, experiment)
            )
            for one in found
        ]
        self.target.logged_models(moved)
        kept = moved if self.target.exact else [one for one in moved if one.deleted is None]
        self.ours.add_logged_models(self._neutral(one) for one in kept)
        for before, one in zip(found, moved, strict=True):
            self._send_files("model", one.id, before.location, one.location)

    def _send_files(self, kind: str, id: str, location: str, there: str) -> None:
        if not self.with_artifacts or not location.startswith(ARTIFACTS):
            return
        folder = location.removeprefix(ARTIFACTS).lstrip("/")
        key = there.removeprefix(ARTIFACTS).lstrip("/")
        for entry in self.artifacts.walk(folder):
            path, size = entry.path.removeprefix(folder + "/"), entry.size or 0
            if not self.target.has_file(kind, id, key, path, size):
                self.target.put_file(kind, id, key, path, self.artifacts.read(entry.path))
            self.ours.add_file(id, path, size, "")
            self._files += 1
            self.tell("artifacts", self._files, None)

    def _models(self, source: Source) -> None:
        with self.db.read() as conn:
            names = list(conn.execute(sa.select(models.c.name).order_by(models.c.name)).scalars())
        for number, name in enumerate(names, 1):
            with self.db.read() as conn:
                one = read_model(conn, name)
            if one is not None:
                one = msgspec.structs.replace(one, tags=without(one.tags, ORIGIN))
                self.target.model(one)
                self.ours.add_model(self._neutral_model(one))
            self.tell("registered models", number, len(names))
        own = set(names)
        for one in source.models():
            if one.name in own:
                self.theirs.add_model(self._neutral_model(one))

    # -- reading back ----------------------------------------------------------------------------

    def _experiments_back(self, put: Sequence[MovedExperiment], source: Source) -> None:
        wanted = {one.id: one.tags for one in put}
        for found in source.experiments():
            if found.id in wanted:
                tags = {k: v for k, v in found.tags.items() if k in wanted[found.id]}
                self.theirs.add_experiment(msgspec.structs.replace(found, tags=tags))

    def _read_back(self, id: int, source: Source) -> None:
        for batch in source.logged_models(id):
            for model in batch:
                own = model.tags.get(MODEL_ID, model.id)
                self.back[model.id] = own
                back = msgspec.structs.replace(model, id=own, tags=without(model.tags, MODEL_ID))
                self.theirs.add_logged_models([self._neutral(back)])
                self._count_files(source, model.location, "model", model.id)
        for runs_there in source.runs(id):
            mine = [run for run in runs_there if run.id in self.back]
            self.theirs.add_runs(self._own_run(run) for run in mine)
            for points in source.points(mine):
                self.theirs.add_points([p._replace(run=self.back[p.run]) for p in points])
            for run in mine:
                self._count_files(source, run.location, "run", run.id)

    def _own_run(self, run: MovedRun) -> MovedRun:
        used = sorted(use._replace(model=self.back.get(use.model, use.model)) for use in run.models)
        return msgspec.structs.replace(
            run, id=self.back[run.id], models=used, tags=without(run.tags, RUN_ID)
        )

    def _count_files(self, source: Source, location: str, kind: str, id: str) -> None:
        own = location.startswith(ARTIFACTS)
        tree = source.places.open(location, kind, id) if self.with_artifacts and own else None
        if tree is not None:
            for file in tree.files():
                self.theirs.add_file(self.back.get(id, id), file.path, file.size or 0, "")

    def _neutral(self, one: MovedLoggedModel) -> MovedLoggedModel:
        """What a server does not take as it is, left out of the comparison."""
        if self.target.exact:
            return one
        run = self.back.get(one.run or "", one.run)
        metrics = [m._replace(run=self.back.get(m.run, m.run)) for m in one.metrics]
        metrics.sort(key=str)
        tags = without(one.tags, MODEL_VERSIONS)
        return msgspec.structs.replace(
            one, created=0, run=run, metrics=metrics, message=None, tags=tags
        )

    def _neutral_model(self, one: MovedModel) -> MovedModel:
        if self.target.exact:
            return one
        versions = [
            msgspec.structs.replace(
                version, created=0, source=None, run=self.back.get(version.run or "", version.run),
                user=None, status_message=None, status="READY",
            )
            for version in one.versions
        ]  # fmt: skip
        return msgspec.structs.replace(one, created=0, versions=versions)


def _named(run: MovedRun) -> MovedRun:
    """A run as a server keeps it: its name is a tag too."""
    return msgspec.structs.replace(run, tags={**run.tags, RUN_NAME: run.name})


def _moved(run: MovedRun, experiment: int) -> MovedRun:
    """A run in the experiment that it has there."""
    location = _at(run.location, run.experiment, experiment)
    return msgspec.structs.replace(run, experiment=experiment, location=location)


def _at(location: str, before: int, now: int) -> str:
    """A location that this server keeps, in the experiment that it has there."""
    start = f"{ARTIFACTS}/{before}/"
    return (
        f"{ARTIFACTS}/{now}/{location.removeprefix(start)}"
        if location.startswith(start)
        else location
    )


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]

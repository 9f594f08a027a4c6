"""An MLflow moves in: one pass over it, each batch written, read back and counted on both sides.

Nothing is held but a batch, and each batch is repeatable: an import that was cut off is started
again, and one that is done changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.tracking.artifacts.store import ArtifactStore
from everloop.tracking.experiments import ARTIFACTS
from everloop.tracking.moving.census import Census, Line, reconcile
from everloop.tracking.moving.files import Copied, copy_tree
from everloop.tracking.moving.keeping import Keeper, newest_of
from everloop.tracking.moving.plan import ORIGIN, Target, origin, plan_experiments, plan_models
from everloop.tracking.moving.reading import (
    read_experiments,
    read_logged_models,
    read_model,
    read_points,
    read_runs,
)
from everloop.tracking.moving.records import (
    Latest,
    MovedExperiment,
    MovedLoggedModel,
    MovedModel,
    MovedRun,
    Texts,
    without,
)
from everloop.tracking.moving.sources.base import Source, Totals

Tell = Callable[[str, int, int | None], None]
"""Hears of progress: what is moved, how much of it is done, and how much there is."""


class ImportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to import.

    ``merge`` puts what comes into experiments and models of the same name, ``rename_with`` ends
    the names of those that come and are taken. Without ``checksums`` what is here already is
    known by its counts and sizes, and not read again.
    """

    artifacts: bool = True
    merge: bool = False
    rename_with: str = ""
    checksums: bool = True
    actor: str = "import"


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did: both sides counted, and what else there is to say."""

    source: str
    lines: list[Line]
    renamed: dict[str, str]
    notes: list[str]
    totals: Totals
    dry_run: bool = False

    @property
    def ok(self) -> bool:
        """Whether both sides are equal."""
        return all(line.equal for line in self.lines)


class Import:
    """One import of ``source`` into ``db``."""

    def __init__(
        self, source: Source, db: Database, events: EventLog, artifacts: ArtifactStore,
        options: ImportOptions, tell: Tell = lambda what, done, total: None,
    ) -> None:  # fmt: skip
        self.source = source
        self.db = db
        self.artifacts = artifacts
        self.options = options
        self.tell = tell
        self.keeper = Keeper(db, events)
        self.theirs, self.ours = Census(), Census()
        self.totals = source.totals()
        self.notes: list[str] = []
        self.moved: dict[str, str] = {}  # place there: place here
        self._runs = self._points = self._files = 0

    def run(self) -> Imported:
        """Import, and compare both sides.

        Raises :class:`~everloop.errors.Conflict` before anything is written when names are taken.
        """
        found, targets, models = self._plan()
        for number, one in enumerate(found):
            self.tell("experiments", number, len(found))
            self._experiment(one, targets[one.id])
        self.tell("experiments", len(found), len(found))
        for number, model in enumerate(self.source.models(), 1):
            self._model(model, models[model.name])
            self.tell("registered models", number, self.totals.models)
        return self._report(found, targets, models)

    def dry_run(self) -> Imported:
        """What there is, what would be renamed; nothing is written."""
        found, targets, models = self._plan()
        report = self._report(found, targets, models)
        return msgspec.structs.replace(report, lines=[], dry_run=True)

    def _plan(self) -> tuple[list[MovedExperiment], dict[int, Target], dict[str, Target]]:
        found = self.source.experiments()
        names = self.source.model_names()
        shown, how = self.source.shown, (self.options.merge, self.options.rename_with)
        with self.db.read() as conn:
            return (
                found,
                plan_experiments(conn, shown, found, *how),
                plan_models(conn, shown, names, *how),
            )

    def _report(
        self, found: list[MovedExperiment], targets: dict[int, Target], models: dict[str, Target]
    ) -> Imported:
        renamed = {
            one.name: targets[one.id].name for one in found if targets[one.id].name != one.name
        }
        renamed |= {name: t.name for name, t in models.items() if t.name != name}
        return Imported(
            source=self.source.shown,
            lines=reconcile(self.theirs, self.ours),
            renamed=renamed,
            notes=[*self.source.notes(), *dict.fromkeys(self.notes)],
            totals=self.totals,
        )

    # -- experiments and runs --------------------------------------------------------------------

    def _experiment(self, one: MovedExperiment, target: Target) -> None:
        shown = self.source.shown
        wanted = msgspec.structs.replace(
            one,
            name=target.name,
            location=None if self.options.artifacts else one.location,
            tags=without(one.tags, ORIGIN),
        )
        id = target.id
        if id is None:
            id = self.keeper.add_experiment(wanted, (ORIGIN, origin(shown, one.id)))
        wanted = msgspec.structs.replace(wanted, id=id)
        if not target.own:
            with self.db.read() as conn:
                here = read_experiments(conn, [id])[0]
            wanted = msgspec.structs.replace(wanted, deleted=here.deleted)
        self.keeper.update_experiment(wanted, whole=target.own)
        self._move_location(one.location, f"{ARTIFACTS}/{id}")
        for models in self.source.logged_models(one.id):
            self._logged_models(wanted, models)
        for runs in self.source.runs(one.id):
            self._batch(wanted, runs)
        with self.db.read() as conn:
            kept = read_experiments(conn, [id])[0]
        self.theirs.add_experiment(wanted)
        self.ours.add_experiment(msgspec.structs.replace(kept, tags=_only(kept.tags, wanted.tags)))

    def _batch(self, experiment: MovedExperiment, runs: Sequence[MovedRun]) -> None:
        wanted = [self._wanted_run(experiment, run) for run in runs]
        missing = self.keeper.incomplete(wanted, self.source.counts(runs))
        numbers = self.keeper.keep_runs(wanted)
        short = {run.id for run in missing}
        read = [run.id for run in (wanted if self.options.checksums else missing)]
        chosen = set(read)
        newest: dict[tuple[str, str], Latest] = {}
        for points in self.source.points([run for run in runs if run.id in chosen]):
            self.theirs.add_points(points)
            fresh = [point for point in points if point.run in short]
            self.keeper.keep_points(fresh, numbers)
            newest_of(fresh, newest)
            self._points += len(points)
            self.tell("points", self._points, self.totals.points)
        self.keeper.keep_newest(newest, wanted, numbers)
        self._copy_all("run", [(run.id, run.location, own.location)
                               for run, own in zip(runs, wanted, strict=True)])  # fmt: skip
        ids = [run.id for run in wanted]
        with self.db.read() as conn:
            kept = {run.id: run for run in read_runs(conn, ids)}
            for points in read_points(conn, read):
                self.ours.add_points(points)
        self.theirs.add_runs(wanted)
        self.ours.add_runs(
            msgspec.structs.replace(kept[run.id], tags=_only(kept[run.id].tags, run.tags))
            for run in wanted
            if run.id in kept
        )
        self._runs += len(runs)
        self.tell("runs", self._runs, self.totals.runs)

    def _wanted_run(self, experiment: MovedExperiment, run: MovedRun) -> MovedRun:
        # What was deleted together comes back together.
        deleted = run.deleted if experiment.deleted is None else experiment.deleted
        own = f"{ARTIFACTS}/{experiment.id}/{run.id}/artifacts"
        return msgspec.structs.replace(
            run,
            experiment=experiment.id,
            deleted=None if run.deleted is None else deleted,
            location=self._place(run.location, own, "run", run.id),
        )

    # -- logged models ---------------------------------------------------------------------------

    def _logged_models(
        self, experiment: MovedExperiment, found: Sequence[MovedLoggedModel]
    ) -> None:
        wanted = [self._wanted_model(experiment, one) for one in found]
        self.keeper.keep_logged_models(wanted)
        self._copy_all("model", [(one.id, one.location, own.location)
                                 for one, own in zip(found, wanted, strict=True)])  # fmt: skip
        with self.db.read() as conn:
            kept = read_logged_models(conn, [one.id for one in wanted])
        self.theirs.add_logged_models(wanted)
        self.ours.add_logged_models(kept)

    def _wanted_model(self, experiment: MovedExperiment, one: MovedLoggedModel) -> MovedLoggedModel:
        own = f"{ARTIFACTS}/{experiment.id}/models/{one.id}/artifacts"
        return msgspec.structs.replace(
            one,
            experiment=experiment.id,
            location=self._place(one.location, own, "model", one.id),
        )

    # -- the registry ----------------------------------------------------------------------------

    def _model(self, model: MovedModel, target: Target) -> None:
        versions = [
            msgspec.structs.replace(
                one,
                source=self._moved(one.source),
                location=self._moved(one.location),
            )
            for one in model.versions
        ]
        wanted = msgspec.structs.replace(
            model, name=target.name, versions=versions, tags=without(model.tags, ORIGIN)
        )
        where = origin(self.source.shown, model.name)
        tagged = msgspec.structs.replace(wanted, tags=wanted.tags | {ORIGIN: where})
        self.keeper.keep_model(
            tagged if target.own else wanted,
            actor=self.options.actor, origin=where, merge=not target.own,
        )  # fmt: skip
        with self.db.read() as conn:
            kept = read_model(conn, wanted.name)
        self.theirs.add_model(wanted)
        if kept is not None:
            self.ours.add_model(_only_wanted(kept, wanted, target.own))

    # -- artifacts -------------------------------------------------------------------------------

    def _place(self, there: str, here: str, kind: str, id: str) -> str:
        """The location that something has from now on."""
        if not self.options.artifacts or self.source.places.open(there, kind, id) is None:
            if self.options.artifacts:
                self.notes.append(f"Artifacts at {there} stay there: no way to read them here.")
            return there
        self._move_location(there, here)
        return here

    def _copy_all(self, kind: str, owners: Sequence[tuple[str, str, str]]) -> None:
        if not self.options.artifacts:
            return
        for id, there, here in owners:
            if there == here and not here.startswith(ARTIFACTS):
                continue
            tree = self.source.places.open(there, kind, id)
            if tree is None:
                continue
            folder = here.removeprefix(ARTIFACTS).lstrip("/")
            known = self.options.checksums
            for copied in copy_tree(tree, self.artifacts, folder, always=known):
                self._count_file(id, copied)
            for entry in self.artifacts.walk(folder):
                path = entry.path.removeprefix(folder + "/")
                digest = (entry.digest or "") if known else ""
                self.ours.add_file(id, path, entry.size or 0, digest)

    def _count_file(self, id: str, copied: Copied) -> None:
        digest = copied.digest if self.options.checksums else ""
        self.theirs.add_file(id, copied.path, copied.size, digest)
        if copied.refused:
            self.notes.append(f"{copied.path} of {id} was not stored: {copied.refused}")
        self._files += 1
        self.tell("artifacts", self._files, None)

    def _move_location(self, there: str | None, here: str) -> None:
        if there and self.options.artifacts:
            self.moved[there.rstrip("/")] = here

    def _moved(self, uri: str | None) -> str | None:
        """A URI that lay where something was moved from, as it is from now on."""
        place = uri
        while place:
            if place in self.moved:
                return self.moved[place] + (uri or "")[len(place) :]
            place = place.rpartition("/")[0]
        return uri


def _only(here: Texts, wanted: Texts) -> Texts:
    """What somebody added here meanwhile is no difference."""
    return {key: value for key, value in here.items() if key in wanted}


def _only_wanted(kept: MovedModel, wanted: MovedModel, own: bool) -> MovedModel:
    numbers = {one.version: one for one in wanted.versions}
    versions = [
        msgspec.structs.replace(one, tags=_only(one.tags, numbers[one.version].tags))
        for one in kept.versions
        if one.version in numbers
    ]
    aliases = {k: v for k, v in kept.aliases.items() if k in wanted.aliases}
    kept = msgspec.structs.replace(
        kept, tags=_only(kept.tags, wanted.tags), aliases=aliases, versions=versions
    )
    if own:
        return kept
    return msgspec.structs.replace(kept, description=wanted.description, created=wanted.created)

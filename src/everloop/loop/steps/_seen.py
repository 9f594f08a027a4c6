"""What the champion and other stored versions answer to the rows of a snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.columns import as_text
from everloop.data.encode import encode_target
from everloop.data.schema import Schema
from everloop.data.splits import millis
from everloop.deploy.package import place_of_tested
from everloop.errors import EverloopError, NotFound
from everloop.evaluate.answers import Answers
from everloop.loop.answers import PackagedModel
from everloop.loop.considered import LOOK_BACK, found_params, trained_until
from everloop.loop.project import Project
from everloop.loop.steps._base import StepContext
from everloop.loop.steps._challenger import schema_of, training_rows
from everloop.registry.models import ModelVersion
from everloop.update.losses import row_losses
from everloop.update.methods import Champion
from everloop.update.situation import RECENT
from everloop.update.windows import LEAST_ROWS, change_start

MOST = 8  # stored versions that are asked
UNFIT = ("declined", "rolled_back", "failed")  # verdicts on a version that is not asked


def champion_from(project: Project, version: ModelVersion, served: bool = True) -> Champion:
    """A stored version as methods see it, its package at hand: the model that was tested."""
    folder, package = project.package(version)
    return _champion(project, version, place_of_tested(folder), package.schema, served)


def served_from(project: Project, version: ModelVersion) -> Champion:
    """The version as it is served, which may have seen the rows that tested it."""
    folder, package = project.package(version)
    return _champion(project, version, folder, package.schema, served=True)


def _champion(
    project: Project, version: ModelVersion, folder: Path, schema: Schema, served: bool
) -> Champion:
    return Champion(
        version=version.version,
        algorithm=version.algorithm or "",
        params=found_params(project, version),
        folder=folder,
        schema=schema,
        until=trained_until(project, version),
        served=served,
    )


def unseen_rows(
    project: Project, version: ModelVersion, frame: pl.DataFrame, schema: Schema
) -> NDArray[np.bool_]:
    """Which rows of a table a version was neither trained nor tested on: by time, else by id."""
    if schema.time is not None:
        return np.asarray(millis(frame, schema.time) > trained_until(project, version))
    if schema.id is None or schema.id not in frame.columns or version.dataset is None:
        return np.zeros(frame.height, dtype=np.bool_)
    try:
        known = project.datasets.load(version.dataset)
    except NotFound:
        return np.zeros(frame.height, dtype=np.bool_)
    if schema.id not in known.columns:
        return np.zeros(frame.height, dtype=np.bool_)
    met = as_text(frame[schema.id]).is_in(as_text(known[schema.id]).implode())
    return np.asarray(~met.to_numpy())


def tested_rows(
    project: Project, version: ModelVersion, frame: pl.DataFrame, schema: Schema
) -> NDArray[np.bool_]:
    """Which rows of a table a version was tested on: by id, else by time."""
    step = project.cycles.step(version.cycle or "", "snapshot")
    first = int(((step.result if step else None) or {}).get("train_rows", 0))
    try:
        held = project.datasets.load(str(version.dataset), first)
    except NotFound:
        return np.zeros(frame.height, dtype=np.bool_)
    if schema.id is not None and schema.id in held.columns and schema.id in frame.columns:
        met = as_text(frame[schema.id]).is_in(as_text(held[schema.id]).implode())
        return np.asarray(met.to_numpy())
    if schema.time is None or schema.time not in held.columns or not held.height:
        return np.zeros(frame.height, dtype=np.bool_)
    times, theirs = millis(frame, schema.time), millis(held, schema.time)
    return np.asarray((times >= theirs.min()) & (times <= theirs.max()))


def met_in_window(
    project: Project, version: ModelVersion, frame: pl.DataFrame, schema: Schema
) -> int:
    """How many rows of a table a version was fitted on, because its window began late.

    0 for one that was fitted on all rows: what is held out by time of more rows begins later.
    """
    since = _own_since(project, version)
    if since is None or schema.time is None:
        return 0
    times = millis(frame, schema.time)
    until = fitted_until(project, version, schema.time)
    return int(((times >= since) & (times <= until)).sum())


def recent_rows(
    project: Project, version: ModelVersion, frame: pl.DataFrame, schema: Schema
) -> NDArray[np.bool_]:
    """Those of the unseen rows that are of the present: since the last change of the version's
    loss, where enough rows came since."""
    unseen = unseen_rows(project, version, frame, schema)
    new = np.flatnonzero(unseen)
    if schema.time is None or len(new) < 2 * LEAST_ROWS:
        return unseen
    times = millis(frame, schema.time)
    answers = PackagedModel.tested(*project.package(version)).answers(frame[new], schema)
    losses = np.full(frame.height, np.nan)
    losses[new] = row_losses(encode_target(frame[new], schema), answers, schema.numeric)
    since = change_start(losses, times)
    present = unseen if since is None else unseen & (times >= since)
    return present if int(present.sum()) >= 2 * LEAST_ROWS else unseen


def stored_versions(
    project: Project, model: str, champion: int
) -> Iterator[tuple[Champion, PackagedModel]]:
    """Other versions that could serve, at most :data:`MOST`: those that served come first, newest
    first; those that a person declined or a rollout turned down do not come."""
    served = _served(project, model)
    found = [v for v in project.registry.versions(model, limit=50) if v.version != champion]
    ordered = sorted(found, key=lambda v: (v.version not in served, -v.version))
    count = 0
    for version in ordered:
        if count == MOST:
            return
        if version.version not in served and _verdict(project, version) in UNFIT:
            continue
        try:
            known = champion_from(project, version, version.version in served)
            model_ = PackagedModel(known.folder, project.package(version)[1])
        except EverloopError:  # deleted, damaged, or made elsewhere for another runtime
            continue
        count += 1
        yield known, model_


class SnapshotSeen:
    """:class:`everloop.update.methods.Seen` of a cycle's training rows, or its first ``rows``."""

    def __init__(
        self, context: StepContext, champion: ModelVersion, rows: int | None = None
    ) -> None:
        self._context, self._champion, self._rows = context, champion, rows
        self._schema = schema_of(context)

    @cached_property
    def _frame(self) -> pl.DataFrame:
        if self._rows is None:
            return training_rows(self._context)
        dataset = self._context.results["snapshot"]["dataset"]
        return self._context.project.datasets.head(dataset, self._rows)

    def unseen(self) -> NDArray[np.bool_]:
        return unseen_rows(self._context.project, self._champion, self._frame, self._schema)

    def tested(self) -> NDArray[np.bool_]:
        return tested_rows(self._context.project, self._champion, self._frame, self._schema)

    def answers(self) -> Answers:
        model = PackagedModel.tested(*self._context.project.package(self._champion))
        return model.answers(self._frame, self._schema)

    def others(self) -> Iterator[tuple[Champion, Answers, NDArray[np.bool_]]]:
        project, name = self._context.project, self._context.declaration.name
        for known, model in stored_versions(project, name, self._champion.version):
            if (known.schema.task, known.schema.target) != (self._schema.task, self._schema.target):
                continue
            version = project.registry.version(name, known.version)
            try:
                answers = model.answers(self._frame, self._schema)
            except EverloopError:  # it reads a column that these rows do not have
                continue
            yield known, answers, unseen_rows(project, version, self._frame, self._schema)


def change_of(
    context: StepContext, champion: ModelVersion, frame: pl.DataFrame, schema: Schema
) -> int | None:
    """The event time (ms) from which the champion's losses have their present level.

    By its loss on the rows of a table that did not train it; where these are too few, by the
    monitors' record; else where the champion's own window began. None where nothing changed.
    """
    assert schema.time is not None, "a change is looked for in rows with a time"
    times = millis(frame, schema.time)
    judged = np.flatnonzero(times > fitted_until(context.project, champion, schema.time))
    if len(judged) < LEAST_ROWS:
        return _recorded(context) or _own_since(context.project, champion)
    answers = PackagedModel.tested(*context.project.package(champion)).answers(
        frame[judged], schema
    )
    losses = row_losses(encode_target(frame[judged], schema), answers, schema.numeric)
    found = change_start(losses, times[judged])
    return found if found is not None else _own_since(context.project, champion)


def fitted_until(project: Project, version: ModelVersion, time: str) -> int:
    """Event time of the newest row that a version was fitted on; the later ones that tested it
    say as much of a change as those that came after them."""
    step = project.cycles.step(version.cycle or "", "snapshot")
    rows = int(((step.result if step else None) or {}).get("train_rows", 0))
    try:
        known = project.datasets.load(str(version.dataset), rows=rows)
    except NotFound:
        return trained_until(project, version)
    if not known.height or time not in known.columns:
        return trained_until(project, version)
    return int(millis(known, time).max())


def _recorded(context: StepContext) -> int | None:
    """The start of the newest run of windows that drift far or score worse."""
    since = None
    endpoint = context.declaration.endpoint
    for window in context.project.windows.page(endpoint, limit=RECENT):
        if not (window.drifting_far or window.worse):
            break
        since = window.start
    return since


def _own_since(project: Project, version: ModelVersion) -> int | None:
    step = project.cycles.step(version.cycle or "", "snapshot")
    since: int | None = (((step.result if step else None) or {}).get("window") or {}).get("since")
    return since


def _served(project: Project, model: str) -> set[int]:
    """Versions that were promoted in the last cycles."""
    found = set()
    for cycle in project.cycles.page(model, limit=LOOK_BACK):
        version = cycle.version or cycle.cause.get("version")
        if cycle.verdict == "promoted" and version is not None:
            found.add(int(version))
    return found


def _verdict(project: Project, version: ModelVersion) -> str | None:
    try:
        return project.cycles.get(version.cycle or "").verdict
    except NotFound:
        return None

"""Serving without a feature that broke: what a decision must know, what the cycle leaves out, and
what the champion has of it meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import polars as pl

from everloop.data.schema import Schema
from everloop.loop.declaration import Declaration
from everloop.loop.project import Project
from everloop.monitor.inputs import feature_frame
from everloop.registry.models import ModelVersion
from everloop.update.situation import Situation

FALLBACK = "fallback"  # the kind of cause of such a cycle
VERSIONS = 20  # of the newest, among which one that does without is looked for
LOOK_BACK = 20  # cycles


def with_fallback(
    project: Project, declaration: Declaration, champion: ModelVersion, situation: Situation
) -> Situation:
    """The situation with what a fallback needs, where a feature broke and the policy has one."""
    newest, asked = situation.newest, declaration.update.fallback
    if newest is None or not newest.broken or asked == "wait":
        return situation
    attempted = _attempted(project, declaration.name, situation)
    without = None
    if asked == "version" and not attempted:
        without = _version_without(project, champion, newest.broken)
    read = project.package(champion)[1].schema.names
    return msgspec.structs.replace(
        situation, attempted=attempted, without=without, avoided=not set(newest.broken) & set(read)
    )


def _attempted(project: Project, loop: str, situation: Situation) -> bool:
    """Whether a cycle went round a fault since the data broke without a break."""
    since = situation.now
    for window in reversed(situation.windows):
        if not window.quarantined:
            break
        since = window.start
    recent = project.cycles.page(loop, limit=LOOK_BACK)
    return any(c.cause["kind"] == FALLBACK and c.cause["window"] >= since for c in recent)


def _version_without(project: Project, champion: ModelVersion, broken: Sequence[str]) -> int | None:
    for version in project.registry.versions(champion.model, limit=VERSIONS):
        if version.version == champion.version or not version.digest:
            continue
        if not set(broken) & set(project.package(version)[1].schema.names):
            return version.version
    return None


def as_broken(
    project: Project,
    declaration: Declaration,
    cause: dict[str, Any],
    rows: pl.DataFrame,
    own: Schema,
) -> pl.DataFrame:
    """Held-out rows as the champion would get them now, with its broken features as they come.

    Their values are drawn from the broken window, since what is sound there tells nothing of how
    the champion fares; where the log has none they are missing. ``own`` is the champion's schema.
    """
    lost = [name for name in cause.get("drop", []) if name in own.names]
    if not lost:
        return rows
    start = int(cause["window"])
    end = project.windows.get(declaration.endpoint, start).end
    hidden = declaration.monitor.log.hidden
    came = project.log.predictions(declaration.endpoint, start, end, schema=own, hidden=hidden)
    drawn = feature_frame(came, own).select(lost)
    if not drawn.height:
        drawn = drawn.clear(n=rows.height)
    drawn = drawn.sample(rows.height, with_replacement=True, seed=declaration.loop.seed)
    return rows.with_columns(drawn)


def without(declaration: Declaration, names: Sequence[str]) -> Declaration:
    """The declaration with these columns ignored by the model."""
    if not names:
        return declaration
    ignore = tuple(dict.fromkeys([*declaration.data.ignore, *names]))
    data = msgspec.structs.replace(declaration.data, ignore=ignore)
    return msgspec.structs.replace(declaration, data=data)

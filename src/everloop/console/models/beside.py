"""Two versions beside each other: code, data, declaration, environment, metrics and answers."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import tomli_w

from everloop.console.models.agreeing import Agreement, agreement
from everloop.console.models.diffs import Differing, Line, names_diff, schema_diff, text_diff
from everloop.console.models.made import Score, measured_of, recipe_of
from everloop.console.models.packaged import Packaged, read_packaged
from everloop.data.versions import DatasetVersion
from everloop.errors import NotFound, invalid
from everloop.loop.project import Project
from everloop.loop.recipe import Recipe
from everloop.registry.records import ModelVersion
from everloop.store.clock import now_ms


class Scored(msgspec.Struct, frozen=True):
    """A metric of both; None where a side was not measured by it."""

    name: str
    before: Score | None
    after: Score | None


class Side(msgspec.Struct, frozen=True):
    """A version with what it was made from; ``commit`` is of the code."""

    version: ModelVersion
    dataset: DatasetVersion | None
    rows: int | None
    commit: str | None
    command: str


class VersionsCompared(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/models/NAME/compare.json?versions=3,5``.

    ``code`` and ``declaration`` are differences line by line, None where a side did not keep it.
    """

    at: int
    model: str
    before: Side
    after: Side
    code: list[Line] | None
    declaration: list[Line] | None
    params: Differing
    environment: Differing | None
    schema: Differing | None
    metrics: list[Scored]
    same_rows: bool
    answers: Agreement | None


def two_of(text: str) -> tuple[int, int]:
    """``3,5`` as two numbers. Raises :class:`~everloop.errors.InvalidInput`."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise invalid("query.versions", text, "two versions, as 3,5", path="query.versions")
    return int(parts[0]), int(parts[1])


def compare_versions(project: Project, model: str, before: int, after: int) -> VersionsCompared:
    """Raises :class:`~everloop.errors.NotFound` when there is not one of them."""
    old, new = project.registry.version(model, before), project.registry.version(model, after)
    recipes = recipe_of(project, old), recipe_of(project, new)
    packages = read_packaged(project, old), read_packaged(project, new)
    measured = measured_of(project, old), measured_of(project, new)
    sides = [
        _side(project, version, recipe) for version, recipe in zip((old, new), recipes, strict=True)
    ]
    names = list(dict.fromkeys([*measured[0].metrics, *measured[1].metrics]))
    return VersionsCompared(
        at=now_ms(),
        model=model,
        before=sides[0],
        after=sides[1],
        code=_lines(recipes, lambda one: one.diff or ""),
        declaration=_lines(recipes, lambda one: toml_of(one.declaration)),
        params=names_diff(_params(project, old), _params(project, new)),
        environment=_environment(recipes),
        schema=_schemas(packages),
        metrics=[
            Scored(name, measured[0].metrics.get(name), measured[1].metrics.get(name))
            for name in names
        ],
        same_rows=old.dataset is not None and old.dataset == new.dataset,
        answers=agreement(
            project, (old, new), packages[0].schema,
            [endpoint.name for endpoint in project.endpoints.of_model(model)],
        ),
    )  # fmt: skip


def toml_of(declaration: dict[str, Any]) -> str:
    """A declaration as its file would say it."""
    return tomli_w.dumps(_without_nulls(declaration))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(one) for one in value if one is not None]
    return value


def _side(project: Project, version: ModelVersion, recipe: Recipe | None) -> Side:
    dataset = None
    if version.dataset is not None:
        with contextlib.suppress(NotFound):
            dataset = project.datasets.get(version.dataset)
    return Side(
        version=version,
        dataset=dataset,
        rows=None if dataset is None else dataset.rows,
        commit=None if recipe is None else recipe.commit,
        command="" if recipe is None else " ".join(recipe.command),
    )


def _lines(recipes: tuple[Recipe | None, Recipe | None], text: Any) -> list[Line] | None:
    old, new = recipes
    return None if old is None or new is None else text_diff(text(old), text(new))


def _params(project: Project, version: ModelVersion) -> dict[str, str]:
    told = {"(algorithm)": version.algorithm} if version.algorithm else {}
    if version.run is None:
        return told
    try:
        return {**told, **project.runs.get(version.run).params}
    except NotFound:
        return told


def _environment(recipes: tuple[Recipe | None, Recipe | None]) -> Differing | None:
    old, new = recipes
    if old is None or new is None:
        return None
    return names_diff(old.environment, new.environment)


def _schemas(packages: tuple[Packaged, Packaged]) -> Differing | None:
    old, new = (one.schema for one in packages)
    return None if old is None or new is None else schema_diff(old, new)

"""From a declaration in TOML to a package of several registered models."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from everloop.data.schema import Schema
from everloop.deploy.package import MANIFEST, SIGNATURE, Package
from everloop.deploy.runtimes.graph import (
    FILE,
    GRAPH,
    MEMBERS,
    Graph,
    Rule,
    answer_feature,
    union,
)
from everloop.errors import Integrity, InvalidInput, invalid
from everloop.loop.project import Project
from everloop.train.foreign._base import bounded


class RuleSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows whose ``column`` ``equals`` a value, or is ``below`` a number, go to ``model``."""

    column: str
    model: str
    equals: str | float | bool | None = None
    below: float | None = None


class GraphSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``models`` : as ``NAME/3`` or ``NAME@ALIAS``. ``otherwise`` : of a route, for other rows."""

    kind: Literal["mean", "vote", "chain", "route"]
    models: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    rules: tuple[RuleSpec, ...] = ()
    otherwise: str | None = None


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole declaration."""

    graph: GraphSpec


def graph_of(project: Project, path: Path) -> tuple[Schema, dict[str, bytes]]:
    """The schema and the files of the graph that a file declares.

    Raises :class:`~everloop.errors.InvalidInput` for members that do not fit together, and
    :class:`~everloop.errors.NotFound` for one that is not registered.
    """
    spec = _read(path)
    names = spec.models
    if spec.kind == "route":
        if spec.otherwise is None or not spec.rules:
            raise invalid("graph.otherwise", spec.otherwise, "a model, and rules before it")
        names = (*(rule.model for rule in spec.rules), spec.otherwise)
    if len(names) < 2:
        raise invalid("graph.models", list(names), "two at least, as NAME/3")
    packages, files, digests = [], {}, []
    for name in names:
        version = project.registry.resolve(name)
        folder, package = project.package(version)
        if package.runtime == GRAPH:
            raise invalid("graph.models", name, "a model that is no graph itself")
        digest = version.package_digest()
        packages.append(package)
        digests.append(digest)
        for inside in (*package.files, MANIFEST, SIGNATURE):
            files[f"{MEMBERS}/{digest}/{inside}"] = (folder / inside).read_bytes()
    rules = tuple(Rule(r.column, i, r.equals, r.below) for i, r in enumerate(spec.rules))
    graph = Graph(spec.kind, tuple(digests), spec.weights, rules)
    schema = _schema(graph, packages)
    return schema, {**files, FILE: msgspec.json.encode(graph)}


def _read(path: Path) -> GraphSpec:
    try:
        return msgspec.convert(tomllib.loads(bounded(path).decode()), File).graph
    except (msgspec.ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"{path.name}: it declares no graph of models: {error}.", code="bad_graph", path="graph"
        ) from None


def _schema(graph: Graph, packages: list[Package]) -> Schema:
    schemas = [package.schema for package in packages]
    last = schemas[-1]
    given = [answer_feature(s).name for s in schemas[:-1]] if graph.kind == "chain" else []
    try:
        features = union(schemas, given)
    except Integrity as error:
        raise invalid("graph.models", error.message, "features of one kind in all models") from None
    if graph.kind == "chain":
        _check_chain(schemas)
    for schema in schemas if graph.kind != "chain" else ():
        if (schema.task, set(schema.classes)) != (last.task, set(last.classes)):
            got = f"{schema.task} {list(schema.classes)} and {last.task} {list(last.classes)}"
            raise invalid("graph.models", got, "one task and the same classes in all models")
    if last.task not in ("regression", "ranking", "binary", "multiclass"):
        raise invalid("graph.models", last.task, "regression, ranking, binary or multiclass")
    if graph.kind == "vote" and last.numeric:
        raise invalid("graph.kind", "vote", "mean, for numbers")
    if graph.weights and (
        graph.kind != "mean" or len(graph.weights) != len(schemas) or min(graph.weights) <= 0
    ):
        raise invalid("graph.weights", list(graph.weights), "a positive one for each of a mean")
    _check_rules(graph, {f.name: f.kind for f in features})
    return msgspec.structs.replace(last, features=features)


def _check_chain(schemas: list[Schema]) -> None:
    for before, after in itertools.pairwise(schemas):
        feature = answer_feature(before)
        used = next((f for f in after.features if f.name == feature.name), None)
        if used is None or used.kind != feature.kind:
            raise invalid(
                "graph.models", f"the answer {feature.name!r} ({feature.kind}), which is not used",
                "a feature of that name and kind in the next model",
            )  # fmt: skip


def _check_rules(graph: Graph, kinds: dict[str, str]) -> None:
    for number, rule in enumerate(graph.rules):
        kind = kinds.get(rule.column)
        if kind not in ("number", "boolean", "category"):
            raise invalid(
                f"graph.rules[{number}].column", rule.column, "a number, truth value or category"
            )
        text = isinstance(rule.equals, str)
        one = (rule.equals is None) != (rule.below is None)
        if (
            not one
            or (rule.equals is not None and text != (kind == "category"))
            or (rule.below is not None and kind != "number")
        ):
            raise invalid(
                f"graph.rules[{number}]", f"equals {rule.equals!r}, below {rule.below!r}",
                f"one of both, fit for a {kind}",
            )  # fmt: skip

"""Several models as one: an ensemble, a chain, or a router by a rule; all run in this process.

The package holds the packages of its members whole, each under its digest, so that it is signed,
fetched and exported as one. A member gets its own ``X``, made from that of the graph.

==========  =====================================================================================
kind        answer
==========  =====================================================================================
mean        the mean of the members' numbers or probabilities, weighted where there are weights
vote        the class that most members answer, the earlier one of equals; probabilities are shares
chain       of the last member; each answer is a feature of those after it, by its target's name
route       of the member of the first rule that a row meets, else of the last member
==========  =====================================================================================
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from everloop.data.schema import Feature, Schema
from everloop.deploy.package import Package, read_manifest, read_package
from everloop.deploy.predictor import Output
from everloop.deploy.runtimes._base import Runtime
from everloop.errors import Integrity

GRAPH = "graph"
FILE = "graph.json"
MEMBERS = "members"

Floats = npt.NDArray[np.float64]
Answers = tuple[npt.NDArray[Any], npt.NDArray[np.floating[Any]] | None]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows whose ``column`` ``equals`` a value, or is ``below`` a number, go to ``member``."""

    column: str
    member: int
    equals: str | float | bool | None = None
    below: float | None = None


class Graph(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``members`` : digests, in order. ``weights`` : of a mean; equal ones without."""

    kind: Literal["mean", "vote", "chain", "route"]
    members: tuple[str, ...]
    weights: tuple[float, ...] = ()
    rules: tuple[Rule, ...] = ()


class GraphModel:
    """The members of a package, loaded, and how they answer together."""

    def __init__(
        self, folder: Path, package: Package, load: Callable[[Path, Package], Runtime]
    ) -> None:
        self.package, self.schema = package, package.schema
        try:
            self.graph = msgspec.json.decode((folder / FILE).read_bytes(), type=Graph)
        except (OSError, msgspec.MsgspecError) as error:
            raise Integrity(f"{FILE} cannot be read: {error}.", path=FILE) from None
        self.members = [_member(folder / MEMBERS / d, d, load) for d in self.graph.members]
        self.waits = any(member.waits for member in self.members)

    def predict(self, X: Floats) -> Output:
        """Answer for each row of ``X``. Raises ModelFailure."""
        first, p = self.arrays(X)
        if p is None or self.schema.numeric:
            return Output(first.tolist(), p)
        return Output([self.schema.classes[code] for code in first.tolist()], p)

    def arrays(self, X: Floats) -> Answers:
        """The same as arrays; a class is its code into ``schema.classes``."""
        return {"mean": self._mean, "vote": self._vote, "chain": self._chain, "route": self._route}[
            self.graph.kind
        ](X)

    def warm_up(self, rows: int = 1) -> None:
        """Answer rows of zeros once: a member may know no missing values."""
        self.arrays(np.zeros((rows, self.schema.width)))

    def _asked(self, member: Runtime, X: Floats) -> Answers:
        """A member's answers, its classes in the order of the graph's."""
        return self._in_order(member, member.arrays(own_matrix(X, self.schema, member.schema)))

    def _in_order(self, member: Runtime, answers: Answers) -> Answers:
        first, p = answers
        if p is None or self.schema.numeric:
            return first.astype(np.float64), None
        order = [member.schema.classes.index(label) for label in self.schema.classes]
        if first.dtype.kind in "OU":
            places = {str(label): code for code, label in enumerate(self.schema.classes)}
            return np.array([places[label] for label in first.tolist()]), p[:, order]
        return np.argsort(order)[first.astype(np.int64)], p[:, order]

    def _mean(self, X: Floats) -> Answers:
        found = [self._asked(member, X) for member in self.members]
        weights = self.graph.weights or None
        if self.schema.numeric:
            return np.average([first for first, _ in found], axis=0, weights=weights), None
        p = np.average([p for _, p in found if p is not None], axis=0, weights=weights)
        return p.argmax(axis=1), p

    def _vote(self, X: Floats) -> Answers:
        p = np.zeros((len(X), len(self.schema.classes)))
        for member in self.members:
            first, _ = self._asked(member, X)
            p[np.arange(len(X)), first] += 1.0 / len(self.members)
        return p.argmax(axis=1), p

    def _chain(self, X: Floats) -> Answers:
        schema, answers = self.schema, None
        for member in self.members:
            answers = member.arrays(own_matrix(X, schema, member.schema))
            column, feature = _as_feature(member.schema, answers)
            # A later answer of the same name takes the place of an earlier one.
            kept = [f for f in schema.features if f.name != feature.name]
            spans = schema.spans
            X = np.column_stack([*(X[:, spans[f.name]] for f in kept), column])
            schema = msgspec.structs.replace(schema, features=(*kept, feature))
        assert answers is not None
        return self._in_order(self.members[-1], answers)

    def _route(self, X: Floats) -> Answers:
        chosen = np.full(len(X), len(self.members) - 1)
        for rule in reversed(self.graph.rules):
            chosen[_meets(rule, X, self.schema)] = rule.member
        first = np.zeros(len(X), dtype=np.float64 if self.schema.numeric else np.int64)
        p = None if self.schema.numeric else np.zeros((len(X), len(self.schema.classes)))
        for number in np.unique(chosen):
            rows = chosen == number
            first[rows], shares = self._asked(self.members[number], X[rows])
            if p is not None:
                p[rows] = shares
        return first, p


def own_matrix(X: Floats, schema: Schema, own: Schema) -> Floats:
    """``X`` of one schema as that of another one, whose features are among its own."""
    spans = schema.spans
    known = {feature.name: feature for feature in schema.features}
    parts = []
    for feature in own.features:
        part = X[:, spans[feature.name]]
        if feature.kind == "category" and known[feature.name].levels != feature.levels:
            places = {level: float(code) for code, level in enumerate(feature.levels)}
            table = np.array([*(places.get(v, -1.0) for v in known[feature.name].levels), -1.0])
            part = table[np.nan_to_num(part, nan=-1.0).astype(np.int64)]
        parts.append(part)
    return np.ascontiguousarray(np.column_stack(parts))


def answer_feature(schema: Schema) -> Feature:
    """A model's answer as a feature of those after it in a chain."""
    if schema.numeric or len(schema.classes) == 2:
        return Feature(schema.target, "number")
    return Feature(schema.target, "category", tuple(map(str, schema.classes)))


def _as_feature(schema: Schema, answers: Answers) -> tuple[npt.NDArray[Any], Feature]:
    """A number; of two classes the probability of the second; of more the class."""
    first, p = answers
    if p is not None and len(schema.classes) == 2:
        return p[:, 1], answer_feature(schema)
    if first.dtype.kind in "OU":
        places = {str(label): code for code, label in enumerate(schema.classes)}
        first = np.array([places[label] for label in first.tolist()])
    return first.astype(np.float64), answer_feature(schema)


def _meets(rule: Rule, X: Floats, schema: Schema) -> npt.NDArray[np.bool_]:
    column = X[:, schema.spans[rule.column]][:, 0]
    if rule.below is not None:
        return np.asarray(column < rule.below)
    feature = next(f for f in schema.features if f.name == rule.column)
    if feature.kind == "category":
        level = str(rule.equals)
        code = feature.levels.index(level) if level in feature.levels else -2
        return np.asarray(column == code)
    return np.asarray(column == float(rule.equals or 0))


def _member(folder: Path, digest: str, load: Callable[[Path, Package], Runtime]) -> Runtime:
    if hashlib.sha256(read_manifest(folder)).hexdigest() != digest:
        raise Integrity(f"{MEMBERS}/{digest[:12]} is another package.", expected=digest)
    return load(folder, read_package(folder, None))


def union(schemas: Sequence[Schema], given: Sequence[str] = ()) -> tuple[Feature, ...]:
    """The features of all, but those that the graph itself gives; a category has all levels."""
    found: dict[str, Feature] = {}
    for feature in (f for schema in schemas for f in schema.features if f.name not in given):
        before = found.setdefault(feature.name, feature)
        levels = (*before.levels, *(v for v in feature.levels if v not in before.levels))
        if (before.kind, before.shape) != (feature.kind, feature.shape) or (
            feature.kind != "category" and levels != before.levels
        ):
            raise Integrity(f"feature {feature.name!r} is {before.kind} and {feature.kind}.")
        nullable = before.nullable or feature.nullable
        found[feature.name] = msgspec.structs.replace(before, levels=levels, nullable=nullable)
    return tuple(found.values())

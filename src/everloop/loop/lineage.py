"""Where a version came from and where it went, as a graph: from its data to the labels.

Nothing is kept for it: what a version was trained on and made from stands in the registry, what
became of it in the endpoints, their rollouts and their logs. It is read by a few queries for each
version on the way, at most ``FAR`` of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from everloop.deploy.endpoints import Endpoint
from everloop.errors import EverloopError, NotFound
from everloop.loop.project import Project
from everloop.registry.records import ModelVersion
from everloop.train.bases import parse_base

FAR = 20  # parents, and as many versions of a dataset

Kind = Literal["dataset", "run", "version", "endpoint", "predictions", "feedback"]


class Node(msgspec.Struct, frozen=True):
    """One thing; ``page`` is the path of its page in the console, None where it has none."""

    id: str
    kind: Kind
    name: str
    facts: str = ""
    page: str | None = None


class Edge(msgspec.Struct, frozen=True):
    """``target`` came from ``source``; ``what`` says how."""

    source: str
    target: str
    what: str = ""


class Lineage(msgspec.Struct, frozen=True):
    """A graph without circles; ``about`` is the id of the node that was asked for."""

    about: str
    nodes: list[Node]
    edges: list[Edge]


def lineage(reference: str, *, dir: Path | str = ".") -> Lineage:
    """Where the version that ``NAME``, ``NAME@ALIAS`` or ``NAME/3`` means came from and went.

    >>> lineage("flights@champion").nodes  # doctest: +SKIP
    """
    with Project.open(dir) as project:
        return version_lineage(project, project.registry.resolve(reference))


def version_lineage(project: Project, version: ModelVersion) -> Lineage:
    """The same in an open project."""
    walk = _Walk(project)
    about = walk.version(version)
    walk.parents(version)
    walk.children(version)
    walk.served(version)
    return walk.result(about)


def dataset_lineage(project: Project, digest: str) -> Lineage:
    """What a dataset version came from, and the newest versions that were trained on it.

    Raises :class:`~everloop.errors.NotFound` when there is none.
    """
    project.datasets.get(digest)
    walk = _Walk(project)
    about = walk.dataset(digest)
    for version in project.registry.made_of(digest, FAR):
        walk.version(version)
        walk.served(version, follow=False)
    return walk.result(about)


class _Walk:
    """Gathers nodes and edges, each once."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.nodes: dict[str, Node] = {}
        self.edges: dict[tuple[str, str], Edge] = {}
        self._endpoints: dict[str, list[Endpoint]] = {}
        self._tried: dict[str, set[int]] = {}

    def result(self, about: str) -> Lineage:
        return Lineage(about, list(self.nodes.values()), list(self.edges.values()))

    def add(self, node: Node) -> str:
        self.nodes.setdefault(node.id, node)
        return node.id

    def link(self, source: str, target: str, what: str = "") -> None:
        if source != target and (target, source) not in self.edges:
            self.edges.setdefault((source, target), Edge(source, target, what))

    # -- where it came from ------------------------------------------------------------------------

    def dataset(self, digest: str, far: int = 3) -> str:
        """A dataset version with the one that it grew from, a few steps back."""
        id, page = f"dataset:{digest}", f"/datasets/{digest}"
        if id in self.nodes:
            return id
        try:
            found = self.project.datasets.get(digest)
        except NotFound:
            return self.add(Node(id, "dataset", digest[:12], "not kept here"))
        facts = f"{found.rows:,} rows"
        self.add(Node(id, "dataset", f"{found.name} {digest[:8]}", facts, page))
        if (rows := found.origin.get("log_rows")) and isinstance(rows, int):
            labels = Node(f"labels:{digest}", "feedback", "earlier labels", f"{rows:,} rows")
            self.link(self.add(labels), id, "labelled rows of the log")
        base = found.origin.get("base")
        if isinstance(base, str) and far:
            self.link(self.dataset(base, far - 1), id, "with newer rows")
        return id

    def version(self, version: ModelVersion) -> str:
        """A version with its run and its data."""
        path = f"/models/{quote(version.model, safe='')}/versions/{version.version}"
        facts = ", ".join([*([version.algorithm] if version.algorithm else []), *version.aliases])
        id = f"version:{version}"
        name = f"{version.model} version {version.version}"
        if id in self.nodes:
            return id
        self.add(Node(id, "version", name, facts, path))
        data = None if version.dataset is None else self.dataset(version.dataset)
        if version.run is not None:
            run = Node(
                f"run:{version.run}", "run", f"run {version.run[:8]}", "",
                f"/runs/{quote(version.run, safe='')}",
            )  # fmt: skip
            self.link(self.add(run), id, "made")
            if data is not None:
                self.link(data, run.id, "trained on")
        elif data is not None:
            self.link(data, id, "trained on")
        return id

    def parents(self, version: ModelVersion) -> None:
        """The versions that it was made from, the nearest first."""
        for _ in range(FAR):
            text = version.tags.get("parent")
            if not text:
                return
            try:
                before = self.project.registry.version(*parse_base(text))
            except EverloopError:  # deleted, or a tag of somebody's own
                return
            method = self._method(version)
            known = f"version:{before}" in self.nodes
            self.link(self.version(before), f"version:{version}", method)
            if known:
                return
            version = before

    def _method(self, version: ModelVersion) -> str:
        """How it was made from its parent: incremental, transfer, …"""
        step = self.project.cycles.step(version.cycle or "", "train")
        made: Any = ((step.result if step else None) or {}).get("method")
        name = made.get("name") if isinstance(made, dict) else None
        return name if isinstance(name, str) else "made from"

    def children(self, version: ModelVersion) -> None:
        """The newest versions that were made from it."""
        for child in self.project.registry.tagged("parent", str(version), FAR):
            self.link(f"version:{version}", self.version(child), self._method(child))

    # -- where it went -----------------------------------------------------------------------------

    def served(self, version: ModelVersion, follow: bool = True) -> None:
        """The endpoints that it answers or answered at, with what they were asked and told."""
        model = version.model
        if model not in self._endpoints:
            self._endpoints[model] = self.project.endpoints.of_model(model)
        for endpoint in self._endpoints[model]:
            role = self._role(endpoint, version.version)
            if role is None:
                continue
            path = f"/endpoints/{quote(endpoint.name, safe='')}"
            now = ", ".join(f"{a.version}: {a.weight:.0%}" for a in endpoint.arms)
            node = Node(f"endpoint:{endpoint.name}", "endpoint", endpoint.name, now, path)
            self.link(f"version:{version}", self.add(node), role)
            if follow:
                self._asked(endpoint.name, path)

    def _role(self, endpoint: Endpoint, version: int) -> str | None:
        for arm in endpoint.arms:
            if arm.version == version:
                return f"{arm.role}, {arm.weight:.0%}"
        if endpoint.name not in self._tried:
            self._tried[endpoint.name] = self.project.rollouts.tried(endpoint.name)
        return "answered before" if version in self._tried[endpoint.name] else None

    def _asked(self, endpoint: str, path: str) -> None:
        sizes = self.project.log.sizes(endpoint)
        place = f"endpoint:{endpoint}"
        for kind, name, what in (
            ("predictions", "predictions", "logged"),
            ("feedback", "feedback", "labels came"),
        ):
            if kind not in sizes:
                return
            rows = f"{sizes[kind].rows:,} rows"
            page = f"{path}/predictions" if kind == "predictions" else None
            known: Kind = "predictions" if kind == "predictions" else "feedback"
            id = self.add(Node(f"{kind}:{endpoint}", known, name, rows, page))
            self.link(place, id, what)
            place = id

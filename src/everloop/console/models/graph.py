"""A lineage as a page holds it: a nested list, and the same as JSON for what draws it."""

from __future__ import annotations

import msgspec

from everloop.loop.lineage import Lineage, Node


class Branch(msgspec.Struct, frozen=True):
    """A node below the one that it came from; one that stands elsewhere already has no children."""

    node: Node
    what: str
    again: bool
    children: list[Branch]


def tree(graph: Lineage) -> list[Branch]:
    """The nodes below those that came from nothing, each with what became of it.

    >>> a, b = Node("a", "dataset", "a"), Node("b", "run", "b")
    >>> from everloop.loop.lineage import Edge
    >>> [one.node.id for one in tree(Lineage("b", [a, b], [Edge("a", "b")]))]
    ['a']
    """
    nodes = {node.id: node for node in graph.nodes}
    below: dict[str, list[tuple[str, str]]] = {id: [] for id in nodes}
    for edge in graph.edges:
        below[edge.source].append((edge.target, edge.what))
    targets = {edge.target for edge in graph.edges}
    seen: set[str] = set()

    def branch(id: str, what: str) -> Branch:
        again = id in seen
        seen.add(id)
        children = [] if again else [branch(*one) for one in below[id]]
        return Branch(nodes[id], what, again, children)

    return [branch(id, "") for id in nodes if id not in targets]


def graph_text(graph: Lineage) -> str:
    """The graph as JSON text, for an attribute."""
    return msgspec.json.encode(graph).decode()

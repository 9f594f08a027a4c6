"""Which source files and libraries the data plane needs: those it imports, and no other.

Found by reading the imports of each module, also those inside functions, so that an image holds a
small part of everloop and none of what trains models.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

import everloop.version

ROOT = Path(everloop.version.__file__).parent.parent
ENTRY = "everloop.deploy.serving.__main__"
# Imported where it is used: an image has it only when its models or its ports ask for it.
OPTIONAL = {"PIL": "images", "grpc": "grpc", "google": "grpc", "tokenizers": "text"}


class Closure(NamedTuple):
    """``files`` relative to the folder of the package; ``imports`` are top-level names."""

    files: list[Path]
    imports: set[str]


def closure(entry: str = ENTRY) -> Closure:
    """The modules of everloop that ``entry`` reaches, and the third-party ones."""
    files: dict[Path, None] = {}
    imports: set[str] = set()
    waiting = [entry]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        path = _file(name)
        if path is None:
            continue
        files[path.relative_to(ROOT)] = None
        waiting += [".".join(name.split(".")[:n]) for n in range(1, name.count(".") + 1)]
        for imported in _imported(ast.parse(path.read_text("utf-8"))):
            if imported.split(".")[0] == "everloop":
                waiting.append(imported)
            else:
                imports.add(imported.split(".")[0])
    return Closure(sorted(files), imports - sys.stdlib_module_names)


def requirements(imports: set[str], extras: set[str]) -> dict[str, str]:
    """``{distribution: version}`` of the libraries, with what they need themselves, as here."""
    homes = packages_distributions()
    waiting = []
    for name in imports:
        if OPTIONAL.get(name) is None or OPTIONAL[name] in extras:
            waiting += ["protobuf"] if name == "google" else homes.get(name, [])[:1]
    found: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        here = distribution(name)
        found[name] = here.version
        for text in here.requires or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                waiting.append(distribution(needed.name).metadata["Name"])
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _file(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None  # a name inside a module, not a module


def _imported(tree: ast.AST) -> Iterator[str]:
    """Absolute names of all that a module imports when it runs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from _imported(node)

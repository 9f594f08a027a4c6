"""What every format keeps to.

A reader of a format gets the path of a file, or its bytes, that may come from anybody:

- Nothing in it is unpickled or imported. Types and functions that it names are either built in
  here, or allowed by the operator; never by the file.
- It is refused before it is read when it is larger than :data:`LARGEST`, and a compressed one
  before it is unpacked. A link is refused.
- What it returns answers what the original library answers, within ``TOLERANCE``, on random rows,
  or it is refused.
- Each refusal is one sentence with the way out.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec

from everloop.data.schema import Feature, Schema, Task
from everloop.errors import InvalidInput, NotFound, TooLarge, invalid

LARGEST = 1 << 30
"""Bytes of a model, with all files that it names."""
TOLERANCE = 1e-6

Label = str | int | float | bool


class Hints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person may say of a model that its file does not.

    ``schema`` : the whole schema; then the rest is not needed. ``features`` : names, in order.
    ``task`` and ``classes`` as in a schema. ``output`` : which of the graph's outputs answers.
    ``logits`` : whether that output still needs its softmax or sigmoid.
    """

    schema: Schema | None = None
    features: tuple[str, ...] = ()
    target: str = "prediction"
    task: Task | None = None
    classes: tuple[Label, ...] = ()
    output: str | None = None
    logits: bool | None = None


class Brought(msgspec.Struct, frozen=True):
    """A model as it is served: ``onnx`` takes ``X`` and answers as the schema says."""

    onnx: bytes
    schema: Schema
    algorithm: str


def bounded(path: Path) -> bytes:
    """The bytes of a plain file that is not too large."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(
            f"model: got {path.name!r}, expected a file that is there.", path="model"
        ) from None
    if not stat.S_ISREG(found.st_mode):
        raise invalid("model", path.name, "a plain file, no link and no device", code="not_plain")
    check_size(path.name, found.st_size)
    return path.read_bytes()


def check_size(name: str, size: int) -> None:
    """Refuse what is larger than a model may be."""
    if size > LARGEST:
        raise TooLarge(
            f"model: {name!r} has {size:,} bytes, expected at most {LARGEST:,}.",
            path="model", got=size, expected=LARGEST,
        )  # fmt: skip


def numbers(names: Sequence[str]) -> tuple[Feature, ...]:
    """Features that are all numbers; any may be missing."""
    return tuple(Feature(name, "number", nullable=True) for name in names)


def feature_names(hints: Hints, width: int, found: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of ``width`` features: those told, else those found, else ``x0``, ``x1``, …"""
    names = hints.features or tuple(found) or tuple(f"x{i}" for i in range(width))
    if len(names) != width or len(set(names)) != width:
        raise invalid("features", list(names), f"{width} different names", code="bad_features")
    return names


def unreadable(format: str, name: str, error: Exception | str) -> InvalidInput:
    """What is said of a file that is not what it should be."""
    text = str(error).strip()
    reason = text.splitlines()[0][:200] if text else type(error).__name__
    return InvalidInput(
        f"model: {name!r} is no {format} that can be read ({reason}).",
        code="unreadable_model", path="model", got=name, expected=format,
    )  # fmt: skip


def not_servable(what: str, got: object, expected: str, fix: str | None = None) -> InvalidInput:
    """What is said of a model that can be read but not served."""
    return invalid(what, got, expected, code="not_servable", fix=fix)

"""Estimators of scikit-learn that skops saved: types by name, which the operator allows.

skops builds only types that are trusted. Beside those that it trusts itself, these are what the
operator's list names (the setting ``skops_types`` or ``--allow``), never what the file names.
"""

from __future__ import annotations

import importlib
import io
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from everloop.errors import Forbidden, MissingExtra, TooLarge
from everloop.train.foreign._base import Brought, Hints, bounded, check_size, unreadable
from everloop.train.foreign.estimators import from_estimator

HARMLESS = frozenset({"numpy.dtype"})
"""What skops asks about and every encoder needs: it describes numbers and runs nothing."""
MOST_FILES = 10_000
MOST_RATIO = 200  # of unpacked to packed


def from_skops(path: Path, hints: Hints, allowed: Collection[str]) -> Brought:
    """The estimator of a ``.skops`` file.

    Raises :class:`~everloop.errors.Forbidden` for types that are not allowed, with all of them,
    and :class:`~everloop.errors.InvalidInput` for what cannot be read or turned into ONNX.
    """
    return from_estimator(_load(bounded(path), path.name, allowed), hints)


def _load(data: bytes, name: str, allowed: Collection[str]) -> Any:
    try:
        skops_io = importlib.import_module("skops.io")
    except ImportError:
        raise MissingExtra("Reading a skops file", "skops") from None
    _check_archive(data, name)
    try:
        unknown = skops_io.get_untrusted_types(data=data)
    except Exception as error:  # it raises many types for a file that is damaged
        raise unreadable("skops file", name, error) from None
    refused = sorted(set(unknown) - set(allowed) - HARMLESS)
    if refused:
        shown = ", ".join(refused[:20])
        raise Forbidden(
            f"model: {name!r} needs types that are not allowed: {shown}.",
            code="types_not_allowed", path="model", got=refused, expected="types that are allowed",
            fix="Look at each, then allow it with --allow or in the setting skops_types; or "
            "convert the model to ONNX where it was trained.",
        )  # fmt: skip
    try:
        return skops_io.loads(data, trusted=sorted(unknown))
    except Exception as error:
        raise unreadable("skops file", name, error) from None


def _check_archive(data: bytes, name: str) -> None:
    """Before anything is unpacked."""
    try:
        entries = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise unreadable("skops file", name, error) from None
    size = sum(entry.file_size for entry in entries)
    check_size(name, size)
    if len(entries) > MOST_FILES or size > max(len(data), 1 << 16) * MOST_RATIO:
        raise TooLarge(
            f"model: {name!r} unpacks {len(data):,} bytes to {size:,} in {len(entries):,} files, "
            f"expected at most {MOST_RATIO} times as many in {MOST_FILES:,}.",
            path="model", got=size,
        )  # fmt: skip

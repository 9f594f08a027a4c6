"""Whether declared rows stay where they are, and a bounded look at them."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import obstore
import polars as pl

from everloop.data.addresses import OBJECTS, is_database, resolved, scheme
from everloop.data.declared import read_declared
from everloop.data.delimited import retyped
from everloop.data.image_folders import find_images
from everloop.data.sources.files import KINDS
from everloop.data.sources.objects import available, found_keys, opened_store
from everloop.data.spec import DataSpec
from everloop.data.streams._base import Table
from everloop.data.streams.opening import open_table
from everloop.data.streams.survey import Survey, survey
from everloop.errors import invalid
from everloop.memory import available_bytes

TIMES = 4  # as much memory as the rows themselves is what a cycle with them takes
UNPACKED = {"Parquet": 3.0, "JSON lines": 0.5}  # bytes in memory for each byte of a file


def stays(spec: DataSpec, base: Path, memory: int | None = None) -> bool:
    """Whether the rows of ``spec`` are read in passes, a dataset version by reference.

    ``memory`` are the bytes that a cycle may take; None stands for what is free. The size of a
    query's answer is not known before, so it is read in passes only when told.

    Raises :class:`~everloop.errors.InvalidInput` when it is told and cannot be.
    """
    whole = _at_once(spec, base)
    if spec.stream is True and whole:
        raise invalid("data.stream", True, f"false, as {whole}", code="not_streamed")
    if spec.stream != "auto" or whole:
        return spec.stream is True
    free = available_bytes() if memory is None else memory
    return _unpacked(spec.source, base) * TIMES > free


def bounded(
    spec: DataSpec, base: Path, seed: int = 0, memory: int | None = None
) -> tuple[pl.DataFrame, int]:
    """The declared rows, or a fair sample of those that stay where they are; and how many rows
    there are."""
    if not stays(spec, base, memory):
        frame = read_declared(spec, base, seed)
        return frame, frame.height
    table = declared_table(spec, base)
    found = surveyed(table.batches(table.names()), spec, seed)
    return found.sample, found.rows


def declared_table(spec: DataSpec, base: Path) -> Table:
    """The table of ``spec``; codes and texts in it stay text."""
    text = [*spec.categories, *spec.text, *([spec.id] if spec.id else [])]
    return open_table(spec.source, base, text, spec.query)


def surveyed(batches: Iterable[pl.DataFrame], spec: DataSpec, seed: int) -> Survey:
    """The survey of ``batches`` as a schema is read off it: each column of its final type."""
    found = survey(batches, spec.sample, seed, every=spec.target, time=spec.time)
    floats = [n for n in found.whole if found.sample.schema[n] == pl.Float64]
    typed = found.sample.with_columns(pl.col(floats).cast(pl.Int64)) if floats else found.sample
    kept = {*spec.categories, *spec.text, spec.id}
    words = [s for s in typed if s.dtype == pl.String and s.name not in kept]
    return replace(found, sample=typed.with_columns(retyped(s) for s in words))


def _at_once(spec: DataSpec, base: Path) -> str:
    """Why the rows are needed all at once; empty when they are not."""
    if spec.environment is not None:
        return "data.environment has no rows"
    if spec.forecast is not None:
        return "data.forecast looks back from each row"
    if spec.action is not None:
        return "rewards are compared as a whole"
    if spec.group is not None or spec.task == "ranking":
        return "whole groups are ranked"
    if not is_database(spec.source) and find_images(spec.source, base):
        return "data.source names images"
    return ""


def _unpacked(source: str, base: Path) -> float:
    """Roughly the bytes that the rows take in memory; 0 for the answer to a query."""
    if is_database(source):
        return 0.0
    address = resolved(source)
    sizes: list[tuple[str, int]] = []
    if scheme(address) in OBJECTS:
        with available(address):
            _, store = opened_store(address)
            for key in found_keys(address, store):
                sizes.append((key, int(obstore.head(store, key)["size"])))
    else:
        names = glob.glob(address, root_dir=base, recursive=True)  # noqa: PTH207
        paths = [base / name for name in names] or [base / Path(address).expanduser()]
        sizes = [(p.name, p.stat().st_size) for p in paths if p.is_file()]
    return sum(n * UNPACKED.get(KINDS.get(Path(name).suffix.lower(), ""), 1.0) for name, n in sizes)

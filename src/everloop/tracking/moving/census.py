"""Counts and checksums of two sides, record by record as they pass; no side is ever held whole.

A checksum is the sum of the hashes of all records, so their order does not matter and a record
that is missing, doubled or changed shows. 128 bits of BLAKE2b each, added modulo 2^128.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import msgspec

from everloop.tracking.moving.records import (
    MovedExperiment,
    MovedLoggedModel,
    MovedModel,
    MovedRun,
    PointRow,
)

_encode = msgspec.msgpack.Encoder().encode
_ALL = 2**128

KINDS = (
    "experiments",
    "experiment tags",
    "runs",
    "params",
    "tags",
    "metric points",
    "latest metrics",
    "datasets",
    "models of runs",
    "logged models",
    "logged model params",
    "logged model tags",
    "logged model metrics",
    "registered models",
    "registered model tags",
    "versions",
    "version tags",
    "aliases",
    "artifacts",
    "artifact bytes",
)


class Tally(msgspec.Struct):
    """How many records of a kind there are, and the sum of their hashes."""

    count: int = 0
    total: int = 0

    @property
    def checksum(self) -> str:
        """The first digits are enough to look at; all of them are compared."""
        return f"{self.total:032x}"


class Census:
    """One side."""

    def __init__(self) -> None:
        self.tallies = {kind: Tally() for kind in KINDS}

    def add(self, kind: str, records: Iterable[Any]) -> None:
        """Count records and add their hashes."""
        count, total = 0, 0
        for record in records:
            total += int.from_bytes(blake2b(_encode(record), digest_size=16).digest(), "big")
            count += 1
        tally = self.tallies[kind]
        tally.count += count
        tally.total = (tally.total + total) % _ALL

    def add_experiment(self, one: MovedExperiment) -> None:
        self.add("experiments", [one.fingerprint()])
        self.add("experiment tags", ((one.id, *pair) for pair in one.tags.items()))

    def add_runs(self, runs: Iterable[MovedRun]) -> None:
        for run in runs:
            self.add("runs", [run.fingerprint()])
            self.add("params", ((run.id, *pair) for pair in run.params.items()))
            self.add("tags", ((run.id, *pair) for pair in run.tags.items()))
            self.add("latest metrics", ((run.id, k, *v) for k, v in run.latest.items()))
            self.add("datasets", ((run.id, use.fingerprint()) for use in run.datasets))
            self.add("models of runs", ((run.id, *use) for use in run.models))

    def add_points(self, points: Iterable[PointRow]) -> None:
        self.add("metric points", points)

    def add_logged_models(self, models: Iterable[MovedLoggedModel]) -> None:
        for one in models:
            self.add("logged models", [one.fingerprint()])
            self.add("logged model params", ((one.id, *pair) for pair in one.params.items()))
            self.add("logged model tags", ((one.id, *pair) for pair in one.tags.items()))
            self.add("logged model metrics", ((one.id, *metric) for metric in one.metrics))

    def add_model(self, one: MovedModel) -> None:
        self.add("registered models", [one.fingerprint()])
        self.add("registered model tags", ((one.name, *pair) for pair in one.tags.items()))
        self.add("aliases", ((one.name, *pair) for pair in one.aliases.items()))
        for version in one.versions:
            self.add("versions", [(one.name, version.fingerprint())])
            here = one.name, version.version
            self.add("version tags", ((*here, *pair) for pair in version.tags.items()))

    def add_file(self, root: str, path: str, size: int, digest: str) -> None:
        """A file of the artifacts below ``root``; without a digest only its size counts."""
        self.add("artifacts", [(root, path, size, digest)])
        self.tallies["artifact bytes"].count += size


class Line(msgspec.Struct, frozen=True):
    """One kind of record on both sides."""

    kind: str
    theirs: int
    ours: int
    their_checksum: str
    our_checksum: str

    @property
    def equal(self) -> bool:
        return (self.theirs, self.their_checksum) == (self.ours, self.our_checksum)


def reconcile(theirs: Census, ours: Census) -> list[Line]:
    """Both sides, kind by kind."""
    return [
        Line(kind, a.count, b.count, a.checksum, b.checksum)
        for kind, a, b in ((kind, theirs.tallies[kind], ours.tallies[kind]) for kind in KINDS)
    ]

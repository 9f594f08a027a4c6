"""The models in memory, by digest, within a limit.

What a model takes is told before it is loaded, from its files: ``BASE`` for the session and the
types of its inputs, and ``FACTOR`` times their bytes. Measured as growth of the resident memory a
logistic regression of 2 kB takes 0.06 to 0.3 MB, and forests of 0.4 and 2 MB take 4.2 times their
files. Code of one's own answers in a process of its own, whose interpreter is counted too.
"""

from __future__ import annotations

import hashlib
import threading
import time
import weakref
from collections.abc import Collection, Sequence
from pathlib import Path
from weakref import WeakValueDictionary

import msgspec

from everloop.data.schema import Schema
from everloop.deploy.explainer import background_of
from everloop.deploy.package import parse_manifest, read_manifest, read_package
from everloop.deploy.runtimes import load_runtime
from everloop.deploy.runtimes.python import PYTHON
from everloop.deploy.serving.checks import ranges_of
from everloop.deploy.serving.counts import Counts
from everloop.deploy.serving.endpoint import LoadedModel, clock_of
from everloop.deploy.serving.inputs import InputReader
from everloop.deploy.serving.together import Together, together
from everloop.deploy.state import package_path
from everloop.errors import Integrity, TooLarge
from everloop.registry.signing import Keys

BASE, FACTOR = 300_000, 4.5
TOLD = "models"  # loads, their seconds, and models let go: numbers of the counts
INTERPRETER = 60_000_000  # bytes, of a runtime with a process of its own


class Models:
    """Loads models, and counts what they take until nobody holds them any more.

    Attributes
    ----------
    limit : bytes; 0 is none.
    resident : bytes of the models that are in memory, requests under way included.
    """

    def __init__(self, state: Path, limit: int, counts: Counts) -> None:
        self.limit = limit
        self.resident = 0
        self._told = counts.numbers(TOLD)
        self._state = state
        self._held: dict[str, LoadedModel] = {}
        self._sizes: dict[str, int] = {}
        self._readers: WeakValueDictionary[bytes, InputReader] = WeakValueDictionary()
        self._together: dict[tuple[str, ...], Together | None] = {}
        self._counting = threading.RLock()  # a finalizer may run within any statement

    def __len__(self) -> int:
        return len(self._held)

    def get(self, digest: str) -> LoadedModel:
        """A model, loaded, verified and warmed up now if it is not here.

        Raises :class:`~everloop.errors.Integrity` for a package that is not what was signed, and
        what a runtime raises that cannot load it.
        """
        if digest not in self._held:
            begun = time.perf_counter()
            model = self._load(package_path(self._state, digest), digest)
            self._told[0] += 1
            self._told[1] += time.perf_counter() - begun
            self._count(model, self._size(digest))
            self._held[digest] = model
        return self._held[digest]

    def together(self, digests: Sequence[str]) -> Together | None:
        """What asks these models in one call, where that pays; None where memory is limited.

        It is a copy of them in memory, of small ones only.
        """
        several = tuple(dict.fromkeys(digests))
        if len(several) < 2 or self.limit:
            return None
        if several not in self._together:
            models = [(self.get(d), package_path(self._state, d)) for d in several]
            self._together[several] = together(models)
        return self._together[several]

    def keep(self, digests: Collection[str]) -> None:
        """Let all others go; requests under way keep theirs until they are answered."""
        self._together = {d: one for d, one in self._together.items() if set(d) <= set(digests)}
        for digest in self._held.keys() - set(digests):
            gone = self._held.pop(digest)
            gone.batcher = None  # they hold each other
            self._told[2] += 1

    def lacks(self, digests: Collection[str]) -> int:
        """Bytes by which the memory that is free is too small for these; 0 when they fit."""
        if not self.limit:
            return 0
        missing = sum(map(self._size, set(digests) - self._held.keys()))
        return max(0, self.resident + missing - self.limit) if missing else 0

    @property
    def leaving(self) -> int:
        """Bytes of models that were let go and that somebody still holds."""
        return self.resident - sum(map(self._size, self._held))

    def check(self, endpoint: str, digests: Collection[str]) -> None:
        """Raise :class:`~everloop.errors.TooLarge` when they never fit."""
        needed = sum(map(self._size, set(digests))) if self.limit else 0
        if needed > self.limit:
            raise TooLarge(
                f"the models of {endpoint!r} take about {needed / 1e6:,.0f} MB, more than the "
                f"{self.limit / 1e6:,.0f} MB of settings.serve_memory_mb.",
                code="model_too_large", path="settings.serve_memory_mb", got=needed,
                fix="Raise serve_memory_mb, or serve the endpoint from a process of its own.",
            )  # fmt: skip

    def _size(self, digest: str) -> int:
        """What a model takes; a digest stands for the same files for ever."""
        if digest not in self._sizes:
            package = parse_manifest(read_manifest(package_path(self._state, digest)), digest[:12])
            own = INTERPRETER if package.runtime == PYTHON else 0
            files = sum(file.size for file in package.files.values())
            self._sizes[digest] = BASE + own + int(FACTOR * files)
        return self._sizes[digest]

    def _load(self, folder: Path, digest: str) -> LoadedModel:
        if hashlib.sha256(read_manifest(folder)).hexdigest() != digest:
            raise Integrity(f"the package in {folder.name} has another digest.", expected=digest)
        predictor = load_runtime(folder, read_package(folder, Keys.load(self._state / "keys")))
        clock = clock_of(predictor)
        try:
            predictor.warm_up()
            start = clock()
            predictor.warm_up(rows=8)
        except Exception as error:  # onnxruntime raises bare types of its own
            raise Integrity(f"the model of {digest[:12]} fails: {error}") from error
        row_ms = (clock() - start) * 1000 / 8
        return LoadedModel(
            digest, predictor, row_ms, background_of(folder), ranges_of(folder),
            self._reader(predictor.schema),
        )  # fmt: skip

    def _reader(self, schema: Schema) -> InputReader:
        """One for all models of a schema, as a version and the next one mostly are."""
        key = msgspec.json.encode(schema)  # to Python the classes 0 and 1 equal false and true
        reader = self._readers.get(key)
        if reader is None:
            reader = self._readers[key] = InputReader(schema)
        return reader

    def _count(self, model: LoadedModel, size: int) -> None:
        with self._counting:
            self.resident += size
        weakref.finalize(model, self._gone, size).atexit = False

    def _gone(self, size: int) -> None:
        with self._counting:
            self.resident -= size

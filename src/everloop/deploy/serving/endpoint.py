"""An endpoint as it answers now: its loaded versions and who gets which."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from itertools import accumulate
from typing import TYPE_CHECKING

from everloop.deploy.attribution import Floats
from everloop.deploy.runtimes._base import Runtime
from everloop.deploy.serving.batching import Batcher
from everloop.deploy.serving.cache import AnswerCache
from everloop.deploy.serving.checks import Checks, Ranges
from everloop.deploy.serving.counts import Counts
from everloop.deploy.serving.inputs import InputReader, Rows
from everloop.deploy.serving.limits import Turns
from everloop.deploy.spec import ServingSpec
from everloop.deploy.state import Arm, EndpointState, Role
from everloop.errors import NotFound

if TYPE_CHECKING:
    from everloop.deploy.serving.together import Together

_SPAN = float(1 << 64)
SLOW_MS = 3.0  # longer than this the event loop should not stand still
CALL_MS = 1.0  # a model that takes so long for one row is asked beside it, in batches
MOST_ROWS = 4096


class LoadedModel:
    """A verified package in memory; shared by all arms that name its digest."""

    def __init__(
        self,
        digest: str,
        predictor: Runtime,
        row_ms: float,
        background: Floats | None = None,
        ranges: Ranges | None = None,
        reader: InputReader | None = None,
    ) -> None:
        self.digest = digest
        self.ranges = ranges or {}  # of numbers in training
        self.predictor = predictor
        self.reader = reader or InputReader(predictor.schema)
        several = predictor.schema.task == "multilabel"
        self.labels = tuple(map(str, predictor.schema.classes)) if several else None
        # Of a bandit: what is drawn from the probabilities.
        self.actions = predictor.schema.classes if predictor.schema.task == "bandit" else None
        self.background = background  # that explanations are held against
        self.batcher: Batcher | None = None  # made by the core when the model proves slow
        self.clock = clock_of(predictor)
        self._row_ms = row_ms
        self._call_ms = row_ms

    @property
    def row_ms(self) -> float:
        """How long a row takes, by the answers so far."""
        return self._row_ms

    def is_slow(self, rows: int) -> bool:
        """Whether so many rows would hold up the event loop noticeably."""
        return (
            self.predictor.waits
            or self._call_ms > CALL_MS
            or (rows > 1 and rows * self._row_ms > SLOW_MS)
        )

    def rows_within(self, ms: float) -> int:
        """How many rows the model answers in so many milliseconds, 1 at least."""
        return max(1, min(MOST_ROWS, int(ms / max(self._row_ms, 1e-6))))

    def took(self, rows: int, ms: float) -> None:
        """Learn the model's speed from an answer."""
        self._row_ms += 0.1 * (ms / rows - self._row_ms)
        if rows == 1:
            self._call_ms += 0.1 * (ms - self._call_ms)


def clock_of(predictor: Runtime) -> Callable[[], float]:
    """What tells how long the model takes: CPU time, so that a machine that is busy with other
    things does not make it look slow, except where it waits for another process."""
    return time.perf_counter if predictor.waits else time.thread_time


class LiveArm:
    """One version that answers at an endpoint."""

    def __init__(
        self, endpoint: str, arm: Arm, model: LoadedModel, counts: Counts, wanted: EndpointState
    ) -> None:
        self._checks = Checks(
            model.reader.schema, model.ranges, wanted.expected, wanted.serving.refuse,
            partial(counts.unexpected, endpoint), final=arm.role == "champion",
        )  # fmt: skip
        self.version = arm.version
        self.digest = arm.digest
        self.role: Role = arm.role
        self.weight = arm.weight
        self.model = model
        self.counts = counts.of(endpoint, arm.version, arm.role)

        self.judge = self._checks.judge

    def rows(self, read: Callable[[InputReader], Rows]) -> Rows:
        """What a request asks, with its marks; to be judged where it has any.

        Raises :class:`~everloop.errors.InvalidInput`.
        """
        return self._checks.look(read(self.model.reader))


class LiveEndpoint:
    """The arms of an endpoint, which never change: a new desired state makes a new endpoint."""

    def __init__(
        self,
        name: str,
        model: str,
        arms: Sequence[LiveArm],
        serving: ServingSpec,
        turns: Turns,
    ) -> None:
        self.name = name
        self.model = model
        self.serving = serving
        self.turns = turns
        self.cache = AnswerCache(serving.cache) if serving.cache else None
        self.together: Together | None = None  # asks models of it in one call
        self.asked = 0.0  # when, last (time.monotonic); kept where memory is limited
        self.arms = arms
        self.shadows = [arm for arm in arms if arm.role == "shadow"]
        self.champion = next(arm for arm in arms if arm.role == "champion")
        self.rival = next((arm for arm in arms if arm.role == "interleaved"), None)
        others = [arm for arm in arms if arm is not self.champion and arm.weight > 0.0]
        # The canary has the low end of the range: a key that it answers stays with it when its
        # weight rises. The ends are written as hashes are, which are compared as they come.
        self._ends = [
            (_end(total), arm)
            for total, arm in zip(accumulate(a.weight for a in others), others, strict=True)
        ]
        self._hash = blake2b(_prefix(name), digest_size=8)

    @property
    def idle(self) -> bool:
        """Whether no request is under way."""
        return not self.turns.active and not self.turns.waiting

    def arm(self, version: int) -> LiveArm:
        """The arm of a version that the caller names. Raises NotFound."""
        for arm in self.arms:
            if arm.version == version:
                return arm
        known = ", ".join(str(arm.version) for arm in self.arms)
        raise NotFound(
            f"version: got {version}, expected one that {self.name!r} has loaded: {known}.",
            code="version_not_loaded", path="version", got=version,
        )  # fmt: skip

    def pick(self, key: str) -> LiveArm:
        """The arm for a caller's key: by hash, hence sticky, and the same in every process."""
        if not self._ends:
            return self.champion
        hashed = self._hash.copy()
        hashed.update(key.encode("utf-8", "surrogateescape"))
        place = hashed.digest()
        for end, arm in self._ends:
            if place < end:
                return arm
        return self.champion


def share_of(endpoint: str, key: str) -> float:
    """A key's place from 0 to 1 at an endpoint, evenly spread."""
    hashed = blake2b(_prefix(endpoint), digest_size=8)
    hashed.update(key.encode("utf-8", "surrogateescape"))
    return int.from_bytes(hashed.digest()) / _SPAN


def _end(share: float) -> bytes:
    """The hash at which the keys end that are so large a share of all, from the lowest on."""
    return int(share * _SPAN).to_bytes(8) if share < 1.0 else b"\xff" * 9


def _prefix(endpoint: str) -> bytes:
    return endpoint.encode("utf-8", "surrogateescape") + b"\0"

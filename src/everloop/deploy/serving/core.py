"""The inference core: pick the arm, read, predict, count, log; no protocol is known here.

A protocol hands over a function that reads its request with the arm's
:class:`~everloop.deploy.serving.inputs.InputReader`, and shapes the :class:`Answer`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from everloop.data.segments import PredictionRecord
from everloop.deploy.predictor import ModelFailure, Output
from everloop.deploy.serving.batching import Batcher, Matrix
from everloop.deploy.serving.drawing import drawn
from everloop.deploy.serving.endpoint import SLOW_MS, LiveArm, LiveEndpoint, LoadedModel
from everloop.deploy.serving.gathering import Gatherer
from everloop.deploy.serving.inputs import InputReader, Rows
from everloop.deploy.serving.interleaving import chosen, draft
from everloop.deploy.serving.journal import Journal
from everloop.deploy.serving.limits import check_deadline
from everloop.errors import EverloopError, InvalidInput

INLINE_BYTES = 64 << 10  # a larger body is decoded beside the event loop
THREADS = 2

A = TypeVar("A")
T = TypeVar("T")
Read = Callable[[InputReader], Rows]

_log = logging.getLogger(__name__)


class Call(NamedTuple):
    """One request for predictions: its id, the key that picks the arm, when it came, its size.

    ``deadline`` : when the caller stops waiting, None where it does not say.
    """

    request: str
    key: str
    started: float  # time.perf_counter()
    size: int  # bytes
    deadline: float | None = None  # as started


class Answer(NamedTuple):
    """What one arm answered. ``p`` : probabilities by row and class, None for regression.

    ``labels`` : of several labels a row their names, in the order of ``p``.
    """

    y: list[Any]
    p: npt.NDArray[np.floating[Any]] | None
    ids: list[str]
    version: int
    arm: str
    labels: tuple[str, ...] | None = None

    @property
    def shares(self) -> list[Any] | None:
        """``p`` as JSON has it: of several labels a row by label, else in the order of classes."""
        if self.p is None or self.labels is None:
            return None if self.p is None else self.p.tolist()
        return [dict(zip(self.labels, row, strict=True)) for row in self.p.tolist()]


class Core:
    """Answers for the endpoints of a process and keeps the record of it."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._gatherer = Gatherer(_timed, _most_rows, journal.together)
        self._pool = ThreadPoolExecutor(THREADS, "everloop-predict")

    async def answer(
        self, endpoint: LiveEndpoint, read: Read, call: Call, named: LiveArm | None = None
    ) -> Answer:
        """Predict, with the record handed to the log before this returns.

        The arm is that of the caller's key, unless the caller ``named`` one.

        Raises :class:`~everloop.errors.InvalidInput` for a request that the schema does not
        allow (which is not logged),
        :class:`~everloop.deploy.predictor.ModelFailure` when the model fails (which is), and
        :class:`~everloop.errors.Unavailable` when there is no place for it or no time.
        """
        turns = endpoint.turns
        if endpoint.serving.deadline_ms:
            call = with_deadline(call, endpoint.serving.deadline_ms)
        if not turns.take_free():
            await turns.take(call.deadline)
        try:
            arm, rows = await self.rows(endpoint, read, call, named)
            if endpoint.rival is not None and named is None and len(rows.X) > 1:
                return await self._interleave(endpoint, endpoint.rival, rows, read, call)
            try:
                return await self._predict(endpoint, arm, rows, call)
            except InvalidInput as refusal:  # a value that the schema allows and the model does not
                if arm is endpoint.champion or named is not None:
                    raise
                theirs = await self._of_champion(endpoint, read)
                answer = await self._predict(endpoint, endpoint.champion, theirs, call)
                self._at_fault(endpoint, arm, theirs, call, refusal)
                return answer
        finally:
            turns.give()

    async def rows(
        self, endpoint: LiveEndpoint, read: Read, call: Call, named: LiveArm | None
    ) -> tuple[LiveArm, Rows]:
        """Who answers, and what is asked; the champion where one on trial refuses the request."""
        arm = endpoint.pick(call.key) if named is None else named
        try:
            if call.size > INLINE_BYTES:
                rows = await self._beside(arm.rows, read)
            else:
                rows = arm.rows(read)
            if rows.marks is not None:
                arm.judge(rows)
        except InvalidInput as refusal:
            if arm is endpoint.champion or named is not None:
                raise
            rows = await self._of_champion(endpoint, read)
            self._at_fault(endpoint, arm, rows, call, refusal)
            arm = endpoint.champion
        return arm, rows

    async def _of_champion(self, endpoint: LiveEndpoint, read: Read) -> Rows:
        champion = endpoint.champion
        return champion.judge(await self._beside(champion.rows, read))

    async def _interleave(
        self, endpoint: LiveEndpoint, rival: LiveArm, rows: Rows, read: Read, call: Call
    ) -> Answer:
        """One list of the champion's ranking and its rival's; each version's rows are its record.

        A rival that cannot answer is at fault, and the champion answers alone.
        """
        champion = endpoint.champion
        try:
            theirs = await self._beside(read, rival.model.reader)
            other, _ = await self._asked(endpoint, rival.model, theirs.X)
        except InvalidInput as refusal:
            self._at_fault(endpoint, rival, rows, call, refusal)
            return await self._predict(endpoint, champion, rows, call)
        except ModelFailure as error:
            self._failed(endpoint, rival, rows, call, error)
            return await self._predict(endpoint, champion, rows, call)
        try:
            mine, _ = await self._asked(endpoint, champion.model, rows.X)
        except ModelFailure as error:
            self._failed(endpoint, champion, rows, call, error)
            await self.journal.committed()
            raise self.told(error, endpoint.name, champion, call) from None
        drafted = draft(mine, other, call.key)
        ids, ms = row_ids(rows.ids, call.request, len(rows.X)), _ms_since(call.started)
        for arm, scores, own in ((champion, mine, True), (rival, other, False)):
            picked = [row for row, team in zip(*drafted, strict=True) if team is own]
            part = rows.part(picked)
            arm.counts.add(len(picked), ms)
            record = record_of(
                endpoint.name, arm, part, chosen(ids, picked), call, ms,
                chosen(scores, picked), None,
            )  # fmt: skip
            self.journal.prediction(record)
        if self.journal.waits:
            await self.journal.committed()
        return Answer(drafted.scores(), None, ids, champion.version, champion.role)

    async def shadow(self, endpoint: LiveEndpoint, arm: LiveArm, read: Read, call: Call) -> None:
        """Let a shadow answer a request that was answered before. Never raises."""
        call = call._replace(started=_now(), deadline=None)
        try:
            try:
                rows = await self._beside(read, arm.model.reader)
            except InvalidInput as refusal:
                theirs = await self._beside(endpoint.champion.rows, read)
                self._at_fault(endpoint, arm, theirs, call, refusal)
                raise
            await self._predict(endpoint, arm, rows, call)
        except (InvalidInput, ModelFailure) as error:
            said = error.code if self.journal.hides(endpoint.name) else error.message
            _log.warning("shadow %s of %r: %s", arm.version, endpoint.name, said)

    def _at_fault(
        self, endpoint: LiveEndpoint, arm: LiveArm, rows: Rows, call: Call, refusal: InvalidInput
    ) -> None:
        """Log that a version on trial refuses what the champion takes, as its ``rows`` have it.

        The champion's schema is what callers were promised; a version that asks for more is at
        fault itself, and the guards of its rollout read the log.
        """
        ids, ms = row_ids(rows.ids, call.request, len(rows.X)), _ms_since(call.started)
        arm.counts.add(len(rows.X), ms, failed=True)
        self.journal.prediction(
            record_of(endpoint.name, arm, rows, ids, call, ms, [], None, refusal)
        )

    def close(self) -> None:
        """Wait for the predictions under way."""
        self._pool.shutdown(wait=True)

    async def _predict(
        self, endpoint: LiveEndpoint, arm: LiveArm, rows: Rows, call: Call
    ) -> Answer:
        count = len(rows.X)
        ids = row_ids(rows.ids, call.request, count)
        model = arm.model
        check_deadline(call.deadline)
        try:
            then = partial(self._answered, endpoint, arm, rows, ids, call)
            if endpoint.cache is None and not model.is_slow(count):
                answer = await self._gatherer.ask(model, rows.X, then, endpoint.together)
            else:
                answer = then(await self._asked(endpoint, model, rows.X))
        except ModelFailure as error:
            self._failed(endpoint, arm, rows, call, error)
            await self.journal.committed()
            raise self.told(error, endpoint.name, arm, call) from None
        if self.journal.waits:
            await self.journal.committed()
        return answer

    def _answered(
        self,
        endpoint: LiveEndpoint,
        arm: LiveArm,
        rows: Rows,
        ids: list[str],
        call: Call,
        found: Output,
    ) -> Answer:
        """The answer, counted and handed to the log."""
        y, p = found
        told = p
        if arm.model.actions is not None and p is not None:
            y, told = drawn(endpoint.name, ids, p, arm.model.actions)
        ms = _ms_since(call.started)
        arm.counts.add(len(ids), ms)
        self.journal.prediction(record_of(endpoint.name, arm, rows, ids, call, ms, y, told))
        return Answer(y, p, ids, arm.version, arm.role, arm.model.labels)

    def _failed(
        self, endpoint: LiveEndpoint, arm: LiveArm, rows: Rows, call: Call, error: ModelFailure
    ) -> None:
        """Count and log a request that a model failed on."""
        ids, ms = row_ids(rows.ids, call.request, len(rows.X)), _ms_since(call.started)
        arm.counts.add(len(rows.X), ms, failed=True)
        said = record_of(endpoint.name, arm, rows, ids, call, ms, [], None, error)
        self.journal.prediction(said)

    async def _asked(self, endpoint: LiveEndpoint, model: LoadedModel, X: Matrix) -> Output:
        """The model's answer, or the one it gave to the same rows before."""
        cache = endpoint.cache
        key = None if cache is None else cache.key(model.digest, X)
        if cache is None or key is None:
            return await self._run(endpoint, model, X)
        found = cache.get(key)
        if found is None:
            found = await self._run(endpoint, model, X)
            cache.put(key, found)
        return found

    async def _run(self, endpoint: LiveEndpoint, model: LoadedModel, X: Matrix) -> Output:
        """At once when the model is quick; else beside the event loop, in batches."""
        if not model.is_slow(len(X)):
            return _timed(model, X)
        if not endpoint.serving.batch_ms:
            return await self._beside(partial(_timed, model), X)
        return await self._batcher(model, endpoint.serving.batch_ms).predict(X)

    def _batcher(self, model: LoadedModel, batch_ms: float) -> Batcher:
        if model.batcher is None:
            rows = partial(model.rows_within, batch_ms)
            model.batcher = Batcher(partial(_timed, model), self._pool, rows, THREADS)
        return model.batcher

    def told(self, error: ModelFailure, endpoint: str, arm: LiveArm, call: Call) -> ModelFailure:
        """The failure in full to the server's log, and without its inside to the caller."""
        cause = None if self.journal.hides(endpoint) else error
        _log.error(
            "request %s: version %d of %r failed",
            call.request, arm.version, endpoint, exc_info=cause,
        )  # fmt: skip
        own = f": its own code raised {error.raised}" if error.raised else ""
        return ModelFailure(
            f"Version {arm.version} of the model failed on this request{own}.",
            fix="The request is well formed; see the server's log for the reason.",
        )

    async def _beside(self, function: Callable[[A], T], argument: A) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, argument)


def row_ids(given: list[str | None] | None, request: str, count: int) -> list[str]:
    """The ids that labels will name: the caller's, else the request's, numbered if several."""
    if given is None:
        return [request] if count == 1 else [f"{request}-{row}" for row in range(count)]
    return [f"{request}-{row}" if id is None else id for row, id in enumerate(given)]


def record_of(
    endpoint: str,
    arm: LiveArm,
    rows: Rows,
    ids: list[str],
    call: Call,
    ms: float,
    y: list[Any],
    p: npt.NDArray[np.floating[Any]] | None,
    error: EverloopError | None = None,
    steps: int | None = None,
) -> PredictionRecord:
    """What the log keeps of a request; ``steps`` of a stream that one row was answered by."""
    return PredictionRecord(
        at=int(time.time() * 1000),
        request=call.request,
        endpoint=endpoint,
        version=arm.version,
        arm=arm.role,
        ids=ids,
        times=rows.times,
        columns=rows.columns,
        numbers=rows.numeric.of(rows.X),
        marks=rows.marks,
        y=y,
        p=None if p is None else np.asarray(p, np.float64).tobytes(),
        ms=ms,
        error=None if error is None else error.message,
        steps=steps,
    )


def with_deadline(call: Call, most_ms: float) -> Call:
    """The caller's deadline, or the endpoint's; the earlier of the two."""
    request, key, started, size, given = call
    own = started + most_ms / 1000
    return Call(request, key, started, size, own if given is None else min(own, given))


def _timed(model: LoadedModel, X: Matrix) -> Output:
    """The model's answer; its time is learned, without what it waited for a thread."""
    clock = model.clock
    begun = clock()
    found = model.predictor.predict(X)
    model.took(len(X), (clock() - begun) * 1000)
    return found


def _most_rows(model: LoadedModel) -> int:
    return model.rows_within(SLOW_MS)


_now = time.perf_counter


def _ms_since(start: float) -> float:
    return (_now() - start) * 1000

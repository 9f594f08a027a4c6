"""Follows the desired state: loads what it names, checks it, and swaps it in at once.

A version is verified, loaded and warmed up before it gets any request. When that fails, the
endpoint goes on as it was and the reason is told in ``errors``; the next try follows a second
later. Requests under way keep the arms they began with.

Where memory is limited and not all models fit, some endpoints are *cold*: the first request loads
their models, those of the endpoint that was not asked for the longest time go, and others are
answered meanwhile. An endpoint with requests under way stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from everloop.deploy.serving.counts import Counts
from everloop.deploy.serving.endpoint import LiveArm, LiveEndpoint
from everloop.deploy.serving.group import Group
from everloop.deploy.serving.limits import Turns
from everloop.deploy.serving.models import Models
from everloop.deploy.serving.redaction import Redaction, read_key
from everloop.deploy.serving.tally import Others
from everloop.deploy.state import (
    Arm,
    DesiredState,
    EndpointState,
    LogRules,
    read_state,
)
from everloop.errors import EverloopError, NotFound, Unavailable, did_you_mean

POLL_S = 0.1
RETRY_S = 1.0
ROOM_S = 2.0  # that a request waits for memory which others use

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Fleet:
    """The endpoints of this process.

    Attributes
    ----------
    endpoints : what answers now, by name; replaced as a whole, under ``_refreshing`` only.
    cold : what is loaded when somebody asks for it; likewise.
    models : what is in memory.
    revision, desired : of the state that is applied in full, and of the newest one read.
    errors : endpoint -> why its desired state is not applied ("" for the file itself).
    wanted : the names in the newest state that could be read.
    started : whether the first state has been tried.
    on_applied : called after each try.
    on_rules : told what may be logged of each endpoint, before a request can meet a new one.
    """

    def __init__(
        self,
        state: Path,
        path: Path,
        counts: Counts,
        memory: int = 0,
        group: Group | None = None,
    ) -> None:
        self.endpoints: dict[str, LiveEndpoint] = {}
        self.cold: dict[str, EndpointState] = {}
        self.models = Models(state, memory if group is None else group.share(memory), counts)
        self._group = group
        self.revision = 0
        self.desired = 0
        self.errors: dict[str, str] = {}
        self.started = False
        self.on_applied: Callable[[], None] | None = None
        self.on_rules: Callable[[dict[str, Redaction]], None] | None = None
        self._state = state
        self._path = path
        self._counts = counts
        self.wanted: set[str] = set()
        self._unloaded: frozenset[str] = frozenset()
        self._rules: dict[str, Redaction] = {}
        self._refreshing = asyncio.Lock()
        self._seen: tuple[int, ...] | None = None
        self._next_try = 0.0
        self._newest: dict[str, EndpointState] = {}  # of the state that was read last
        self._failed: dict[str, float] = {}  # cold endpoint -> when it could not be loaded
        self._loader = ThreadPoolExecutor(1, "everloop-load")

    @property
    def ready(self) -> bool:
        """Whether every endpoint that is wanted answers."""
        wanted = self.wanted - self._unloaded
        known = self.endpoints.keys() | (self.cold.keys() - self.errors.keys())
        return self.started and wanted <= known and "" not in self.errors

    @property
    def arms(self) -> dict[str, Sequence[Arm | LiveArm]]:
        """The versions of each endpoint that answers, or does once it is asked."""
        cold = {name: wanted.arms for name, wanted in self.cold.items() if name not in self.errors}
        return {**{name: live.arms for name, live in self.endpoints.items()}, **cold}

    async def asked(self, name: str | None) -> LiveEndpoint:
        """The endpoint called ``name``, or the only one; loaded first if it is cold.

        Raises what :meth:`get` and :meth:`only` do, and Unavailable when the memory that it needs
        is in use.
        """
        if name is None:
            name = self._alone()
        if name in self.cold:
            await self._warm(name)
        return self.loaded(name) or self.get(name)

    def loaded(self, name: str | None) -> LiveEndpoint | None:
        """The same where nothing has to be loaded or refused for it, which is nearly always."""
        if name is not None:
            endpoint = self.endpoints.get(name)
        else:
            alone = len(self.endpoints) == 1 and not self.cold
            endpoint = next(iter(self.endpoints.values())) if alone else None
        if endpoint is not None and self.models.limit:
            endpoint.asked = time.monotonic()
        return endpoint

    def get(self, name: str) -> LiveEndpoint:
        """The endpoint called ``name``. Raises NotFound with the nearest name."""
        endpoint = self.endpoints.get(name)
        if endpoint is not None:
            return endpoint
        if name in self.errors:
            raise NotFound(
                f"Endpoint {name!r} has no version that can answer: {self.errors[name]}",
                code="endpoint_not_loaded", path=name,
            )  # fmt: skip
        if name in self._unloaded:
            raise NotFound(
                f"Endpoint {name!r} is unloaded.", code="endpoint_not_loaded", path=name,
                fix=f"POST /v2/repository/models/{name}/load takes it up again.",
            )  # fmt: skip
        names = self.arms
        known = ", ".join(sorted(names)[:20]) or "none"
        raise NotFound(
            f"There is no endpoint {name[:255]!r}; the endpoints are: {known}.",
            code="endpoint_not_found", path=name[:255],
            fix=did_you_mean(name[:255], names),
        )  # fmt: skip

    def _alone(self) -> str:
        """The name of the only endpoint. Raises NotFound when there is not exactly one."""
        names = self.endpoints if not self.cold else self.arms
        if len(names) == 1:
            return next(iter(names))
        known = ", ".join(sorted(names)[:20]) or "none"
        raise NotFound(
            f"/predict is for a single endpoint; the endpoints here are: {known}.",
            code="endpoint_not_named", fix="Use /endpoints/NAME/predict.",
        )  # fmt: skip

    async def run(self) -> None:
        """Follow the file until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(POLL_S)

    async def unload(self, name: str) -> None:
        """Let an endpoint go, and its memory, until :meth:`load`. Raises NotFound."""
        self._check_wanted(name)
        await self._choose(self._unloaded | {name})

    async def load(self, name: str) -> None:
        """Take an endpoint up again; raises NotFound, or Unavailable when it cannot be loaded."""
        self._check_wanted(name)
        await self._choose(self._unloaded - {name})
        if name in self.cold:
            await self._warm(name)
        if name not in self.endpoints:
            raise Unavailable(
                f"Endpoint {name!r} cannot be loaded: {self.errors.get(name, 'try again')}",
                code="endpoint_not_loaded", path=name,
            )  # fmt: skip

    async def _choose(self, unloaded: frozenset[str]) -> None:
        if unloaded != self._unloaded:
            self._unloaded, self._seen = unloaded, None
            if self._group is not None:
                self._group.write_unloaded(unloaded)
        await self.refresh()

    def _check_wanted(self, name: str) -> None:
        if name not in self.wanted:
            self.get(name)  # says what there is

    async def refresh(self) -> None:
        """Apply the file when it has changed, or again when something of it failed."""
        async with self._refreshing:
            await self._refresh()

    async def _refresh(self) -> None:
        mark = self._mark()
        again = bool(self.errors) and time.monotonic() >= self._next_try
        if self.started and mark == self._seen and not again:
            return
        try:
            fresh, cold, errors, state = await self._beside(self._prepare)
        except EverloopError as error:
            fresh, cold, state = self.endpoints, self.cold, None
            errors = {"": error.message}
        if state is not None:
            self.desired = state.revision
            self.wanted, self._newest = set(state.endpoints), state.endpoints
        if state is not None and not errors:
            self.revision = state.revision
        for name in errors.keys() - self.errors.keys():
            _log.error("endpoint %r: %s", name, errors[name])
        if self.on_rules is not None:
            self.on_rules(self._rules)
        self.endpoints, self.cold, self.errors = fresh, cold, errors
        self.models.keep(_digests(fresh))
        if self.on_applied is not None:
            self.on_applied()
        self._seen, self._next_try = mark, time.monotonic() + RETRY_S
        self.started = True

    def _mark(self) -> tuple[int, ...]:
        """What changes with the files that are followed."""
        others = [] if self._group is None else [self._group.unloaded_path]
        mark: tuple[int, ...] = ()
        for path in (self._path, *others):
            with contextlib.suppress(FileNotFoundError):
                found = path.stat()
                mark += (found.st_mtime_ns, found.st_ino, found.st_size)
        return mark

    def _prepare(self) -> _Prepared:
        """Runs in the loader's thread; touches nothing that requests read."""
        state = read_state(self._path)
        if self._group is not None:
            self._unloaded = self._group.read_unloaded()
        fresh: dict[str, LiveEndpoint] = {}
        cold: dict[str, EndpointState] = {}
        errors: dict[str, str] = {}
        for name, wanted in state.endpoints.items():
            if name in self._unloaded:
                continue
            digests = {arm.digest for arm in wanted.arms}
            try:
                self.models.check(name, digests)
                if self.models.lacks(digests):
                    cold[name] = wanted
                    if name in self.errors and self.cold.get(name) == wanted:
                        errors[name] = self.errors[name]
                else:
                    fresh[name] = self._endpoint(name, wanted)
            except EverloopError as error:
                errors[name] = error.message
                kept = self.endpoints.get(name) or self._champion_alone(name, wanted)
                if kept is not None:
                    fresh[name] = kept
        self._rules = {
            name: self._redaction(name, wanted.log, errors)
            for name, wanted in state.endpoints.items()
            if wanted.log is not None
        }
        return _Prepared(fresh, cold, errors, state)

    async def _beside(self, work: Callable[[], T]) -> T:
        """What the loader's thread makes. Its future is kept until the garbage collector comes by:
        it must not hold models."""
        made: list[T] = []
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._loader, lambda: made.append(work()))
        return made.pop()

    async def _warm(self, name: str) -> None:
        """Load a cold endpoint; of several that ask for it one does.

        What is wrong with it is told in ``errors``. Raises Unavailable when memory stays in use.
        """
        async with self._refreshing:
            if name not in self.cold or time.monotonic() < self._failed.get(name, 0.0) + RETRY_S:
                return
            wanted = self.cold[name]
            await self._make_room({arm.digest for arm in wanted.arms}, name)
            live, error = await self._beside(lambda: self._loaded(name, wanted))
            self.errors = {n: said for n, said in self.errors.items() if n != name}
            if error:
                self._failed[name] = time.monotonic()
                self.errors[name] = error
                _log.error("endpoint %r: %s", name, error)
            if live is not None:
                self.cold = {n: state for n, state in self.cold.items() if n != name}
                self.endpoints = {**self.endpoints, name: live}
            self.models.keep(_digests(self.endpoints))

    def _loaded(self, name: str, wanted: EndpointState) -> tuple[LiveEndpoint | None, str]:
        """The endpoint, or its champion alone, and what is wrong."""
        try:
            return self._endpoint(name, wanted), ""
        except EverloopError as error:
            return self._champion_alone(name, wanted), error.message

    async def _make_room(self, digests: set[str], name: str) -> None:
        """Let go of endpoints that nobody asks, the longest unasked first, until these fit.

        What an answer under way still holds is on its way out: for as little as that takes, no
        other endpoint has to go in its place.
        """
        begun = time.monotonic()
        give_up, leaving_until = begun + ROOM_S, begun + ROOM_S / 20
        while missing := self.models.lacks(digests):
            idle = {n: live.asked for n, live in self.endpoints.items() if live.idle}
            leaving = self.models.leaving if time.monotonic() < leaving_until else 0
            if idle and missing > leaving:
                self._release(min(idle, key=idle.__getitem__))
                continue
            if time.monotonic() >= give_up:
                raise Unavailable(
                    f"Endpoint {name!r} cannot be loaded now: all memory of "
                    "settings.serve_memory_mb is in use.",
                    code="memory_in_use", path=name, fix="Try again later.",
                )  # fmt: skip
            await asyncio.sleep(0.005 if leaving else 0.02)

    def _release(self, name: str) -> None:
        """Make an endpoint cold. Its memory comes back when nobody uses it any more."""
        self.endpoints = {n: live for n, live in self.endpoints.items() if n != name}
        self.cold = {**self.cold, name: self._newest[name]}
        self.models.keep(_digests(self.endpoints))

    def _endpoint(self, name: str, wanted: EndpointState) -> LiveEndpoint:
        self.models.check(name, {arm.digest for arm in wanted.arms})
        get = self.models.get
        arms = [LiveArm(name, arm, get(arm.digest), self._counts, wanted) for arm in wanted.arms]
        live = LiveEndpoint(name, wanted.model, arms, wanted.serving, self._turns(name, wanted))
        answering = [arm.digest for arm in arms if arm is live.champion or arm.weight > 0.0]
        live.together = self.models.together(answering)
        if name in self.endpoints:
            live.asked = self.endpoints[name].asked
        return live

    def _turns(self, name: str, wanted: EndpointState) -> Turns:
        group, spec = self._group, wanted.serving
        told = self._counts.now("endpoint", name)
        if group is None:
            return Turns(spec.concurrency, spec.queue, told=told)
        others = Others(group.siblings, "now", "endpoint", name)
        return Turns(spec.concurrency, spec.queue, group.size, told, others)

    def _redaction(self, name: str, rules: LogRules, errors: dict[str, str]) -> Redaction:
        """Without the key for its hashes an endpoint answers, and logs masks in their place."""
        key = None
        if rules.hash or rules.ids:
            try:
                key = read_key(self._state / "keys")
            except EverloopError as error:
                errors.setdefault(name, f"values cannot be hashed: {error.message}")
        return Redaction(rules, key)

    def _champion_alone(self, name: str, wanted: EndpointState) -> LiveEndpoint | None:
        """After a start, a canary or shadow that cannot be loaded must not cost the endpoint."""
        champion = [arm for arm in wanted.arms if arm.role == "champion"]
        try:
            return self._endpoint(name, msgspec.structs.replace(wanted, arms=tuple(champion)))
        except EverloopError:
            return None


class _Prepared(NamedTuple):
    """What a state comes to: what answers, what is loaded when asked for, what is wrong."""

    fresh: dict[str, LiveEndpoint]
    cold: dict[str, EndpointState]
    errors: dict[str, str]
    state: DesiredState


def _digests(endpoints: dict[str, LiveEndpoint]) -> set[str]:
    return {arm.model.digest for live in endpoints.values() for arm in live.arms}

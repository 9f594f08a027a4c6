"""Follows the desired state: loads what it names, checks it, and swaps it in at once.

A version is verified, loaded and warmed up before it gets any request. When that fails, the
endpoint goes on as it was and the reason is told in ``errors``; the next try follows a second
later. Requests under way keep the arms they began with.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from everloop.deploy.explainer import background_of
from everloop.deploy.package import read_manifest, read_package
from everloop.deploy.runtimes import load_runtime
from everloop.deploy.serving.counts import Counts
from everloop.deploy.serving.endpoint import LiveArm, LiveEndpoint, LoadedModel
from everloop.deploy.serving.redaction import Redaction, read_key
from everloop.deploy.state import (
    DesiredState,
    EndpointState,
    LogRules,
    package_path,
    read_state,
)
from everloop.errors import EverloopError, Integrity, NotFound, Unavailable, nearest
from everloop.registry.signing import Keys

POLL_S = 0.1
RETRY_S = 1.0

_log = logging.getLogger(__name__)


class Fleet:
    """The endpoints of this process.

    Attributes
    ----------
    endpoints : what answers now, by name; replaced as a whole.
    revision, desired : of the state that is applied in full, and of the newest one read.
    errors : endpoint -> why its desired state is not applied ("" for the file itself).
    wanted : the names in the newest state that could be read.
    started : whether the first state has been tried.
    on_applied : called after each try.
    on_rules : told what may be logged of each endpoint, before a request can meet a new one.
    """

    def __init__(self, state: Path, path: Path, counts: Counts) -> None:
        self.endpoints: dict[str, LiveEndpoint] = {}
        self.revision = 0
        self.desired = 0
        self.errors: dict[str, str] = {}
        self.started = False
        self.on_applied: Callable[[], None] | None = None
        self.on_rules: Callable[[dict[str, Redaction]], None] | None = None
        self._state = state
        self._path = path
        self._counts = counts
        self._models: dict[str, LoadedModel] = {}
        self.wanted: set[str] = set()
        self._unloaded: frozenset[str] = frozenset()
        self._rules: dict[str, Redaction] = {}
        self._refreshing = asyncio.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._next_try = 0.0
        self._loader = ThreadPoolExecutor(1, "everloop-load")

    @property
    def ready(self) -> bool:
        """Whether every endpoint that is wanted answers."""
        wanted = self.wanted - self._unloaded
        return self.started and wanted <= self.endpoints.keys() and "" not in self.errors

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
        guess = nearest(name[:255], self.endpoints)
        known = ", ".join(sorted(self.endpoints)[:20]) or "none"
        raise NotFound(
            f"There is no endpoint {name[:255]!r}; the endpoints are: {known}.",
            code="endpoint_not_found", path=name[:255],
            fix=f'Did you mean "{guess}"?' if guess else None,
        )  # fmt: skip

    def only(self) -> LiveEndpoint:
        """The endpoint, when there is exactly one. Raises NotFound."""
        if len(self.endpoints) == 1:
            return next(iter(self.endpoints.values()))
        names = ", ".join(sorted(self.endpoints)[:20]) or "none"
        raise NotFound(
            f"/predict is for a single endpoint; the endpoints here are: {names}.",
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
        if name not in self.endpoints:
            raise Unavailable(
                f"Endpoint {name!r} cannot be loaded: {self.errors.get(name, 'try again')}",
                code="endpoint_not_loaded", path=name,
            )  # fmt: skip

    async def _choose(self, unloaded: frozenset[str]) -> None:
        if unloaded != self._unloaded:
            self._unloaded, self._seen = unloaded, None
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
        loop = asyncio.get_running_loop()
        try:
            fresh, errors, state = await loop.run_in_executor(self._loader, self._prepare)
        except EverloopError as error:
            fresh, errors, state = self.endpoints, {"": error.message}, None
        if state is not None:
            self.desired = state.revision
            self.wanted = set(state.endpoints)
        if state is not None and not errors:
            self.revision = self._counts.revision = state.revision
        for name in errors.keys() - self.errors.keys():
            _log.error("endpoint %r: %s", name, errors[name])
        if self.on_rules is not None:
            self.on_rules(self._rules)
        self.endpoints, self.errors = fresh, errors
        if self.on_applied is not None:
            self.on_applied()
        self._seen, self._next_try = mark, time.monotonic() + RETRY_S
        self.started = True

    def _mark(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size

    def _prepare(self) -> tuple[dict[str, LiveEndpoint], dict[str, str], DesiredState]:
        """Runs in the loader's thread; touches nothing that requests read."""
        state = read_state(self._path)
        fresh: dict[str, LiveEndpoint] = {}
        errors: dict[str, str] = {}
        for name, wanted in state.endpoints.items():
            if name in self._unloaded:
                continue
            try:
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
        used = {arm.model.digest for live in fresh.values() for arm in live.arms}
        self._models = {digest: m for digest, m in self._models.items() if digest in used}
        return fresh, errors, state

    def _endpoint(self, name: str, wanted: EndpointState) -> LiveEndpoint:
        arms = [LiveArm(name, arm, self._model(arm.digest), self._counts) for arm in wanted.arms]
        return LiveEndpoint(name, wanted.model, arms, wanted.serving)

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
            return self._endpoint(
                name, EndpointState(wanted.model, tuple(champion), wanted.serving)
            )
        except EverloopError:
            return None

    def _model(self, digest: str) -> LoadedModel:
        if digest not in self._models:
            self._models[digest] = _load(
                package_path(self._state, digest), digest, Keys.load(self._state / "keys")
            )
        return self._models[digest]


def _load(folder: Path, digest: str, keys: Keys) -> LoadedModel:
    if hashlib.sha256(read_manifest(folder)).hexdigest() != digest:
        raise Integrity(f"the package in {folder.name} has another digest.", expected=digest)
    predictor = load_runtime(folder, read_package(folder, keys))
    try:
        predictor.warm_up()
        start = time.perf_counter()
        predictor.warm_up(rows=8)
    except Exception as error:  # onnxruntime raises bare types of its own
        raise Integrity(f"the model of {digest[:12]} fails: {error}") from error
    row_ms = (time.perf_counter() - start) * 1000 / 8
    return LoadedModel(digest, predictor, row_ms, background_of(folder))

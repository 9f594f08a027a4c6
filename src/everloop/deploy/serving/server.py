"""One data-plane process: granian in this process, the fleet beside it, and a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from everloop.deploy.serving.access import Access
from everloop.deploy.serving.app import App
from everloop.deploy.serving.asking import Asking
from everloop.deploy.serving.core import Core
from everloop.deploy.serving.counts import Counts
from everloop.deploy.serving.fleet import Fleet
from everloop.deploy.serving.following import Follower
from everloop.deploy.serving.gauges import FleetGauges
from everloop.deploy.serving.group import Group
from everloop.deploy.serving.journal import Journal
from everloop.deploy.serving.lines import JsonLines
from everloop.deploy.serving.protocols.explaining import Explaining
from everloop.deploy.serving.protocols.mlflow import MLflow
from everloop.deploy.serving.protocols.native import Native
from everloop.deploy.serving.protocols.repository import Repository
from everloop.deploy.serving.protocols.streaming import Streaming
from everloop.deploy.serving.protocols.v1 import V1
from everloop.deploy.serving.protocols.v2 import V2
from everloop.deploy.serving.routing import Routed
from everloop.deploy.serving.seen import Observer, Watch
from everloop.deploy.serving.shadows import Shadows
from everloop.deploy.serving.streams import Streams
from everloop.deploy.serving.telling import Telling
from everloop.deploy.state import state_path
from everloop.errors import EverloopError, MissingExtra, Unavailable

if TYPE_CHECKING:
    from everloop.deploy.serving.protocols.rpc import Rpc
    from everloop.deploy.serving.traces import Traces

DRAIN_S = 10.0
BACKLOG = 1024  # connections that wait to be taken
TRACING = (
    "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)  # fmt: skip

_log = logging.getLogger(__name__)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a process is told. ``state`` is the folder ``.everloop``."""

    state: Path
    host: str = "127.0.0.1"
    port: int = 5051
    grpc_port: int | None = None  # 0 takes a free one; None serves no gRPC
    desired: Path | None = None  # the desired state's file, when not the usual one
    token: str = ""
    open_network: bool = False  # whoever reaches the port may ask
    log: Path | None = None  # the folder of the prediction log, when not the usual one
    fsync: Literal["always", "interval", "never"] = "interval"
    max_body: int = 16 << 20
    memory: int = 0  # bytes that models may take; 0 is no limit
    group: Group | None = None  # the place among several workers, of whom this is one
    segment_bytes: int = 64 << 20
    segment_age: float = 3600.0  # seconds
    log_bytes: int = 10 << 30
    follow: str = ""  # the control plane's address, when it is on another machine
    lines: JsonLines | None = None  # where requests are told of, one line each
    watch_stdin: bool = False
    as_json: bool = False  # the ready line


async def serve(options: Options) -> None:
    """Serve until SIGTERM or SIGINT (or the end of stdin), then finish what is under way.

    Raises :class:`~everloop.errors.InvalidInput` for a bind beyond loopback without a token and
    :class:`~everloop.errors.Unavailable` when the address is taken.
    """
    access = Access(options.host, options.token, options.open_network)
    if options.group is None:
        _check_free(options.host, options.port)
    parts = _Parts(options, access)
    follower = await _follower(options)
    await parts.fleet.refresh()
    server = _server(parts.app, options)
    # What is loaded stays: sparing the collector a walk over it halves the longest pauses.
    gc.collect()
    gc.freeze()
    rpc = await _rpc(options, parts.asking, parts.fleet, access, parts.watch)
    background = [asyncio.create_task(run()) for run in parts.background]
    stop_on_signals(server, options.watch_stdin)
    serving = asyncio.create_task(server.serve())
    await _listening(options, serving)
    url = _address(options)
    telling = Telling(url, parts.fleet, parts.counts, parts.app, follower)
    folder = options.state / "serving" if options.desired is None else None
    telling.begin(folder, options.group, parts.journal)
    print(_ready_line(url, parts.fleet, options.as_json), flush=True)
    try:
        await serving
        if rpc is not None:
            await rpc.stop(DRAIN_S)
        await parts.shadows.drain(DRAIN_S)
    finally:
        telling.end()
        for task in background:
            task.cancel()
        parts.close()
        if follower is not None:
            await asyncio.to_thread(follower.close)


class _Parts:
    """What one process is made of, put together; nothing runs yet."""

    def __init__(self, options: Options, access: Access) -> None:
        group, state = options.group, options.state
        self.counts = Counts() if group is None else Counts(group.tally(), group.siblings)
        self.journal = _journal(options, self.counts)
        core = Core(self.journal)
        self.shadows = Shadows(core, self.counts)
        desired = options.desired or state_path(state)
        self.fleet = fleet = Fleet(state, desired, self.counts, options.memory, group)
        fleet.on_rules = self.journal.obey
        self.asking = asking = Asking(core, self.shadows, options.max_body)
        explaining, streams = Explaining(options.max_body), Streams(core)
        streaming = Streaming(asking, streams, fleet)
        spoken: list[Routed] = [
            Native(asking, streaming), streaming, explaining, V1(asking, fleet),
            V2(asking, fleet), Repository(fleet), MLflow(asking, fleet),
        ]  # fmt: skip
        traces = _traces()
        self.watch = Watch(self.counts, _observers(options.lines, traces))
        dropped = partial(getattr, options.lines, "dropped", 0)
        gauges = FleetGauges(fleet, self.counts, dropped, group)
        self.counts.watch(gauges)
        self.app = App(fleet, self.counts, access, spoken, self.watch, group)
        self.background = [fleet.run, self.journal.run, self.shadows.run, gauges.run]
        self._closing = [explaining.close, streams.close, core.close, self.journal.close]
        self._closing += [] if traces is None else [traces.close]

    def close(self) -> None:
        """Finish what is under way, and bring it to the disk."""
        for close in self._closing:
            close()


def _journal(options: Options, counts: Counts) -> Journal:
    return Journal(
        options.log or options.state / "log", counts, options.fsync,
        options.segment_bytes, options.segment_age, options.log_bytes,
    )  # fmt: skip


async def _follower(options: Options) -> Follower | None:
    """Ask the control plane once; without its answer what was kept from it serves."""
    if not options.follow:
        return None
    log = options.log or options.state / "log"
    follower = Follower(options.follow, options.token, options.state, log, options.port)
    try:
        await asyncio.to_thread(follower.fetch)
    except EverloopError as error:
        _log.warning("what was published last is served: %s", error.message)
    return follower


def _traces() -> Traces | None:
    """Where one of OpenTelemetry's variables asks for them; needs the extra ``otel``."""
    env = os.environ
    asked = any(env.get(name) for name in TRACING) and env.get("OTEL_SDK_DISABLED") != "true"
    if not asked or env.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    try:
        from everloop.deploy.serving.traces import Traces  # noqa: PLC0415 - an optional extra

        return Traces(env)
    except MissingExtra as missing:
        _log.warning("%s", missing.message)  # the variables may be meant for others
        return None


def _observers(lines: JsonLines | None, traces: Traces | None) -> list[Observer]:
    return [part.request for part in (lines, traces) if part is not None]


async def _rpc(
    options: Options, asking: Asking, fleet: Fleet, access: Access, watch: Watch
) -> Rpc | None:
    """gRPC beside HTTP, where it is asked for; needs the extra ``grpc``."""
    if options.grpc_port is None:
        return None
    from everloop.deploy.serving.protocols.rpc import Rpc  # noqa: PLC0415 - an optional extra

    rpc = Rpc(asking, fleet, access, watch, shares_port=options.group is not None)
    port = await rpc.start(options.host, options.grpc_port)
    _log.info("gRPC on %s:%d", options.host, port)
    return rpc


def _ready_line(url: str, fleet: Fleet, as_json: bool) -> str:
    if not as_json:
        return f"everloop serving ready on {url}"
    versions = {n: [arm.version for arm in arms] for n, arms in fleet.arms.items()}
    said = {"ready": fleet.ready, "url": url, "endpoints": versions, "errors": fleet.errors}
    return msgspec.json.encode(said).decode()


def stop_on_signals(server: Server, watch_stdin: bool) -> None:
    """Let SIGTERM, SIGINT and, if asked for, the end of stdin stop the server gently."""
    loop = asyncio.get_running_loop()
    stop: Callable[[], None] = server.stop
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if watch_stdin:

        def ended() -> None:
            if not os.read(sys.stdin.fileno(), 1024):
                loop.remove_reader(sys.stdin)
                stop()

        loop.add_reader(sys.stdin, ended)


def _server(app: Any, options: Options) -> Server:
    kind = Server if options.group is None else partial(_Sharing, options.group.socket)
    return kind(
        app,
        address=options.host,
        port=options.port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=10_000),
        websockets=True,
        backlog=BACKLOG,
        log_enabled=False,
    )


class _Sharing(Server):
    """Takes connections from a socket that was bound by the parent of several workers."""

    def __init__(self, fd: int, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._inherited = fd

    def _init_shared_socket(self) -> None:
        holder: Any = SocketHolder  # its own stub leaves its arguments out
        shared = holder(self._inherited, False, BACKLOG)
        self.__dict__.update(_ssp=None, _sfd=self._inherited, _shd=shared)


def _check_free(host: str, port: int) -> None:
    """The server's own complaint about a taken address is a panic; say it in a sentence."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Unavailable(
                f"port: {host}:{port} cannot be bound: {error.strerror}.",
                code="address_in_use", path="port", got=port,
                fix="Choose another with --port.",
            ) from None  # fmt: skip


async def _listening(options: Options, serving: asyncio.Task[None]) -> None:
    """Return when the socket takes connections, or when a signal has stopped the server already."""
    for _ in range(500):
        if serving.done():
            await serving
            return
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(_reachable(options.host), options.port)
            writer.close()
            return
        await asyncio.sleep(0.01)
    raise Unavailable(f"{options.host}:{options.port} took no connections.", code="not_listening")


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _address(options: Options) -> str:
    host = f"[{options.host}]" if ":" in options.host else options.host
    return f"http://{host}:{options.port}"

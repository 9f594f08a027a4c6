"""Settings: the file, then the environment, then the command line; read here and nowhere deeper.

Each setting has the same name in ``[settings]`` of the loop file, in the environment
(``EVERLOOP_`` and the name in capitals) and in the docs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from everloop.durations import seconds
from everloop.errors import invalid, not_one_of
from everloop.sizes import size

PREFIX = "EVERLOOP_"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where state lives and who may reach it.

    Attributes
    ----------
    database_url : SQLAlchemy URL; empty means SQLite in ``.everloop/everloop.db``.
    blobs_url : ``file:///…``, ``s3://…``, ``gs://…``, ``az://…``; empty means ``.everloop/blobs``.
    token : bearer token that callers must send; required when a server binds beyond loopback.
    access : who may ask the data plane beyond loopback: ``token``, those who send it, or
        ``network``, whoever the network lets reach the port, as behind KServe's router.
    server : address of a running control plane that the command line should talk to.
    memory : what a step of a cycle may take, as ``2GB``; empty means what the machine, or the
        container, has free. Data that outgrows it is read in passes.
    lease : how long a controller may be silent, as ``10s``, before another one on the same database
        takes its cycles over.
    session_idle : how long a browser that is signed in may be silent, as ``12h``, until its person
        has to sign in again.
    session_life : after how long, as ``7d``, it has to in any case.
    log_format : what control and data plane write to standard error: ``text``, their messages, or
        ``json``, a line of JSON for each message and each request, without what was asked or
        answered.
    log_fsync : when the prediction log reaches the disk: ``always``, ``interval`` or ``never``.
    log_max_mb : what the data plane's own log may take on its disk before the control plane has
        taken it, in megabytes; past it predictions are answered and not logged.
    log_segment_mb : size at which a file of that log is closed and the next begun, in megabytes.
    log_segment_age : age, as ``1h``, at which the next record begins a new file.
    grpc_port : port on which predictions are answered over gRPC too; 0 serves none.
    serve_workers : how many processes of a data plane answer, each with models of its own; ``auto``
        is one for each core.
    serve_memory_mb : what the models of a data plane may take in memory, in megabytes; endpoints
        that do not fit are loaded when they are asked for, and those that nobody asks let go. 0 is
        no limit.
    max_body_mb : largest request body that a server reads, in megabytes.
    max_artifact_mb : largest artifact, or part of one, that a server takes, in megabytes.
    webhook_hosts : hosts that webhooks may reach although they are private or speak plain HTTP, as
        ``localhost, hooks.internal``; all others must be public and speak HTTPS.
    move_places : hosts and folders that imports and exports asked for over HTTP may reach, as
        ``mlflow.internal, /srv/mlflow``; without, only public hosts that speak HTTPS.
    skops_types : types that a skops file may name beside those that skops itself trusts, as
        ``my_steps.Clip, sklearn.tree._tree.Tree``.
    """

    database_url: str = ""
    blobs_url: str = ""
    token: str = ""
    access: str = "token"
    server: str = ""
    memory: str = ""
    lease: str = "10s"
    session_idle: str = "12h"
    session_life: str = "7d"
    log_format: str = "text"
    log_fsync: str = "interval"
    log_max_mb: float = 10_000.0
    log_segment_mb: float = 64.0
    log_segment_age: str = "1h"
    grpc_port: int = 0
    serve_workers: str = "1"
    serve_memory_mb: float = 0.0
    max_body_mb: float = 16.0
    max_artifact_mb: float = 10_000.0
    webhook_hosts: str = ""
    move_places: str = ""
    skops_types: str = ""

    @property
    def memory_bytes(self) -> int | None:
        """What ``memory`` says; None when it says nothing."""
        return size(self.memory, "settings.memory") if self.memory else None


_NUMBERS = {  # and what they may be at most
    "max_body_mb": 1024,
    "max_artifact_mb": 1_000_000,
    "serve_memory_mb": 100_000_000,
    "log_max_mb": 100_000_000,
    "log_segment_mb": 1024,
}


def load_settings(
    section: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Settings of a project: its ``[settings]`` section, overridden by the environment.

    Raises :class:`~everloop.errors.InvalidInput` for an unknown key or a bad value.
    """
    env = os.environ if environ is None else environ
    names = Settings.__struct_fields__
    values: dict[str, Any] = {}
    for key, value in (section or {}).items():
        if key not in names:
            raise not_one_of(f"settings.{key}", key, names, code="unknown_key")
        values[key] = value
    for name in names:
        if PREFIX + name.upper() in env:
            values[name] = env[PREFIX + name.upper()]
    return _checked(values)


def _checked(values: dict[str, Any]) -> Settings:
    for key, most in _NUMBERS.items():
        if key in values:
            values[key] = _number(key, values[key], most)
    if "grpc_port" in values:
        values["grpc_port"] = _port(values["grpc_port"])
    if "serve_workers" in values:
        values["serve_workers"] = check_workers(values["serve_workers"], "settings.serve_workers")
    for key, value in values.items():
        if key not in (*_NUMBERS, "grpc_port") and not isinstance(value, str):
            raise invalid(f"settings.{key}", f"<{type(value).__name__}>", "text")
    settings = Settings(**values)
    if settings.log_fsync not in ("always", "interval", "never"):
        raise invalid("settings.log_fsync", settings.log_fsync, "always, interval or never")
    seconds(settings.log_segment_age, "settings.log_segment_age")
    if settings.log_format not in ("text", "json"):
        raise invalid("settings.log_format", settings.log_format, "text or json")
    if settings.access not in ("token", "network"):
        raise invalid("settings.access", settings.access, "token or network")
    if settings.memory:
        size(settings.memory, "settings.memory")
    if not 1 <= seconds(settings.lease, "settings.lease") <= 3600:
        raise invalid("settings.lease", settings.lease, "a duration from 1s to 1h")
    for key in ("session_idle", "session_life"):
        value = getattr(settings, key)
        if not 60 <= seconds(value, f"settings.{key}") <= 366 * 86_400:
            raise invalid(f"settings.{key}", value, "a duration from 1m to 366d")
    return settings


def _number(key: str, value: Any, most: int) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise invalid(f"settings.{key}", value, "a number") from None
    if not 0 < number <= most and not (number == 0 and key == "serve_memory_mb"):
        raise invalid(f"settings.{key}", number, f"a number from 0 to {most}")
    return number


def check_workers(value: Any, name: str) -> str:
    """A number of workers as text, or ``auto``. Raises InvalidInput."""
    text = str(value).strip()
    whole = not isinstance(value, bool) and text.isdecimal() and 1 <= int(text) <= 256
    if not whole and text != "auto":
        raise invalid(name, value, 'a number from 1 to 256, or "auto"', path=name)
    return text


def _port(value: Any) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not text.isdecimal() or int(text) > 65535:
        raise invalid("settings.grpc_port", value, "a port from 1 to 65535, or 0 for none")
    return int(text)


def state_dir(project: Path) -> Path:
    """The folder of all state of a project."""
    return project / ".everloop"

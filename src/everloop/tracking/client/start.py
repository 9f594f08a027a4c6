"""``el.start_run``."""

from __future__ import annotations

import atexit
import getpass
import signal
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from everloop.tracking.checks import TAG, check_key, check_run_id, check_texts
from everloop.tracking.client.buffer import Buffer
from everloop.tracking.client.channel import Channel
from everloop.tracking.client.channels import channel_to
from everloop.tracking.client.place import place_of
from everloop.tracking.client.run import CURRENT, ActiveRun
from everloop.tracking.wire import Begin

PARENT = "mlflow.parentRunId"
"""The tag of a run that was started inside another one."""

START_PATIENCE = 2.0
TERMINATED = 143  # the exit status of a process that SIGTERM ended

_open: dict[str, ActiveRun] = {}


def start_run(
    experiment: str = "Default",
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    *,
    dir: Path | str = ".",
    server: str | None = None,
    run: str | None = None,
) -> ActiveRun:
    """Start a run and log to it; best as a context manager.

    >>> with el.start_run(experiment="digits", params={"lr": 0.1}) as run:  # doctest: +SKIP
    ...     run.log({"loss": 0.3}, step=1)

    Parameters
    ----------
    experiment : made when it is new.
    name : of the run; one is made up when it is not given.
    params, tags : to begin with. A run started inside another one's block is tagged as its child.
    dir : the project's folder.
    server : the server's address; by default ``EVERLOOP_SERVER``, and without that the run goes
        into the folder's own database. An empty text asks for the folder.
    run : the id of a run to go on with.

    Raises what the server says to the run's beginning; when it does not answer, the run goes on
    into the write-ahead file, and is sent when the server is back. While a run is open, SIGTERM
    ends the program as ``sys.exit(143)`` does, if it had no handler.
    """
    begin = Begin() if run is not None else _beginning(experiment, name, tags)
    channel = channel_to(place_of(dir, server))
    buffer = Buffer(uuid.uuid4().hex if run is None else check_run_id(run))
    buffer.texts.append({"begin": begin})
    channel.open(buffer)
    active = ActiveRun(channel, buffer, _ended)
    channel.wake()
    _see_begun(channel, buffer)
    if run is not None and tags:
        active.set_tags(tags)
    if params:
        active.log_params(params)
    _open[active.id] = active
    _catch_sigterm()
    return active


def _beginning(experiment: str, name: str | None, tags: Mapping[str, Any] | None) -> Begin:
    texts = check_texts("tags", tags or {}, TAG)
    parent = CURRENT.get()
    if parent is not None:
        texts.setdefault(PARENT, parent.id)
    check_key("experiment", experiment, 500)
    return Begin(experiment, name, _user(), time.time_ns() // 1_000_000, texts)


def _see_begun(channel: Channel, buffer: Buffer) -> None:
    """Raise what the target says to the beginning; go on when it says nothing."""
    channel.drain(START_PATIENCE, hopeful=False)
    refused = channel.refused.pop(buffer.run, None)
    if refused:
        channel.drop(buffer)
        raise refused[0]


def _user() -> str:
    try:
        return getpass.getuser()[:256]
    except (OSError, KeyError):
        return ""


def _ended(run: ActiveRun) -> None:
    _open.pop(run.id, None)
    ours = signal.getsignal(signal.SIGTERM) is _terminate
    if not _open and ours and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _catch_sigterm() -> None:
    """Let SIGTERM unwind the program, where it would end it at once."""
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: FrameType | None) -> None:
    sys.exit(TERMINATED)


def _end_open() -> None:
    failed = getattr(sys, "last_value", None) is not None
    for run in list(_open.values()):
        run.__exit__(None, SystemExit(1 if failed else 0), None)


# Registered after the channels' own function, so it comes before that.
atexit.register(_end_open)

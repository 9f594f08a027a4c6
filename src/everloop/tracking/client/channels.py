"""The channels of this process, one for each place, from its first run to its exit."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from pathlib import Path

import msgspec

from everloop.errors import EverloopError
from everloop.tracking.client._base import is_refusal
from everloop.tracking.client.channel import Channel, send
from everloop.tracking.client.outbox import leftovers
from everloop.tracking.client.place import Place

EXIT_PATIENCE = 5.0
"""Seconds that the end of a process waits for a target that does not answer."""

log = logging.getLogger("everloop.client")
_lock = threading.Lock()
_channels: dict[tuple[str, Path], Channel] = {}


class Sent(msgspec.Struct, frozen=True):
    """What was found of dead processes: records that were sent, refused, or wait on."""

    clients: int
    sent: int
    refused: int
    waiting: bool


def channel_to(place: Place) -> Channel:
    """This process's channel to a place; the first one also sends what dead processes left."""
    target = place.target()
    key = (target.name, place.outboxes)
    with _lock:
        if key not in _channels:
            _channels[key] = Channel(target, place.outboxes)
            if place.outboxes.exists():
                threading.Thread(
                    target=_send_quietly, args=(place,), name="everloop-leftovers", daemon=True
                ).start()
        return _channels[key]


def send_leftovers(place: Place) -> Sent:
    """Send what dead processes left for a place. Each record arrives once, whoever sends it."""
    clients = sent = refused = 0
    target = place.target()
    waiting = False
    for outbox in leftovers(place.outboxes, target.name):
        done = False
        try:
            for payload in outbox.pending():
                try:
                    send(target, outbox, payload)
                    sent += 1
                except EverloopError as error:
                    if not is_refusal(error):
                        raise
                    outbox.refuse(payload)
                    refused += 1
            clients += 1
            done = True
        except EverloopError as error:
            log.warning("%s What an earlier process logged waits on.", error.message)
            waiting = True
        finally:
            outbox.close(empty=done)
        if waiting:
            break
    target.close()
    return Sent(clients, sent, refused, waiting)


def _send_quietly(place: Place) -> None:
    try:
        send_leftovers(place)
    except Exception:  # a thread of its own: nobody waits for it
        log.warning("What an earlier process logged could not be sent.", exc_info=True)


def _close_all() -> None:
    for channel in list(_channels.values()):
        channel.close(EXIT_PATIENCE if channel.trouble is None else 0.0)


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    for channel in _channels.values():
        channel.after_fork()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_after_fork)

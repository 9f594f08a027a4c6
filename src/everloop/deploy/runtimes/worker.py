"""Runs a user's own ``predict`` in a process of its own; started by path, imports no everloop.

Messages are msgpack behind four bytes of length, little-endian, over the socket whose number is
the first argument; the second is the folder of the code, the third the limits as JSON. First it
bounds itself, for good, and says which fences stand; only then is the user's code imported.

A list asks ``predict`` for all its rows. ``{"open": ID, "row": {…}}`` begins ``predict_stream``,
each ``{"next": ID}`` asks it for one answer more, and ``{"close": ID}`` ends it; so it never runs
ahead of who reads, and several are under way side by side.
"""

from __future__ import annotations

import collections
import contextlib
import importlib
import os
import resource
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

_LENGTH = struct.Struct("<I")
Predict = Callable[[list[dict[str, Any]]], Any]


def main(number: str, folder: str, limits: str, fences: str) -> None:
    channel = socket.socket(fileno=int(number))
    told = msgspec.json.decode(limits, type=dict[str, Any])
    os.dup2(2, 1)  # what the code prints is for the log
    sys.path.insert(0, fences)
    stand = importlib.import_module("fences").build(folder, told["scratch"])
    sys.path.pop(0)
    if told["strict"] and len(stand) < 2:
        _send(channel, {"error": "this machine can fence off neither files nor network"})
        return
    _bound(told)
    try:
        predict, streams = _loaded(folder, told["entry"])
    except BaseException as error:  # the code's own, whatever it is
        _send(channel, {"error": f"{type(error).__name__}: {error}"[:2000]})
        return
    _send(channel, {"fences": stand, "streams": streams is not None})
    for asked in _asked(channel):
        with contextlib.suppress(ValueError):
            spent = resource.getrusage(resource.RUSAGE_SELF)
            whole = int(spent.ru_utime + spent.ru_stime + told["cpu_seconds"]) + 1
            resource.setrlimit(resource.RLIMIT_CPU, (whole, resource.RLIM_INFINITY))
        try:
            if isinstance(asked, list):
                _send(channel, {"y": _plain(predict(asked))})
            elif streams is not None:
                _send(channel, streams.answer(asked))
        except MemoryError:
            _send(channel, {"error": "it needs more memory than it may have"})
        except Exception as error:
            name = type(error).__name__
            _send(channel, {"error": f"{name}: {error}"[:2000], "raised": name[:100]})


def _bound(told: dict[str, Any]) -> None:
    memory = told["memory_mb"] << 20
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 64 << 20),
        (resource.RLIMIT_NOFILE, 256),
    ):
        resource.setrlimit(what, (most, most))


class Streams:
    """The generators under way, by the numbers that the asker gave them."""

    def __init__(self, begin: Callable[[dict[str, Any]], Iterable[Any]]) -> None:
        self.begin = begin
        self._open: dict[int, Iterator[Any]] = {}

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The next answer as a list of one, or an empty list at the end."""
        if "close" in asked:
            self._close(asked["close"])
            return {"y": []}
        number: int = asked["open"] if "open" in asked else asked["next"]
        if "open" in asked:
            self._open[number] = iter(self.begin(asked["row"]))
        try:
            return {"y": _plain([next(self._open[number])])}
        except StopIteration:
            del self._open[number]
            return {"y": []}
        except BaseException:
            self._close(number)
            raise

    def _close(self, number: int) -> None:
        found: Any = self._open.pop(number, None)
        if hasattr(found, "close"):
            with contextlib.suppress(Exception):  # the code's own, while it tidies up
                found.close()


def _loaded(folder: str, entry: str) -> tuple[Predict, Streams | None]:
    if entry == "mlflow":
        frame: Any = importlib.import_module("pandas").DataFrame
        model = importlib.import_module("mlflow.pyfunc").load_model(folder)
        return (lambda rows: model.predict(frame(rows))), None
    module, _, name = entry.partition(":")
    sys.path.insert(0, folder)
    code = importlib.import_module(module)
    begin = getattr(code, f"{name}_stream", None)
    if begin is None:
        return getattr(code, name), None
    return getattr(code, name, _last_of(begin)), Streams(begin)


def _last_of(begin: Callable[[dict[str, Any]], Iterable[Any]]) -> Predict:
    """``predict`` of code that only streams: what each row's stream comes to."""

    def last(row: dict[str, Any]) -> Any:
        found = collections.deque(begin(row), maxlen=1)
        if not found:
            raise ValueError("the stream gave no answer")
        return found[0]

    return lambda rows: [last(row) for row in rows]


def _plain(answer: Any) -> Any:
    """NumPy's and pandas' as lists."""
    if hasattr(answer, "columns"):
        answer = (
            answer.to_numpy().squeeze(axis=1) if len(answer.columns) == 1 else answer.to_numpy()
        )
    if hasattr(answer, "tolist"):
        return answer.tolist()
    return [value.item() if hasattr(value, "item") else value for value in answer]


def _asked(channel: socket.socket) -> Iterator[Any]:
    while True:
        head = channel.recv(_LENGTH.size, socket.MSG_WAITALL)
        if len(head) < _LENGTH.size:
            return
        size: int = _LENGTH.unpack(head)[0]
        body = channel.recv(size, socket.MSG_WAITALL)
        yield msgspec.msgpack.decode(body)


def _send(channel: socket.socket, message: Any) -> None:
    body = msgspec.msgpack.encode(message, enc_hook=str)
    channel.sendall(_LENGTH.pack(len(body)) + body)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""How what is logged gets from memory to the write-ahead file and from there to the target.

Two threads for all runs of a process that go to one target. The *writer* sleeps until something
is logged, waits ``GATHER`` seconds for more, and appends it to the outbox; it alone writes there.
The *sender* reads the outbox and hands each record to the target, again and again with growing
pauses while that is away. ``log`` itself waits for neither: only when the writer rests it is woken.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import msgspec

from everloop.errors import EverloopError, Forbidden, Unavailable
from everloop.tracking.client._base import Target, is_refusal
from everloop.tracking.client.buffer import Buffer
from everloop.tracking.client.outbox import Outbox
from everloop.tracking.wire import File, Record

GATHER = 0.04
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0

log = logging.getLogger("everloop.client")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record | File)


class Channel:
    """One target's way out of this process; any thread may use it.

    Attributes
    ----------
    awake : False when the writer must be woken by :meth:`wake` after something was added.
    trouble : why the last attempt to send failed, None after one that did not.
    refused : by run, what the target will never take, oldest first.
    """

    def __init__(self, target: Target, root: Path) -> None:
        self.target = target
        self.root = root
        self.awake = False
        self.trouble: EverloopError | None = None
        self.refused: dict[str, list[EverloopError]] = {}
        self._buffers: dict[str, Buffer] = {}
        self._start_over()

    # -- what runs do ----------------------------------------------------------------------------

    def open(self, buffer: Buffer) -> None:
        """Begin to write what is added to a buffer."""
        self._buffers[buffer.run] = buffer

    def drop(self, buffer: Buffer) -> None:
        """Write nothing more of a buffer."""
        self._buffers.pop(buffer.run, None)

    def wake(self) -> None:
        """Let the writer look; it must be called when ``awake`` is False after an addition."""
        self.awake = True
        if self._pid != os.getpid() or not self._threads:
            self._begin()
        self._wakes.put(None)

    def flush(self) -> None:
        """Wait until everything added before is in the write-ahead file."""
        if not self._threads or not all(thread.is_alive() for thread in self._threads):
            return
        done = threading.Event()
        self._wakes.put(done)
        done.wait()
        if self._failed is not None:
            raise self._unwritten(self._failed)

    def drain(self, patience: float, hopeful: bool = True) -> bool:
        """Wait until everything is sent; False when ``patience`` seconds brought no progress.

        Without ``hopeful`` the first attempt that fails is the last.
        """
        self.flush()
        with self._progress:
            goal, seen, end = self._written, self._sent, time.monotonic() + patience
            while self._sent < goal:
                if self._sent > seen:
                    seen, end = self._sent, time.monotonic() + patience
                if time.monotonic() >= end or (self.trouble is not None and not hopeful):
                    return False
                self._progress.wait(end - time.monotonic())
        return True

    def take_file(self, run: str, name: str, path: Path) -> None:
        """Copy an artifact to the outbox, behind everything that was added before."""
        if not self._threads:
            self._begin()
        assert self._outbox is not None
        self._buffers[run].texts.append({"file": (name, self._outbox.take_file(path))})
        self.wake()

    def close(self, patience: float) -> bool:
        """Send what can be sent, end the threads; False when some stays in the outbox."""
        if not self._threads or self._pid != os.getpid():
            return True
        try:
            sent = self.drain(patience)
        except EverloopError as error:
            log.error("%s", error.message)
            sent = False
        self._closing = True
        self._wakes.put(None)
        self._sends.put(None)
        for thread in self._threads:
            thread.join(1.0)
        assert self._outbox is not None
        self._outbox.close(empty=sent)
        self.target.close()
        self._start_over()
        return sent

    def unsent(self) -> int:
        """Records that are written and not yet sent."""
        return self._written - self._sent

    def after_fork(self) -> None:
        """In the child: what was pending is the parent's, and so are threads and outbox."""
        if self._outbox is not None:
            self._outbox.abandon()
        for buffer in self._buffers.values():
            buffer.forget()
        self.target.close()
        self._start_over()

    # -- the threads -----------------------------------------------------------------------------

    def _start_over(self) -> None:
        self._pid = os.getpid()
        self._threads: list[threading.Thread] = []
        self._outbox: Outbox | None = None
        self._wakes: SimpleQueue[threading.Event | None] = SimpleQueue()
        self._sends: SimpleQueue[None] = SimpleQueue()
        self._progress = threading.Condition()
        self._beginning = threading.Lock()
        self._sequence = self._written = self._sent = 0
        self._failed: OSError | None = None
        self._stuck: bytes | None = None
        self._closing = self._accepted = False
        self.awake = False

    def _begin(self) -> None:
        with self._beginning:
            if self._threads:
                return
            try:
                self._outbox = Outbox.create(self.root, self.target.name)
            except OSError as error:
                raise self._unwritten(error) from None
            self._threads = [
                threading.Thread(target=work, name=f"everloop-{name}", daemon=True)
                for name, work in (("writer", self._write), ("sender", self._send))
            ]
            for thread in self._threads:
                thread.start()

    def _write(self) -> None:
        while not self._closing:
            wanted = [self._wakes.get()]
            with contextlib.suppress(Empty):
                wanted.append(self._wakes.get(timeout=0 if wanted[0] else GATHER))
            # Whoever adds from here on either sees this or is seen below.
            self.awake = False
            try:
                self._write_pending()
                self._failed = None
            except OSError as error:
                if self._failed is None:
                    log.error("%s", self._unwritten(error).message)
                self._failed = error
                time.sleep(GATHER)
                self._wakes.put(None)
            for done in wanted:
                if done is not None:
                    done.set()

    def _write_pending(self) -> None:
        if self._stuck is not None:
            self._put(self._stuck)
        for buffer in list(self._buffers.values()):
            end = buffer.end  # before the last look at what was added before it
            for fields in buffer.take():
                self._append(buffer.run, fields)
            if end is not None:
                self._append(buffer.run, {"end": end})
                self._buffers.pop(buffer.run, None)

    def _append(self, run: str, fields: dict[str, Any]) -> None:
        assert self._outbox is not None
        if "file" in fields:
            name, file = fields["file"]
            payload = _encoder.encode(File(run, name, file))
        else:
            self._sequence += 1
            record = Record(client=self._outbox.client, sequence=self._sequence, run=run, **fields)
            payload = _encoder.encode(record)
        self._put(payload)

    def _put(self, payload: bytes) -> None:
        assert self._outbox is not None
        self._stuck = payload  # until it is written; the buffer has it no more
        self._outbox.append(payload)
        self._stuck = None
        self._written += 1
        self._sends.put(None)

    def _send(self) -> None:
        outbox = self._outbox
        assert outbox is not None
        while not self._closing:
            self._sends.get()
            while not self._sends.empty():
                self._sends.get()
            try:
                for payload in outbox.pending():
                    if not self._deliver(outbox, payload):
                        return
                    with self._progress:
                        self._sent += 1
                        self._progress.notify_all()
            except OSError as error:
                log.error("%s", self._unwritten(error).message)
                self._rest(LONGEST_PAUSE)
                self._sends.put(None)

    def _deliver(self, outbox: Outbox, payload: bytes) -> bool:
        """Whether the record is dealt with; False when this process ends before."""
        pauses = _pauses()
        while not self._closing:
            try:
                send(self.target, outbox, payload)
                self.trouble, self._accepted = None, True
                return True
            except EverloopError as error:
                # A wrong token shows at the first record; later on it is one that has changed.
                if is_refusal(error) or (isinstance(error, Forbidden) and not self._accepted):
                    self._refuse(outbox, payload, error)
                    return True
                self._away(outbox, error)
            except Exception as error:  # whatever it is, the records must not be lost
                log.debug("sending failed", exc_info=True)
                self._away(outbox, Unavailable(f"{self.target.name} failed: {error!r}."))
            with self._progress:
                self._progress.notify_all()
            self._rest(next(pauses))
        return False

    def _away(self, outbox: Outbox, error: EverloopError) -> None:
        if self.trouble is None:
            log.warning("%s What is logged waits in %s.", error.message, outbox.folder)
        self.trouble = error

    def _rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._closing and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def _refuse(self, outbox: Outbox, payload: bytes, error: EverloopError) -> None:
        run = _decoder.decode(payload).run
        self.refused.setdefault(run, []).append(error)
        kept = outbox.refuse(payload)
        log.error("run %s: %s What was refused is in %s.", run, error.message, kept)

    def _unwritten(self, error: OSError) -> EverloopError:
        return Unavailable(
            f"The write-ahead file below {self.root} does not work: {error.strerror}.",
            code="outbox_failed",
            path=str(self.root),
        )


def send(target: Target, outbox: Outbox, payload: bytes) -> None:
    """Hand one record or artifact of an outbox to the target."""
    record = _decoder.decode(payload)
    if isinstance(record, Record):
        target.send(record.run, payload)
        return
    file = outbox.folder / record.file
    target.put_file(record.run, record.name, file)
    file.unlink(missing_ok=True)


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 2, LONGEST_PAUSE)

"""Does the imports, exports, batches of predictions and backtests that wait, beside a server.

It may be cut off at any moment: a move that was under way is due again when its lease ends, at
once when the server ended in order, and goes on with what is not there yet.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import Any

import msgspec

from everloop.errors import EverloopError, Unavailable
from everloop.loop.apart import do_apart
from everloop.loop.moving import bring_in, send_out
from everloop.loop.project import Project
from everloop.tracking.moving.fence import Fence
from everloop.tracking.moving.importing import Imported, ImportOptions
from everloop.tracking.moving.queue import MOVING, Kind, Move, Progress

log = logging.getLogger("everloop.moves")

POLL_SECONDS = 0.5
BEAT_SECONDS = 1.0
ATTEMPTS = 5
PAUSE_MS = 15_000
"""How long it waits for a source that is away: so long, and twice as long the next time."""
_PREDICT, _BACKTEST = "everloop.loop.batches.worker", "everloop.loop.backtests.worker"


class Interrupted(Exception):
    """It was stopped between two batches."""


class Mover:
    """A thread that looks for what is due of ``kinds``, and one that does it."""

    def __init__(self, project: Project, kinds: Sequence[Kind] = MOVING) -> None:
        self.project, self.kinds = project, kinds
        self.fence = Fence.of(project.settings.move_places)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mover", daemon=True)

    def start(self) -> None:
        """Return at once; what waits is done from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Leave what is under way to whoever comes next."""
        self._stop.set()
        self._thread.join(timeout=10)

    def do_one(self) -> bool:
        """Do what is due now; False when nothing is."""
        move = self.project.moves.take(self.kinds)
        if move is not None:
            self._carry(move)
        return move is not None

    def _run(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            try:
                while not self._stop.is_set() and self.do_one():
                    pass
            except EverloopError as error:
                log.warning("imports wait: %s", error.message)
                self._stop.wait(5)
            except Exception:
                log.exception("the mover stumbled; it goes on")
                self._stop.wait(5)

    def _carry(self, move: Move) -> None:
        """Do one move in a thread, and say all the while that it goes on."""
        progress: Progress = dict(move.progress)
        halt = threading.Event()

        def tell(what: str, done: int, total: int | None) -> None:
            progress[what] = (done, total)
            if halt.is_set() or self._stop.is_set():
                raise Interrupted

        log.info("%s %s of %s begins", move.kind, move.id, move.address)
        with ThreadPoolExecutor(1, thread_name_prefix="move") as pool:
            work = pool.submit(self._work, move, tell)
            while not _ended(work):
                if not self._goes_on(move, progress):
                    halt.set()
        self._settle(move, progress, work)

    def _goes_on(self, move: Move, progress: Progress) -> bool:
        try:
            return self.project.moves.renew(move, dict(progress))
        except EverloopError as error:  # the lease is longer than most outages
            log.warning("%s %s: %s", move.kind, move.id, error.message)
            return True

    def _work(self, move: Move, tell: Any) -> Any:
        options = move.options
        if move.kind == "predict":
            return do_apart(self.project, _PREDICT, options, "batch", tell)
        if move.kind == "backtest":
            job = {"id": move.id, "plan": options}
            return do_apart(self.project, _BACKTEST, job, "backtest", tell)
        if move.kind == "export":
            return send_out(
                self.project, move.address, artifacts=options["artifacts"], tell=tell,
                fence=self.fence,
            )  # fmt: skip
        names = ("artifacts", "merge", "rename_with", "checksums")
        chosen = ImportOptions(**{name: options[name] for name in names}, actor=move.actor)
        return bring_in(
            self.project, move.address, options["artifacts_from"], chosen,
            dry_run=options["dry_run"], tell=tell, fence=self.fence,
        )  # fmt: skip

    def _settle(self, move: Move, progress: Progress, work: Future[Any]) -> None:
        moves = self.project.moves
        error = work.exception()
        if error is None:
            done = work.result()
            said = report(done) if isinstance(done, Imported) else done
            moves.settle(move, progress, said)
        elif isinstance(error, Interrupted):
            moves.release(move)  # nothing, where it was stopped by somebody
        elif isinstance(error, Unavailable) and move.attempts < ATTEMPTS:
            moves.fail(move, error, again_in=PAUSE_MS * 2 ** (move.attempts - 1))
        elif isinstance(error, EverloopError):
            moves.fail(move, error)
        else:
            log.error("%s %s", move.kind, move.id, exc_info=error)
            said = f"The {move.kind} failed; the server's log says why under {move.id}."
            moves.fail(move, EverloopError(said, code="internal_error"))


def report(done: Imported) -> dict[str, Any]:
    """What a move did, as JSON has it: both sides line by line, and whether they are equal."""
    lines = [{**msgspec.structs.asdict(line), "equal": line.equal} for line in done.lines]
    return {"ok": done.ok, **msgspec.structs.asdict(done), "lines": lines}


def _ended(work: Future[Any]) -> bool:
    try:
        work.exception(timeout=BEAT_SECONDS)
    except NotYet:
        return False
    return True
